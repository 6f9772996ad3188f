"""Anything that ranks items for histories: one method, so that a model and the whole engine are measured alike."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from gnn.histories import FloatArray, Histories, IntArray


class Ranker(Protocol):
    """Ranks items for a block of histories."""

    def rank(self, histories: Histories, k: int) -> IntArray:
        """The best ``k`` item indices of each history, best first, items of the history left out.

        Shape (B, k); -1 where fewer than ``k`` items can be ranked.
        """
        ...


def top_k(scores: FloatArray, k: int) -> IntArray:
    """Indices of the ``k`` highest scores per row, ties by the lower index; -1 where the score is -inf.

    Shapes: ``scores`` (B, I) → (B, k).
    """
    num_rows, num_items = scores.shape
    width = min(k, num_items)
    best: npt.NDArray[np.int64]
    if width < num_items:
        cut = np.partition(scores, num_items - width, axis=1)[:, num_items - width]
        result = np.full((num_rows, k), -1, np.int32)
        for row in range(num_rows):
            above = np.flatnonzero(scores[row] > cut[row])
            tied = np.flatnonzero(scores[row] == cut[row])[: width - above.size]
            best = np.concatenate([above, tied])
            best.sort()
            result[row, :width] = best[np.argsort(-scores[row, best], kind="stable")]
    else:
        result = np.full((num_rows, k), -1, np.int32)
        result[:, :width] = np.argsort(-scores, axis=1, kind="stable")
    ranked = result[:, :width]
    ranked[~np.isfinite(np.take_along_axis(scores, np.maximum(ranked, 0), axis=1))] = -1
    return result
