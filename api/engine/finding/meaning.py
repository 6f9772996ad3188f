"""Search by meaning: text vectors around their mean, a small projection to look through, the whole to rank by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from gnn.baselines.text import centred
from gnn.data.histories import FloatArray, IntArray
from gnn.operators import Arrays
from gnn.operators.nearest import Vectors
from graph.errors import ReleaseError

PROJECTED_DIM = 64
_BLOCK_ROWS = 65_536


@dataclass(frozen=True)
class Meanings:
    """The text vectors of a release's items, prepared to be searched.

    Shapes: ``vectors`` (I, T), as encoded, rows of zeros without text; ``mean`` (T,); ``projection`` (T, P), the
    directions in which they differ most; ``projected`` (I, P).

    Reference: Mu & Viswanath, "All-but-the-top", 2018 (the mean is taken out).
    """

    vectors: npt.NDArray[np.floating]
    mean: FloatArray
    projection: FloatArray
    projected: FloatArray

    @classmethod
    def of(cls, vectors: npt.NDArray[np.floating]) -> Meanings:
        """The vectors with their mean and their main directions."""
        rows = np.asarray(vectors, np.float32)
        present = (rows != 0).any(axis=1)
        mean = rows[present].mean(axis=0) if present.any() else np.zeros(rows.shape[1], np.float32)
        around = centred(rows)
        covariance = np.zeros((rows.shape[1], rows.shape[1]), np.float64)
        for start in range(0, len(around), _BLOCK_ROWS):
            block = around[start : start + _BLOCK_ROWS]
            covariance += block.T @ block
        _, directions = np.linalg.eigh(covariance)
        projection = np.ascontiguousarray(directions[:, ::-1][:, :PROJECTED_DIM], np.float32)
        return cls(vectors, mean.astype(np.float32), projection, np.ascontiguousarray(around @ projection))

    def around_mean(self, vectors: npt.NDArray[np.floating]) -> FloatArray:
        """Encoded texts as unit vectors around the mean; rows of zeros stay zero. Shape (N, T)."""
        rows = np.asarray(vectors, np.float32)
        moved = np.where((rows != 0).any(axis=1)[:, None], rows - self.mean, np.float32(0.0))
        length = np.linalg.norm(moved, axis=1, keepdims=True)
        return np.asarray(moved / np.maximum(length, 1e-12), np.float32)

    def nearest(self, query: FloatArray, k: int, allowed: npt.NDArray[np.bool_]) -> tuple[IntArray, FloatArray]:
        """The ``k`` allowed items most like a query of :meth:`around_mean`, as seen in the projection, and how much.

        Shape: ``allowed`` (I,).
        """
        return self._searched.nearest(query @ self.projection, k, allowed)

    @cached_property
    def _searched(self) -> Vectors:
        return Vectors(self.projected)

    def exactly(self, query: FloatArray, rows: npt.NDArray[np.integer]) -> FloatArray:
        """The cosine of some items. Shape (N,)."""
        return np.asarray(self.around_mean(self.vectors[rows]) @ query, np.float32)

    def arrays(self) -> Arrays:
        """What is kept beside the vectors, as named arrays."""
        return {"mean": self.mean, "projection": self.projection, "projected": self.projected}

    @classmethod
    def from_arrays(cls, vectors: npt.NDArray[np.floating], arrays: Mapping[str, npt.NDArray[np.generic]]) -> Meanings:
        """The vectors with what :meth:`arrays` kept.

        Raises:
            ReleaseError: when arrays are missing or do not fit together.
        """
        try:
            mean, projection, projected = (
                np.asarray(arrays[name], np.float32) for name in ("mean", "projection", "projected")
            )
            width = vectors.shape[1]
            fits = mean.shape == (width,) and projection.shape[0] == width
            if not fits or projected.shape != (vectors.shape[0], projection.shape[1]):
                raise ValueError("shapes differ")
        except (KeyError, ValueError, IndexError, TypeError) as error:
            raise ReleaseError("the arrays of search by meaning do not fit together", got=error) from error
        return cls(vectors, mean, projection, projected)
