"""A graph filter in bands: blurring, then sharpening, with a gain per band of the spectrum fitted on validation."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar, Literal

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from gnn.baselines.neighbors import degrees, inverse_power, strongest
from gnn.baselines.response import fitted_coefficients
from gnn.baselines.spectral import item_spectrum, normalised
from gnn.data import TrainingData
from gnn.data.histories import FloatArray
from gnn.models.model import ModelConfig
from gnn.operators import EmbeddingOperator, Operator, SparseOperator, SumOperator

ORDER = 4
"""Terms of the series of the sharpening, as one step of a fourth-order Runge–Kutta solver takes them."""


class BandFilter:
    """Histories blurred over the item graph (GF-CF's filter), then sharpened by running diffusion backwards.

    Both act on the spectrum of the user–item graph, so the served operator is exact where the spectrum is known
    (``rank`` directions) and linear beyond. ``response="learned"`` fits one gain per band of the spectrum on
    validation, pulled towards the blurring–sharpening response; without a validation part the gains are those of
    the configuration.

    Reference: Choi et al., "Blurring-sharpening process models for collaborative filtering", 2023, equations 8 to 15.
    The gains per band are this project's own.
    """

    class Config(ModelConfig):
        rank: int = Field(448, ge=1)
        alpha: float = Field(0.2, ge=0)
        """Weight of the ideal low-pass filter beside the linear one."""
        sharpening: float = Field(2.5, ge=0)
        """How long diffusion runs backwards; 0 gives GF-CF."""
        neighbors: int = Field(1000, ge=1)
        """The linear filter keeps this many entries per item."""
        response: Literal["sharpened", "learned"] = "sharpened"
        bands: int = Field(5, ge=1)
        gains: tuple[float, ...] | None = None
        """Of the part beyond the spectrum, the linear filter's bands, the ideal one's bands; 1 is no change."""

    reference: ClassVar[str] = "Choi et al. 2023, BSPM"

    def __init__(self, config: Config) -> None:
        self.config = config
        self.learned_options: dict[str, object] = {}

    def fit(self, data: TrainingData) -> Operator:
        config = self.config
        parts = _Parts(config, data)
        gains = np.ones(parts.count) if config.gains is None else np.asarray(config.gains, np.float64)
        if config.response == "learned" and config.gains is None and data.validation is not None:
            gains = fitted_coefficients(parts.operators(), gains, data)
        self.learned_options = {"gains": tuple(float(gain) for gain in gains)} if config.response == "learned" else {}
        return parts.combined(gains)


class _Parts:
    """The filter in pieces: what lies beyond the spectrum, and two filters in bands."""

    def __init__(self, config: BandFilter.Config, data: TrainingData) -> None:
        matrix = data.train.matrix()
        _, of_item = degrees(matrix)
        graph = normalised(matrix)
        transposed = sp.csr_array(graph.T)
        vectors, values = item_spectrum(graph, config.rank, seed=data.seed)
        energy = np.minimum(values, 1.0).astype(np.float64) ** 2
        root = np.sqrt(of_item)[:, None].astype(np.float32)
        self.item = vectors
        self.linear = strongest(transposed, graph, config.neighbors, keep_self=True)
        # Beyond the spectrum the response is taken as constant: what it is at the last direction that is known.
        self.beyond = float(sharpened(energy[-1:], config.sharpening)[0]) if energy.size else 1.0
        self.blurred = (vectors * (energy * (sharpened(energy, config.sharpening) - self.beyond))).astype(np.float32)
        self.kept = (vectors * (energy * self.beyond)).astype(np.float32)
        self.scaled = (config.alpha * vectors * inverse_power(of_item, 0.5)[:, None]).astype(np.float32)
        self.ideal = _sharpened_rows(root * vectors, graph, transposed, config.sharpening)
        self.bands = _bands(vectors.shape[1], config.bands)

    @property
    def count(self) -> int:
        return 1 + 2 * len(self.bands)

    def operators(self) -> tuple[Operator, ...]:
        """One operator per gain; with gains of 1 they add up to the filter."""
        whole = np.ascontiguousarray(self.item)
        beyond = SumOperator((SparseOperator(self.linear), self._embedding(whole, self.kept)), (self.beyond, -1.0))
        linear = tuple(self._embedding(self.item[:, band], (self.blurred + self.kept)[:, band]) for band in self.bands)
        ideal = tuple(self._embedding(self.ideal[:, band], self.scaled[:, band]) for band in self.bands)
        return (beyond, *linear, *ideal)

    def combined(self, gains: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Operator:
        """The weighted sum of the parts, as one sparse and one embedding operator."""
        spread = [np.zeros(self.item.shape[1]) for _ in range(2)]
        for number, part in enumerate(spread):
            for at, band in enumerate(self.bands):
                part[band] = gains[1 + number * len(self.bands) + at]
        of_linear = (self.blurred + self.kept) * spread[0] - self.kept * gains[0]
        embedding = self._embedding(
            np.concatenate([self.item, self.ideal], axis=1),
            np.concatenate([of_linear, self.scaled * spread[1]], axis=1).astype(np.float32),
        )
        return SumOperator((SparseOperator(self.linear), embedding), (float(self.beyond * gains[0]), 1.0))

    def _embedding(self, item: FloatArray, fold_in: FloatArray) -> EmbeddingOperator:
        return EmbeddingOperator(np.ascontiguousarray(item), np.ascontiguousarray(fold_in), length_power=0.0)


def sharpened(energy: np.ndarray[tuple[int, ...], np.dtype[np.float64]], time: float) -> FloatArray:
    """The response exp(-time · energy) of sharpening, by its series up to :data:`ORDER`. Shapes (K,) → (K,)."""
    term = np.ones_like(energy)
    total = term.copy()
    for number in range(1, ORDER + 1):
        term = term * (-time * energy) / number
        total += term
    return np.asarray(total, np.float32)


def _sharpened_rows(rows: FloatArray, graph: sp.csr_array, transposed: sp.csr_array, time: float) -> FloatArray:
    """The same series applied to columns over the items. Shapes: ``rows`` (I, K), ``graph`` (U, I) → (I, K)."""
    term = total = np.ascontiguousarray(rows, np.float32)
    for number in range(1, ORDER + 1 if time else 1):
        term = np.asarray(transposed @ (graph @ term), np.float32) * np.float32(-time / number)
        total = total + term
    return total


def _bands(rank: int, count: int) -> list[slice]:
    """The directions in bands that double in width, strongest first."""
    edges = sorted({0, rank, *(round(rank / 2**step) for step in range(1, count))})
    return [slice(start, stop) for start, stop in pairwise(edges) if stop > start]
