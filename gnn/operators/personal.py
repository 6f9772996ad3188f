"""The numpy side of a model that counts a user's own choices: what was chosen before is chosen again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from gnn.data.histories import FloatArray, Histories, IntArray


@dataclass(frozen=True)
class PersonalOperator:
    """``scores = sum over the user's events of decay ** (baskets since) + item_score``.

    Events of the same moment are one basket. ``item_score`` (I,) orders what the user never chose; below what a choice
    counts, it orders nothing else.
    """

    kind: ClassVar[str] = "personal"
    item_score: FloatArray
    decay: float = 1.0

    def score(self, weights: sp.csr_array, user_index: IntArray | None = None) -> FloatArray:
        return np.asarray(weights.toarray() + self.item_score, np.float32)

    def score_ordered(self, histories: Histories) -> FloatArray:
        scores = np.tile(np.asarray(self.item_score, np.float32), (len(histories), 1))
        counted = np.power(self.decay, baskets_back(histories)).astype(np.float32)
        np.add.at(scores, (histories.rows, histories.item_index), counted)
        return scores

    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        return {"item_score": self.item_score, "decay": np.array([self.decay], np.float64)}


def baskets_back(histories: Histories) -> npt.NDArray[np.int64]:
    """How many baskets lie between each event's and the last of its history; 0 for the last. Shape (N,)."""
    times, rows = histories.timestamp_s, histories.rows
    if not times.size:
        return np.zeros(0, np.int64)
    begins = np.append(True, (times[1:] != times[:-1]) | (rows[1:] != rows[:-1]))
    number = np.cumsum(begins)
    last = number[histories.indptr[1:][rows] - 1]
    return np.asarray(last - number, np.int64)
