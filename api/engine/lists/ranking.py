"""A full list for every history: the fused ranking, filled up by popularity where it has nothing to say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from api.engine.sources.current import Sources
from api.engine.watching import stage
from gnn.data.histories import FloatArray, Histories, IntArray, ItemRows, ItemSets
from gnn.ranker import top_k

_UNSEEN = 1e-6
"""Popularity of an item nobody chose, when something weighs it."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """The best k items of B histories.

    Shapes: ``item_index`` (B, k), -1 where no item is left; ``score`` (B, k); ``contribution`` (B, k, S) by fused
    source; ``filled`` (B, k) marks items that popularity put there.
    """

    item_index: IntArray
    score: FloatArray
    contribution: FloatArray
    filled: npt.NDArray[np.bool_]


@stage("rank")
def ranked(
    sources: Sources,
    histories: Histories,
    k: int,
    *,
    exclude: ItemRows | None = None,
    allowed: npt.NDArray[np.bool_] | None = None,
    bias: FloatArray | None = None,
) -> Ranked:
    """The best ``k`` allowed items per history; k are returned wherever k are left.

    Shapes: ``exclude`` (B, I), by default the items of the history; ``allowed`` (I,); ``bias`` (I,) is added to
    fused scores, and popularity counts ``exp(bias)`` times.
    """
    histories = histories.at_size(sources.num_items)
    exclude = histories.even() if exclude is None else exclude
    permitted = sources.allowed if allowed is None else sources.allowed & allowed
    num_rows = len(histories)
    step = sources.ranker.weights.space.block_rows(sources.num_items)
    speaking = np.flatnonzero(histories.lengths)
    if speaking.size == num_rows <= step:  # one block in which everyone has a history, as an answer has
        fused = sources.ranker.fuse(histories, k=k, exclude=exclude, allowed=permitted, bias=bias)
        result = Ranked(fused.item_index, fused.score, fused.contribution, np.zeros((num_rows, k), bool))
    else:
        result = _in_blocks(sources, histories, k, exclude, permitted, bias, speaking, step)
    for row in np.flatnonzero(result.item_index[:, -1] < 0) if k else ():  # what is missing is missing at the end
        excluded = exclude.indices[exclude.indptr[row] : exclude.indptr[row + 1]]
        _fill(sources, result, int(row), excluded, permitted, bias)
    return result


def _in_blocks(
    sources: Sources,
    histories: Histories,
    k: int,
    exclude: ItemRows,
    permitted: npt.NDArray[np.bool_],
    bias: FloatArray | None,
    speaking: npt.NDArray[np.int64],
    step: int,
) -> Ranked:
    """The histories that are not empty, as many at a time as fit; nothing for the others."""
    num_rows = len(histories)
    result = Ranked(
        np.full((num_rows, k), -1, np.int32),
        np.full((num_rows, k), -np.inf, np.float32),
        np.zeros((num_rows, k, len(sources.ranker.sources)), np.float32),
        np.zeros((num_rows, k), bool),
    )
    for start in range(0, speaking.size, step):
        rows = speaking[start : start + step]
        asked, shut = histories.take(rows), ItemSets.of(exclude, rows)
        fused = sources.ranker.fuse(asked, k=k, exclude=shut, allowed=permitted, bias=bias)
        result.item_index[rows] = fused.item_index
        result.score[rows] = fused.score
        result.contribution[rows] = fused.contribution
    return result


def fill_up(
    sources: Sources,
    item_index: IntArray,
    score: FloatArray,
    k: int,
    barred: npt.NDArray[np.bool_],
    bias: FloatArray | None = None,
) -> tuple[IntArray, FloatArray]:
    """A list of up to ``k`` items: the given ones, then the most popular that are not barred. ``barred`` is altered."""
    barred[item_index] = True
    missing = k - item_index.size
    if missing <= 0:
        return item_index[:k], score[:k]
    if bias is None:
        popularity, order = sources.popularity, sources.by_popularity
        more = order[~barred[order]][:missing]
    else:
        popularity = weighed_popularity(sources, bias)
        best = top_k(np.where(barred, np.float32(-np.inf), popularity)[None, :], missing)[0]
        more = best[best >= 0].astype(np.int64)
    popularity = popularity[more]
    floor = float(score.min()) - 1.0 if score.size else 0.0
    return (
        np.concatenate([item_index, more]).astype(np.int32),
        np.concatenate([score, floor + popularity]).astype(np.float32),
    )


def weighed_popularity(sources: Sources, bias: FloatArray) -> FloatArray:
    """Popularity times ``exp(bias)``, at most 1. Shape (I,)."""
    weighed = (sources.popularity + np.float32(_UNSEEN)) * np.exp(bias)
    return np.asarray(weighed / max(float(weighed.max(initial=0.0)), 1e-9), np.float32)


def _fill(
    sources: Sources,
    result: Ranked,
    row: int,
    excluded: npt.NDArray[np.integer],
    permitted: npt.NDArray[np.bool_],
    bias: FloatArray | None,
) -> None:
    barred = ~permitted
    barred[excluded] = True
    found = result.item_index[row] >= 0
    width = int(found.sum())
    k = result.item_index.shape[1]
    items, scores = fill_up(sources, result.item_index[row, :width], result.score[row, :width], k, barred, bias)
    result.item_index[row, : items.size] = items
    result.score[row, : items.size] = scores
    result.filled[row, width : items.size] = True
