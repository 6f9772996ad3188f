"""User histories in time order: the input of everything that ranks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

IntArray: TypeAlias = npt.NDArray[np.int32]
FloatArray: TypeAlias = npt.NDArray[np.float32]


class ItemRows(Protocol):
    """Sets of items, one a row: a sparse matrix, of which only the pattern counts, or :class:`ItemSets`."""

    @property
    def indptr(self) -> npt.NDArray[np.integer]: ...

    @property
    def indices(self) -> npt.NDArray[np.integer]: ...


@dataclass(frozen=True, slots=True)
class ItemSets:
    """Sets of items, one a row, without what a sparse matrix costs to make. Shapes: (B + 1,), (N,)."""

    indptr: npt.NDArray[np.integer]
    indices: npt.NDArray[np.integer]

    @classmethod
    def of(cls, rows: ItemRows, taken: npt.NDArray[np.int64]) -> ItemSets:
        """Some of the rows, in the order given."""
        starts, lengths = rows.indptr[taken], rows.indptr[taken + 1] - rows.indptr[taken]
        indptr = np.zeros(taken.size + 1, np.int64)
        np.cumsum(lengths, out=indptr[1:])
        at = np.repeat(starts - indptr[:-1], lengths) + np.arange(indptr[-1])
        return cls(indptr, rows.indices[at])


@dataclass(frozen=True, slots=True)
class Histories:
    """A block of B histories, each oldest event first.

    Shapes: ``user_index`` (B,), -1 for a user without a row; ``indptr`` (B + 1,); ``item_index`` and
    ``timestamp_s`` (N,). An item may occur several times.
    """

    user_index: IntArray
    indptr: npt.NDArray[np.int64]
    item_index: IntArray
    timestamp_s: npt.NDArray[np.int64]
    num_items: int

    @classmethod
    def of(cls, items: Sequence[Sequence[int]], num_items: int, users: Sequence[int] | None = None) -> Histories:
        """Histories from lists of item indices, oldest first, without times."""
        indptr = np.zeros(len(items) + 1, np.int64)
        np.cumsum([len(row) for row in items], out=indptr[1:])
        flat = np.array([item for row in items for item in row], np.int32)
        user_index = np.full(len(items), -1, np.int32) if users is None else np.asarray(users, np.int32)
        return cls(user_index, indptr, flat, np.zeros(flat.size, np.int64), num_items)

    def __len__(self) -> int:
        return int(self.user_index.size)

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        return np.diff(self.indptr)

    @property
    def rows(self) -> IntArray:
        """The block row of each event. Shape (N,)."""
        return np.repeat(np.arange(len(self), dtype=np.int32), self.lengths)

    @property
    def steps_back(self) -> npt.NDArray[np.int64]:
        """How many events lie between each event and the end of its history; 0 for the last. Shape (N,)."""
        return np.repeat(self.indptr[1:], self.lengths) - 1 - np.arange(self.item_index.size)

    def take(self, rows: npt.ArrayLike) -> Histories:
        """The histories of some block rows, in the order given."""
        chosen = np.asarray(rows, np.int64)
        lengths = self.lengths[chosen]
        indptr = np.zeros(chosen.size + 1, np.int64)
        np.cumsum(lengths, out=indptr[1:])
        at = np.repeat(self.indptr[chosen] - indptr[:-1], lengths) + np.arange(indptr[-1])
        return Histories(self.user_index[chosen], indptr, self.item_index[at], self.timestamp_s[at], self.num_items)

    def among(self, num_items: int) -> Histories:
        """The same histories over the first ``num_items`` items; events with others are left out."""
        kept = self.item_index < num_items
        indptr = np.concatenate([[0], np.cumsum(kept)])[self.indptr].astype(np.int64)
        return Histories(self.user_index, indptr, self.item_index[kept], self.timestamp_s[kept], num_items)

    def _weighted(self, weight: FloatArray) -> sp.csr_array:
        matrix = sp.csr_array(
            (weight, self.item_index.copy(), self.indptr.astype(np.int32)), shape=(len(self), self.num_items)
        )
        matrix.sum_duplicates()
        return matrix

    def even(self) -> sp.csr_array:
        """Every distinct item of a history with weight 1. Shape (B, I)."""
        matrix = self._weighted(np.ones(self.item_index.size, np.float32))
        matrix.data[:] = 1.0
        return matrix

    def none(self) -> sp.csr_array:
        """No item at all: what is left out of a ranking in which people may choose the same again. Shape (B, I)."""
        nothing = np.zeros(0, np.int32), np.zeros(len(self) + 1, np.int32)
        return sp.csr_array((np.zeros(0, np.float32), *nothing), shape=(len(self), self.num_items))

    def recent(self) -> sp.csr_array:
        """Each event with weight 1 / (1 + steps back), summed per item. Shape (B, I)."""
        return self._weighted((1.0 / (1.0 + self.steps_back)).astype(np.float32))

    def last(self) -> sp.csr_array:
        """The last event alone, weight 1. Shape (B, I)."""
        matrix = self._weighted((self.steps_back == 0).astype(np.float32))
        matrix.eliminate_zeros()
        return matrix
