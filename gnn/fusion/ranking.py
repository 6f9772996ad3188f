"""The fused ranking: candidates from every source, one learned score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gnn import compiled
from gnn.data.histories import FloatArray, Histories, IntArray, ItemRows
from gnn.fusion.features import (
    PROVISIONAL_DEPTH,
    RANK_DEPTH,
    SOURCE_DEPTH,
    Candidates,
    barred_among,
    candidates,
    features_of,
    raw_scores,
)
from gnn.fusion.layout import Layout
from gnn.fusion.standing import VIEWS, listed_at_once
from gnn.fusion.weights import FusionWeights
from gnn.operators import Operator
from graph.errors import ReleaseError


@dataclass(frozen=True, slots=True)
class Fused:
    """The best items of B histories, best first.

    Shapes: ``item_index`` and ``score`` (B, k), -1 and -inf where nothing is left to rank;
    ``contribution`` (B, k, S), what each source adds to the score.
    """

    item_index: IntArray
    score: FloatArray
    contribution: FloatArray


class FusedRanker:
    """Ranks by the learned fusion of several operators. Implements :class:`gnn.ranker.Ranker`."""

    def __init__(self, operators: Mapping[str, Operator], weights: FusionWeights) -> None:
        missing = [name for name in weights.space.sources if name not in operators]
        if missing:
            raise ReleaseError(
                "the fusion weighs sources that are not there", expected=", ".join(operators), got=", ".join(missing)
            )
        self.operators = {name: operators[name] for name in weights.space.sources}
        self.weights = weights
        self._firsts = np.array([first * len(VIEWS) for _, first, _ in weights.space.blocks], np.intp)
        self._ends = np.array([first + count for _, first, count in weights.space.blocks], np.int32)
        self._linear: dict[int, FloatArray] = {}
        self._layout: tuple[int, Layout | None] | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        return self.weights.space.sources

    def with_operators(self, replaced: Mapping[str, Operator]) -> FusedRanker:
        """The same weights over operators of which some are newer; unknown names are ignored."""
        return FusedRanker({name: replaced.get(name, old) for name, old in self.operators.items()}, self.weights)

    def fuse(
        self,
        histories: Histories,
        *,
        k: int,
        exclude: ItemRows | None = None,
        allowed: npt.NDArray[np.bool_] | None = None,
        bias: FloatArray | None = None,
    ) -> Fused:
        """The best ``k`` items per history with their scores and what each source contributes.

        Shapes: ``exclude`` (B, I) defaults to the items of the history; ``allowed`` (I,); ``bias`` (I,) is added to
        the score of each item, e.g. what a shop wants shown more.
        """
        if bias is None and self.weights.hidden is None and histories.num_items and compiled.kernels("fused"):
            limits = (max(PROVISIONAL_DEPTH, 2 * k), SOURCE_DEPTH, RANK_DEPTH)
            linear = self._linear_of(histories)
            if len(histories) == 1 and exclude is not None:
                layout = self._layout_of(histories.num_items)
                if layout is not None:
                    barred = barred_among(exclude, allowed)
                    return Fused(*layout.listed(histories, barred, limits, linear, self._ends, k))
            scores, barred = raw_scores(self.operators, self.weights.space, histories, exclude, allowed)
            return Fused(*listed_at_once(scores, barred, limits, linear, self._ends, k))
        pool = candidates(
            self.operators,
            self.weights.space,
            histories,
            exclude=exclude,
            allowed=allowed,
            depth=max(PROVISIONAL_DEPTH, 2 * k),
            groups=() if bias is None else _levels(bias),
        )
        return self._ranked(pool, histories, k, bias)

    def score_items(
        self,
        histories: Histories,
        item_index: IntArray,
        *,
        exclude: ItemRows | None = None,
        allowed: npt.NDArray[np.bool_] | None = None,
        bias: FloatArray | None = None,
    ) -> Fused:
        """The scores :meth:`fuse` gives to these items, in the order given, barred ones too.

        Shapes: ``item_index`` (B, C), -1 for none; ``exclude`` and ``allowed`` say who an item is ranked among.
        """
        given = features_of(self.operators, self.weights.space, histories, item_index, exclude=exclude, allowed=allowed)
        score = self._scores(given, histories, bias)
        return Fused(item_index, score, self._contribution(given.features, histories))

    def _ranked(self, pool: Candidates, histories: Histories, k: int, bias: FloatArray | None) -> Fused:
        score = self._scores(pool, histories, bias)
        best = np.argsort(-score, axis=1, kind="stable")[:, :k]
        rows = np.arange(len(best))[:, None]
        contribution = self._contribution(pool.features[rows, best], histories)
        fused = Fused(pool.item_index[rows, best], score[rows, best], contribution)
        return fused if best.shape[1] == k else _padded(fused, k)

    def _scores(self, pool: Candidates, histories: Histories, bias: FloatArray | None) -> FloatArray:
        """The learned score of each candidate with its bias; -inf in the padding. Shape (B, C)."""
        score = self.weights.scores(pool.features, histories.lengths)
        if bias is not None:
            score += bias[np.maximum(pool.item_index, 0)]
        score[pool.item_index < 0] = -np.inf
        return score

    def _contribution(self, features: FloatArray, histories: Histories) -> FloatArray:
        """Weighted features summed by source. Shape (B, C, F) → (B, C, S)."""
        weighted = self.weights.weighted(features, histories.lengths)
        return np.asarray(np.add.reduceat(weighted, self._firsts, axis=-1), np.float32)

    def _linear_of(self, histories: Histories) -> FloatArray:
        """The linear weights of each history; those of a single one are kept by its length. Shape (B, F)."""
        if len(histories) != 1:
            return self.weights.of_length(histories.lengths)
        length = histories.item_index.size
        kept = self._linear.get(length)
        if kept is None:
            if len(self._linear) >= MOST_LENGTHS:
                self._linear.clear()
            kept = self._linear[length] = self.weights.of_length([length])
        return kept

    def _layout_of(self, num_items: int) -> Layout | None:
        """Where the sources keep what they score so many items with; found once."""
        kept = self._layout
        if kept is None or kept[0] != num_items:
            kept = self._layout = num_items, Layout.of(self.operators, self.weights.space, num_items)
        return kept[1]

    def rank(
        self, histories: Histories, k: int, *, repeats: bool = False, allowed: npt.NDArray[np.bool_] | None = None
    ) -> IntArray:
        result = np.full((len(histories), k), -1, np.int32)
        step = self.weights.space.block_rows(histories.num_items)
        for start in range(0, len(histories), step):
            rows = np.arange(start, min(start + step, len(histories)))
            asked = histories.take(rows)
            exclude = asked.none() if repeats else None
            result[rows] = self.fuse(asked, k=k, exclude=exclude, allowed=allowed).item_index
        return result


def _padded(fused: Fused, k: int) -> Fused:
    """The lists at length ``k``, with nothing at their ends."""
    missing = ((0, 0), (0, k - fused.item_index.shape[1]))
    return Fused(
        np.pad(fused.item_index, missing, constant_values=-1),
        np.pad(fused.score, missing, constant_values=-np.inf),
        np.pad(fused.contribution, (*missing, (0, 0))),
    )


MAX_LEVELS = 8
MOST_LENGTHS = 1_024
"""Lengths of histories whose weights are kept."""


def _levels(bias: FloatArray) -> list[npt.NDArray[np.bool_]]:
    """Items of about equal bias: within a level the order without bias is the order with it. Shapes: (I,) each."""
    levels: list[npt.NDArray[np.bool_]] = []
    value = bias.min(initial=np.inf)
    while np.isfinite(value) and len(levels) < MAX_LEVELS:  # a pass a value: sorting a million of them costs more
        levels.append(bias == value)
        value = np.where(bias > value, bias, np.inf).min()
    if not np.isfinite(value):
        return levels
    edges = np.linspace(float(bias.min()), float(bias.max()), MAX_LEVELS + 1)[1:-1]
    level = np.digitize(bias, edges)
    return [level == number for number in range(MAX_LEVELS)]
