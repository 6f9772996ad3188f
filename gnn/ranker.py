"""Anything that ranks items for histories: one method, so that a model and the whole engine are measured alike."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from gnn.data.histories import Histories, IntArray


class Ranker(Protocol):
    """Ranks items for a block of histories."""

    def rank(self, histories: Histories, k: int, *, repeats: bool = False) -> IntArray:
        """The best ``k`` item indices of each history, best first, items of the history left out unless ``repeats``.

        Shape (B, k); -1 where fewer than ``k`` items can be ranked.
        """
        ...


def top_k(scores: npt.NDArray[np.floating], k: int) -> IntArray:
    """Indices of the ``k`` highest scores per row, ties by the lower index; -1 where the score is -inf or NaN.

    Shapes: ``scores`` (B, I) → (B, k).
    """
    num_rows, num_items = scores.shape
    width = min(k, num_items)
    result = np.full((num_rows, max(k, 0)), -1, np.int32)
    if width < 1 or num_rows == 0:
        return result
    num_groups = _GROUPS_PER_PLACE * width
    if num_items < 2 * num_groups:
        result[:, :width] = _sorted_rows(scores, width)
        return result
    # The best score of each of many disjoint groups: the k-th best of these is no better than the k-th best score,
    # and it takes one pass of plain maxima. So few scores pass it that sorting them costs nothing.
    whole = num_items - num_items % num_groups
    best_of_group = np.fmax.reduce(scores[:, :whole].reshape(num_rows, -1, num_groups), axis=1)
    threshold = np.partition(_without_nan(best_of_group), num_groups - width, axis=1)[:, num_groups - width]
    passing = scores >= threshold[:, None]
    counts = np.count_nonzero(passing, axis=1)
    few = (counts <= _FEW * width) & (threshold > -np.inf)
    for hard in np.flatnonzero(~few):
        result[hard, :width] = _tied_row(scores[hard], threshold[hard], width)
        passing[hard] = False
    # Flat positions, because numpy finds the true cells of one long vector faster than those of a matrix.
    row, column = np.divmod(np.flatnonzero(passing), num_items)
    if row.size:
        easy_rows = np.flatnonzero(few)
        kept = counts[easy_rows]
        starts = np.cumsum(kept) - kept
        place = np.arange(row.size) - np.repeat(starts, kept)
        padded_score = np.full((easy_rows.size, kept.max()), -np.inf, scores.dtype)
        padded_column = np.zeros(padded_score.shape, np.int32)
        line = np.repeat(np.arange(easy_rows.size), kept)
        padded_score[line, place] = scores[row, column]
        padded_column[line, place] = column
        order = np.argsort(-padded_score, axis=1, kind="stable")[:, :width]
        result[easy_rows, :width] = np.take_along_axis(padded_column, order, axis=1)
    return result


_GROUPS_PER_PLACE = 16
_FEW = 12


def _without_nan(scores: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    return np.where(np.isnan(scores), -np.inf, scores)


def _sorted_rows(scores: npt.NDArray[np.floating], width: int) -> IntArray:
    """Every row sorted in full: for few items."""
    clean = _without_nan(scores)
    order = np.argsort(-clean, axis=1, kind="stable")[:, :width].astype(np.int32)
    order[np.take_along_axis(clean, order, axis=1) == -np.inf] = -1
    return order


def _tied_row(scores: npt.NDArray[np.floating], threshold: np.floating, width: int) -> IntArray:
    """One row in which many scores are equal, such as those of a short walk that reaches few items.

    At least ``width`` scores are as high as ``threshold``, unless it is -inf.
    """
    result = np.full(width, -1, np.int32)
    above = np.flatnonzero(scores > threshold)
    ranked = above[np.argsort(-scores[above], kind="stable")][:width]
    result[: ranked.size] = ranked
    if ranked.size < width and threshold > -np.inf:
        result[ranked.size :] = np.flatnonzero(scores == threshold)[: width - ranked.size]
    return result
