"""Fusion weights: how much each view of each source counts, and how that shifts with the length of a history."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from gnn.data.histories import FloatArray, IntArray
from gnn.fusion.features import Context, FeatureSpace
from gnn.fusion.hidden import HiddenLayer
from gnn.fusion.standing import VIEWS
from gnn.operators import Operator
from graph.errors import ReleaseError

PRIOR_WEIGHT = 0.25


@dataclass(frozen=True)
class FusionWeights:
    """A score over fusion features: ``x · (weight + length(history) · slope)``, plus a hidden layer if one was learned.

    Shapes: ``weight``, ``slope`` and ``spread`` (F,). ``length`` is ``log(1 + events)`` standardised by ``length_mean``
    and ``length_scale``. ``spread`` is the standard deviation of each feature among the candidates learned from.
    """

    space: FeatureSpace
    weight: FloatArray
    slope: FloatArray
    length_mean: float = 0.0
    length_scale: float = 1.0
    learned: bool = False
    hidden: HiddenLayer | None = None
    spread: FloatArray | None = None

    @classmethod
    def prior(cls, space: FeatureSpace) -> FusionWeights:
        """Equal weight on the damped view of every source over the whole history; what learning starts from."""
        even = space.contexts[0]
        weight = np.array(
            [
                PRIOR_WEIGHT * (0.2 if source in space.constant else 1.0)
                if context in (even, "order") and view == "log"
                else 0.0
                for source, context, view in space.columns
            ],
            np.float32,
        )
        return cls(space, weight, np.zeros_like(weight))

    @classmethod
    def single(cls, space: FeatureSpace, source: str, context: Context) -> FusionWeights:
        """The order of one source in one reading of the history, within a space of several."""
        # The z view is clipped far out; the log view keeps the order there.
        weight = np.array(
            [
                1.0 if (name, reading) == (source, context) and view != "rank" else 0.0
                for name, reading, view in space.columns
            ],
            np.float32,
        )
        return cls(space, weight, np.zeros_like(weight))

    @classmethod
    def only(cls, operators: Mapping[str, Operator], source: str) -> FusionWeights:
        """One source and nothing beside it: what is served when a baseline wins the gate."""
        space = FeatureSpace.over({source: operators[source]}, ordered=False)
        return cls.single(space, *next(space.readings()))

    def scaled(self, scale: float) -> FusionWeights:
        """The same order with scores ``scale`` times as far apart."""
        return replace(
            self, weight=np.asarray(scale * self.weight, np.float32), slope=np.asarray(scale * self.slope, np.float32)
        )

    def raised(self, source: str, bonus: float) -> FusionWeights:
        """The same with ``bonus`` more weight on the damped view of a source over the whole history."""
        first = next(at for at, (name, _, view) in enumerate(self.space.columns) if (name, view) == (source, "log"))
        weight = self.weight.copy()
        weight[first] += np.float32(bonus)
        return replace(self, weight=weight)

    def scores(self, features: np.ndarray[Any, Any], lengths: Sequence[int] | np.ndarray[Any, Any]) -> FloatArray:
        """The score of each candidate. Shapes: ``features`` (B, C, F), ``lengths`` (B,) → (B, C)."""
        weight = self.of_length(lengths)
        if self._few is not None:
            features, weight = features[:, :, self._few], weight[:, self._few]
        features = np.asarray(features, np.float32)
        score = np.matmul(features, weight[:, :, None])[..., 0]
        if self.hidden is not None:
            score += self.hidden.scores(features, self.standard_length(lengths))
        return np.asarray(score, np.float32)

    @cached_property
    def _few(self) -> IntArray | None:
        """The features that count, where that is few of them, as of a single source: the others are not even read."""
        used = np.flatnonzero((self.weight != 0) | (self.slope != 0)).astype(np.int32)
        return used if self.hidden is None and 4 * used.size < self.weight.size else None

    def weighted(self, features: FloatArray, lengths: Sequence[int] | np.ndarray[Any, Any]) -> FloatArray:
        """What each feature adds to each score: the feature times how the score moves with it. Shape (B, C, F)."""
        weight = self.of_length(lengths)[:, None, :]
        if self.hidden is None:
            return np.asarray(features * weight, np.float32)
        return np.asarray(features * (weight + self.hidden.slopes(features, self.standard_length(lengths))), np.float32)

    def of_length(self, lengths: Sequence[int] | np.ndarray[Any, Any]) -> FloatArray:
        """The linear weights for histories of these lengths. Shape (B, F)."""
        return np.asarray(self.weight + self.standard_length(lengths)[:, None] * self.slope, np.float32)

    def standard_length(self, lengths: Sequence[int] | np.ndarray[Any, Any]) -> FloatArray:
        """``log(1 + events)``, standardised and clipped at three standard deviations. Shape (B,)."""
        length = (np.log1p(np.asarray(lengths, np.float64)) - self.length_mean) / self.length_scale
        return np.clip(length, -3.0, 3.0).astype(np.float32)

    def importance(self) -> dict[str, float]:
        """The share of each source in the absolute weights, largest first; shown to people.

        Each weight counts as often as its feature varies (a standardised coefficient), where that is known: a source
        that says nothing of these items has no share, whatever its weight.
        """
        totals = dict.fromkeys(self.space.sources, 0.0)
        counts = np.abs(self.weight) if self.hidden is None else np.abs(self.weight) + self.hidden.strength()
        if self.spread is not None:
            counts = counts * self.spread
        for (source, _, _), value in zip(self.space.columns, counts, strict=True):
            totals[source] += float(value)
        whole = sum(totals.values()) or 1.0
        return {name: total / whole for name, total in sorted(totals.items(), key=lambda item: -item[1])}

    def to_document(self) -> dict[str, Any]:
        """The weights as JSON, readable by people."""
        return {
            "sources": list(self.space.sources),
            "contexts": list(self.space.contexts),
            "constant": sorted(self.space.constant),
            "sequential": sorted(self.space.sequential),
            "views": list(VIEWS),
            "columns": [
                {
                    "source": source,
                    "context": context,
                    "view": view,
                    "weight": float(self.weight[at]),
                    "slope": float(self.slope[at]),
                    "spread": None if self.spread is None else float(self.spread[at]),
                }
                for at, (source, context, view) in enumerate(self.space.columns)
            ],
            "length_mean": self.length_mean,
            "length_scale": self.length_scale,
            "learned": self.learned,
            "importance": self.importance(),
            "hidden": None if self.hidden is None else self.hidden.to_document(),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> FusionWeights:
        """The weights that :meth:`to_document` described.

        Raises:
            ReleaseError: when the document does not describe weights of this version.
        """
        try:
            space = FeatureSpace(
                tuple(document["sources"]),
                tuple(document["contexts"]),
                frozenset(document["constant"]),
                frozenset(document.get("sequential", ())),
            )
            named = [(column["source"], column["context"], column["view"]) for column in document["columns"]]
            if tuple(named) != space.columns or list(document["views"]) != list(VIEWS):
                raise ReleaseError("fusion weights do not fit their feature space", got=len(named))
            weight = np.array([column["weight"] for column in document["columns"]], np.float32)
            slope = np.array([column["slope"] for column in document["columns"]], np.float32)
            spreads = [column.get("spread") for column in document["columns"]]
            spread = None if None in spreads else np.array(spreads, np.float32)
            mean, scale = float(document["length_mean"]), float(document["length_scale"])
            learned = bool(document["learned"])
            layer = document.get("hidden")
            hidden = None if layer is None else HiddenLayer.from_document(layer, weight.size)
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, ReleaseError):
                raise
            raise ReleaseError("the fusion document is not usable", got=error) from error
        numbers = [weight, slope, *([] if spread is None else [spread])]
        if not (all(np.isfinite(part).all() for part in numbers) and math.isfinite(mean) and scale > 0):
            raise ReleaseError("fusion weights must be finite numbers")
        return cls(space, weight, slope, mean, scale, learned, hidden, spread)
