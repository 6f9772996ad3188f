"""The flagship's operator with rows for items that came after the release."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from gnn.data.histories import FloatArray, Histories, IntArray
from gnn.operators import Arrays
from gnn.operators.foldin import FoldedItems
from gnn.operators.sequences import SequenceOperator, by_weight


@dataclass(frozen=True)
class GrownSequence:
    """An operator that reads events in order, over known items and folded ones. Shapes: ``folded`` (N, D) each.

    ``known`` (N,): False for an item of which nothing is known: its events are passed over, and it scores as low as the
    lowest.
    """

    kind: ClassVar[str] = "grown_sequence"
    inner: SequenceOperator
    folded: FoldedItems
    known: npt.NDArray[np.bool_]

    def score_ordered(self, histories: Histories) -> FloatArray:
        """Scores of known items, then of new ones. Shape (B, I + N)."""
        inner, num_known = self.inner, len(self.inner.item_input)
        told = np.concatenate([np.ones(num_known, bool), self.known])[histories.item_index]
        # Behind the last item, and so left out.
        items = np.where(told, histories.item_index, histories.num_items).astype(np.int32)
        read = replace(histories, item_index=items, num_items=histories.num_items + 1).among(histories.num_items)
        users = inner.user_embedding(read, self.folded.fold_in)
        scores, late = users @ inner.item_output.T, users @ self.folded.item_embedding.T
        if inner.item_bias is not None:
            scores, late = scores + inner.item_bias, late + np.float32(np.median(inner.item_bias))
        lowest = scores.min(axis=1, keepdims=True, initial=np.inf)
        return np.concatenate([scores, np.where(self.known, late, lowest)], axis=1).astype(np.float32)

    def score(self, weights: sp.csr_array, user_index: IntArray | None = None) -> FloatArray:
        return self.score_ordered(by_weight(weights))

    def arrays(self) -> Arrays:
        return self.inner.arrays()
