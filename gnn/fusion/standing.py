"""Where items stand in every reading: from raw scores to candidates and their views, compiled or in numpy.

B histories, R readings, I items. ``Barred`` says what is never a candidate: per history, and of all alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from gnn import compiled
from gnn.compiled import passes
from gnn.data.histories import FloatArray, IntArray

View: TypeAlias = Literal["z", "log", "rank"]

VIEWS: tuple[View, ...] = ("z", "log", "rank")
"""How an item of one reading is seen, see :mod:`gnn.fusion.features`; the columns of a reading, in this order."""
LOWEST, HIGHEST = np.float32(-3.0), np.float32(10.0)
"""One source counts no more than so many standard deviations in the sum of all."""


@dataclass(frozen=True, slots=True)
class Barred:
    """What is never a candidate. Shapes: ``indptr`` (B + 1,) and ``item_index`` (N,) by history; ``shut`` (S,)."""

    indptr: IntArray
    item_index: IntArray
    shut: npt.NDArray[np.int64]

    def mask(self, num_items: int) -> npt.NDArray[np.bool_]:
        """True where barred. Shape (B, I)."""
        rows = self.indptr.size - 1
        barred = np.zeros((rows, num_items), bool)
        barred[np.repeat(np.arange(rows), np.diff(self.indptr)), self.item_index] = True
        barred[:, self.shut] = True
        return barred


@dataclass(frozen=True, slots=True)
class Tops:
    """The best of every reading. Shapes: ``item_index`` (R, B, T), -1 behind the last item above the average;
    ``score`` (R, B, K), descending, -inf behind the last.
    """

    item_index: IntArray
    score: FloatArray


def stand(scores: FloatArray, barred: Barred, proposed: int, depth: int) -> tuple[FloatArray, Tops]:
    """The sum of all readings' clipped z-scores (B, I), -inf where barred, and the best of each reading.

    ``scores`` (R, B, I) become z-scores, -inf where barred.
    """
    readings, rows, width = scores.shape
    depth = min(depth, width)
    total = np.zeros((rows, width), np.float32)
    tops = Tops(
        np.empty((readings, rows, min(proposed, depth)), np.int32), np.empty((readings, rows, depth), np.float32)
    )
    loops = compiled.kernels("pool")
    if loops is not None and depth:
        loops.stand(
            scores, barred.indptr, barred.item_index, barred.shut, LOWEST, HIGHEST, total, tops.item_index, tops.score
        )
        return total, tops
    never = barred.mask(width)
    for number, raw in enumerate(scores):
        z = passes.standardized(raw)
        total += np.clip(z, LOWEST, HIGHEST)
        z[never] = -np.inf
        scores[number] = z
        index, value = passes.best(z, depth)
        tops.item_index[number] = np.where(value > 0, index, -1)[:, : tops.item_index.shape[2]]
        tops.score[number] = np.where(value > 0, value, -np.inf)
    total[never] = -np.inf
    return total, tops


def listed_at_once(
    scores: FloatArray, barred: Barred, limits: tuple[int, int, int], weights: FloatArray, ends: IntArray, k: int
) -> tuple[IntArray, FloatArray, FloatArray]:
    """The best ``k`` items of each history, their scores and what each source adds to them; only with numba.

    What :func:`stand`, :func:`united` and :func:`views` lead to, in one call. Shapes: ``scores`` (R, B, I), which are
    used up; ``weights`` (B, 3 · R); ``ends`` (S,), the reading behind each source's last → (B, k), (B, k), (B, k, S).
    ``limits``: how many items all readings together and each of them propose, and how deep a rank counts.
    """
    loops = compiled.kernels("fused")
    assert loops is not None
    readings, rows, width = scores.shape
    lists = empty_lists(rows, k, ends.size)
    loops.fuse(
        scores,
        barred.indptr,
        barred.item_index,
        barred.shut,
        bounded(limits, width),
        (LOWEST, HIGHEST),
        weights.reshape(rows, readings, len(VIEWS)),
        ends,
        *lists,
    )
    return lists


def empty_lists(rows: int, k: int, sources: int) -> tuple[IntArray, FloatArray, FloatArray]:
    """Room for the items of lists, their scores and what each source adds. Shapes: (B, k), (B, k), (B, k, S)."""
    item_index, score = np.empty((rows, k), np.int32), np.empty((rows, k), np.float32)
    return item_index, score, np.empty((rows, k, sources), np.float32)


def bounded(limits: tuple[int, int, int], num_items: int) -> tuple[int, int, int]:
    """The limits of :func:`listed_at_once` among so many items; nothing is proposed deeper than ranks count."""
    provisional, proposed, depth = (min(limit, num_items) for limit in limits)
    return provisional, min(proposed, depth), depth


def united(parts: Sequence[IntArray], num_items: int) -> IntArray:
    """Each row's distinct non-negative entries, ascending, padded with -1."""
    joined = np.concatenate(parts, axis=1)
    loops = compiled.kernels("pool")
    if loops is not None:
        pool = np.empty(joined.shape, np.int32)
        most = int(loops.unite(joined, num_items, pool))
        return pool[:, : max(most, 1)]
    joined = np.sort(joined, axis=1)
    fresh = joined >= 0
    fresh[:, 1:] &= joined[:, 1:] != joined[:, :-1]
    counts = fresh.sum(axis=1)
    padded = np.full((len(joined), max(int(counts.max(initial=0)), 1)), -1, np.int32)
    padded[np.arange(padded.shape[1]) < counts[:, None]] = joined[fresh]
    return padded


