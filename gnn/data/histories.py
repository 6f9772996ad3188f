"""User histories in time order: the input of everything that ranks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

IntArray: TypeAlias = npt.NDArray[np.int32]
FloatArray: TypeAlias = npt.NDArray[np.float32]
LongArray: TypeAlias = npt.NDArray[np.int64]
CodeArray: TypeAlias = npt.NDArray[np.uint8]

NO_TIME = np.iinfo(np.int64).min
"""The timestamp of an event whose time is unknown."""
NO_KIND = np.iinfo(np.uint8).max
"""The kind of an event that is of none, or of an unknown one."""


@dataclass(frozen=True, slots=True)
class History:
    """One history, the oldest event first.

    Shapes: ``item_index``, ``timestamp_s`` and ``kind`` (N,); ``kind`` indexes ``kinds``, or is :data:`NO_KIND`.
    """

    item_index: IntArray
    timestamp_s: LongArray
    kind: CodeArray
    kinds: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        item_index: npt.ArrayLike,
        timestamp_s: npt.ArrayLike | None = None,
        kind: npt.ArrayLike | None = None,
        kinds: tuple[str, ...] = (),
    ) -> History:
        """A history from columns; times and kinds that are not given are unknown."""
        items = np.asarray(item_index, np.int32)
        times = np.full(items.size, NO_TIME, np.int64) if timestamp_s is None else np.asarray(timestamp_s, np.int64)
        codes = np.full(items.size, NO_KIND, np.uint8) if kind is None else np.asarray(kind, np.uint8)
        return cls(items, times, codes, kinds)

    def __len__(self) -> int:
        return int(self.item_index.size)

    def where(self, mask: npt.NDArray[np.bool_]) -> History:
        """The events chosen by a mask. Shape (N,)."""
        return History(self.item_index[mask], self.timestamp_s[mask], self.kind[mask], self.kinds)

    def then(self, later: History) -> History:
        """This history, then another of the same graph: their kinds have the same names, or one has none."""
        return History(
            np.concatenate([self.item_index, later.item_index]),
            np.concatenate([self.timestamp_s, later.timestamp_s]),
            np.concatenate([self.kind, later.kind]),
            self.kinds or later.kinds,
        )


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

    Shapes: ``user_index`` (B,), -1 for a user without a row; ``indptr`` (B + 1,); ``item_index``, ``timestamp_s``
    (:data:`NO_TIME` where unknown) and ``kind`` (N,), which indexes ``kinds`` or is :data:`NO_KIND`. An item may occur
    several times.
    """

    user_index: IntArray
    indptr: LongArray
    item_index: IntArray
    timestamp_s: LongArray
    kind: CodeArray
    num_items: int
    kinds: tuple[str, ...] = ()

    @classmethod
    def of(cls, items: Sequence[Sequence[int]], num_items: int, users: Sequence[int] | None = None) -> Histories:
        """Histories from lists of item indices, oldest first, without times and kinds."""
        indptr = np.zeros(len(items) + 1, np.int64)
        np.cumsum([len(row) for row in items], out=indptr[1:])
        return cls.of_rows(indptr, [item for row in items for item in row], num_items, users)

    @classmethod
    def of_rows(
        cls, indptr: npt.ArrayLike, item_index: npt.ArrayLike, num_items: int, users: npt.ArrayLike | None = None
    ) -> Histories:
        """Histories from rows of a sparse matrix, each oldest first, without times and kinds."""
        starts, events = np.asarray(indptr, np.int64), History.of(item_index)
        user_index = np.full(starts.size - 1, -1, np.int32) if users is None else np.asarray(users, np.int32)
        return cls(user_index, starts, events.item_index, events.timestamp_s, events.kind, num_items)

    @classmethod
    def over(cls, histories: Sequence[History], num_items: int, users: Sequence[int] | None = None) -> Histories:
        """A block of single histories of one graph."""
        if len(histories) == 1:
            row = histories[0]
            user, ends = np.full(1, -1 if users is None else users[0], np.int32), np.array([0, len(row)], np.int64)
            return cls(user, ends, row.item_index, row.timestamp_s, row.kind, num_items, row.kinds)
        indptr = np.zeros(len(histories) + 1, np.int64)
        np.cumsum([len(row) for row in histories], out=indptr[1:])
        columns = ((row.item_index, row.timestamp_s, row.kind) for row in (History.of([]), *histories))
        items, times, codes = (np.concatenate(column) for column in zip(*columns, strict=True))
        kinds = next((row.kinds for row in histories if row.kinds), ())
        user_index = np.full(len(histories), -1, np.int32) if users is None else np.asarray(users, np.int32)
        return cls(user_index, indptr, items, times, codes, num_items, kinds)

    def __len__(self) -> int:
        return int(self.user_index.size)

    @property
    def lengths(self) -> LongArray:
        return np.diff(self.indptr)

    @property
    def rows(self) -> IntArray:
        """The block row of each event. Shape (N,)."""
        return np.repeat(np.arange(len(self), dtype=np.int32), self.lengths)

    @property
    def steps_back(self) -> LongArray:
        """How many events lie between each event and the end of its history; 0 for the last. Shape (N,)."""
        return np.repeat(self.indptr[1:], self.lengths) - 1 - np.arange(self.item_index.size)

    def take(self, rows: npt.ArrayLike) -> Histories:
        """The histories of some block rows, in the order given."""
        chosen = np.asarray(rows, np.int64)
        lengths = self.lengths[chosen]
        indptr = np.zeros(chosen.size + 1, np.int64)
        np.cumsum(lengths, out=indptr[1:])
        at = np.repeat(self.indptr[chosen] - indptr[:-1], lengths) + np.arange(indptr[-1])
        return replace(self._events(at), user_index=self.user_index[chosen], indptr=indptr)

    def among(self, num_items: int) -> Histories:
        """The same histories over the first ``num_items`` items; events with others are left out."""
        kept = self.item_index < num_items
        indptr = np.concatenate([[0], np.cumsum(kept)])[self.indptr].astype(np.int64)
        return replace(self._events(kept), indptr=indptr, num_items=num_items)

    def at_size(self, num_items: int) -> Histories:
        """The same histories among another number of items, all of theirs included."""
        return self if self.num_items == num_items else replace(self, num_items=num_items)

    def kind_among(self, kinds: Sequence[str]) -> LongArray:
        """Each event's place in other names of kinds, ``len(kinds)`` where they do not have its own. Shape (N,)."""
        place = np.full(NO_KIND + 1, len(kinds), np.int64)
        for code, name in enumerate(self.kinds):
            if name in kinds:
                place[code] = kinds.index(name)
        return np.asarray(place[self.kind], np.int64)

    def _events(self, at: npt.NDArray[np.bool_] | LongArray) -> Histories:
        """Other events under the same rows, which no longer fit them."""
        return replace(self, item_index=self.item_index[at], timestamp_s=self.timestamp_s[at], kind=self.kind[at])

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
