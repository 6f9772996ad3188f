"""Histories as weighed sets of items: what a source that does not read their order is asked with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp

from gnn import compiled
from gnn.data.histories import FloatArray, Histories, IntArray

CONTEXTS = 3
"""A history is read evenly, by recency, and by its last event alone."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """A block of B histories as sets of items, weighed in C readings: evenly, by recency, by the last event alone.

    Shapes: ``user_index`` (B,); ``indptr`` (B + 1,); ``item_index`` (N,), distinct and ascending in each history;
    ``weight`` (C, N), 0 where a reading does not read the item.
    """

    user_index: IntArray
    indptr: IntArray
    item_index: IntArray
    weight: FloatArray
    num_items: int
    is_one_item: bool = False
    """Whether it is nobody's history of one item, read once, with the weight 1: what related items are asked with."""
    kept: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """What several sources work out of the block alike."""

    @classmethod
    def of(cls, histories: Histories, contexts: int = CONTEXTS) -> Weighed:
        """The histories in the first ``contexts`` readings, which are one or all."""
        loops = compiled.kernels("contexts")
        if loops is None:
            return cls._plainly(histories, contexts)
        indptr = np.zeros(len(histories) + 1, np.int32)
        items = np.empty(histories.item_index.size, np.int32)
        weight = np.empty((contexts, items.size), np.float32)
        size = loops.weigh(histories.indptr, histories.item_index, indptr, items, weight)
        if size < items.size:
            items, weight = items[:size], np.ascontiguousarray(weight[:, :size])
        return cls(histories.user_index, indptr, items, weight, histories.num_items)

    @classmethod
    def of_item(cls, item_index: int, num_items: int) -> Weighed:
        """A history of one item, in one reading."""
        nobody, ends = np.full(1, -1, np.int32), np.array([0, 1], np.int32)
        return cls(nobody, ends, np.array([item_index], np.int32), np.ones((1, 1), np.float32), num_items, True)

    @classmethod
    def _plainly(cls, histories: Histories, contexts: int) -> Weighed:
        even = histories.even()
        weight = np.zeros((contexts, even.nnz), np.float32)
        weight[0] = 1.0
        if contexts > 1:
            weight[1] = histories.recent().data
            last = histories.last()
            key = np.repeat(np.arange(len(histories)), np.diff(even.indptr)) * histories.num_items + even.indices
            newest = np.flatnonzero(np.diff(last.indptr)) * histories.num_items + last.indices
            weight[2, np.searchsorted(key, newest)] = 1.0
        return cls(histories.user_index, even.indptr, even.indices, weight, histories.num_items)

    def __len__(self) -> int:
        return int(self.user_index.size)

    def stacked(self, contexts: int) -> sp.csr_array:
        """The first readings one below the other, for what knows nothing of them. Shape (C · B, I)."""
        weight = self.weight[:contexts].ravel()
        kept = weight != 0
        before = np.concatenate([[0], np.cumsum(kept)])
        starts = (np.arange(contexts)[:, None] * self.item_index.size + self.indptr[:-1]).ravel()
        indptr = np.append(before[starts], before[-1]).astype(np.int32)
        items = np.tile(self.item_index, contexts)[kept]
        return sp.csr_array((weight[kept], items, indptr), shape=(contexts * len(self), self.num_items))

    def users(self, contexts: int) -> IntArray:
        """Whose the stacked rows are; only a history as a whole is a user's own. Shape (C · B,)."""
        nobody = np.full((contexts - 1) * len(self), -1, np.int32)
        return np.concatenate([self.user_index, nobody])

    def totals(self, contexts: int) -> FloatArray:
        """The sum of each history's weights in the first readings. Shape (C, B)."""
        if len(self) == 1:
            if "totals" not in self.kept:
                self.kept["totals"] = np.asarray(self.weight.sum(axis=1, keepdims=True), np.float32)
            return np.asarray(self.kept["totals"][:contexts], np.float32)
        before = np.zeros((contexts, self.item_index.size + 1), np.float64)
        np.cumsum(self.weight[:contexts], axis=1, out=before[:, 1:])
        return np.asarray(before[:, self.indptr[1:]] - before[:, self.indptr[:-1]], np.float32)