def views(z: FloatArray, pool: IntArray, tops: Tops) -> FloatArray:
    """The three views of every reading of pooled items, 0 in the padding.

    Shapes: ``z`` (R, B, I) as :func:`stand` leaves it; ``pool`` (B, C), -1 behind the last → (B, C, 3 · R).
    """
    features = np.zeros((*pool.shape, len(VIEWS) * len(z)), np.float32)
    loops = compiled.kernels("pool")
    if loops is not None:
        loops.views(z, pool, tops.score, features)
        return features
    for number, scores in enumerate(z):
        chosen = np.take_along_axis(scores, np.maximum(pool, 0), axis=1)
        _put(chosen, pool, tops.score[number], tops.score.shape[2], features[..., len(VIEWS) * number :])
    return features


def views_of(scores: FloatArray, barred: Barred, item_index: IntArray, depth: int) -> FloatArray:
    """The three views of every reading of given items, barred ones too, among the items that are not barred.

    Shapes: ``scores`` (R, B, I), which are used up; ``item_index`` (B, C), -1 for none → (B, C, 3 · R).
    """
    features = np.zeros((*item_index.shape, len(VIEWS) * len(scores)), np.float32)
    loops = compiled.kernels("pool")
    if loops is not None:
        loops.views_of(scores, barred.indptr, barred.item_index, barred.shut, item_index, depth, features)
        return features
    never = barred.mask(scores.shape[2])
    for number, raw in enumerate(scores):
        z = passes.standardized(raw)
        chosen = np.take_along_axis(z, np.maximum(item_index, 0), axis=1)
        _, top = passes.best(np.where(never, np.float32(-np.inf), z), depth)
        _put(chosen, item_index, top, depth, features[..., len(VIEWS) * number :])
    return features


def _put(chosen: FloatArray, pool: IntArray, top: FloatArray, depth: int, features: FloatArray) -> None:
    """How high each chosen score stands in one reading: the z-score, the log of it, and its rank."""
    chosen = np.where(pool < 0, np.float32(0.0), chosen)
    rank = ranks(chosen, top)
    features[..., 0] = np.clip(chosen, -5.0, 20.0)
    features[..., 1] = np.log1p(np.maximum(chosen, 0.0))
    features[..., 2] = np.where((rank < depth) & (chosen > 0), 10.0 / (rank + 10.0), 0.0)


def ranks(chosen: FloatArray, top_scores: FloatArray) -> npt.NDArray[np.int64]:
    """How many of each row's best scores lie above each chosen score. Shapes (B, C), (B, R) descending → (B, C)."""
    result = np.empty(chosen.shape, np.int64)
    ascending = -top_scores
    for row in range(len(chosen)):
        result[row] = np.searchsorted(ascending[row], -chosen[row], side="left")
    return result
