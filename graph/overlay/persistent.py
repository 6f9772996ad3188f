"""A dictionary whose updates leave the old one as it was, at the price of a small part of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar, overload

Value = TypeVar("Value")

_SHARDS = 1024
_NEW = 512
"""Rows that are kept beside the shards; more are put into them together, so that a shard is copied less often."""
_ABSENT: Any = object()


class FrozenRows(Generic[Value]):
    """Row → value. :meth:`updated` copies the few new rows, at times the shards they belong to; readers keep theirs."""

    __slots__ = ("_new", "_shards", "size")

    def __init__(
        self,
        shards: tuple[dict[int, Value], ...] = ({},) * _SHARDS,
        size: int = 0,
        new: Mapping[int, Value] | None = None,
    ) -> None:
        self._shards = shards
        self._new: Mapping[int, Value] = {} if new is None else new
        self.size = size

    @overload
    def get(self, row: int) -> Value | None: ...

    @overload
    def get(self, row: int, otherwise: Value) -> Value: ...

    def get(self, row: int, otherwise: Value | None = None) -> Value | None:
        new = self._new
        return new[row] if row in new else self._shards[row % _SHARDS].get(row, otherwise)

    def __contains__(self, row: int) -> bool:
        return row in self._new or row in self._shards[row % _SHARDS]

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[int]:
        yield from self._new
        for shard in self._shards:
            yield from (row for row in shard if row not in self._new)

    def updated(self, values: Mapping[int, Value]) -> FrozenRows[Value]:
        """These rows with ``values`` put over them."""
        if not values:
            return self
        size = self.size + sum(row not in self for row in values)
        new = {**self._new, **values}
        if len(new) <= _NEW:
            return FrozenRows(self._shards, size, new)
        shards = list(self._shards)
        copied: set[int] = set()
        for row, value in new.items():
            at = row % _SHARDS
            if at not in copied:
                shards[at] = dict(shards[at])
                copied.add(at)
            shards[at][row] = value
        return FrozenRows(tuple(shards), size)

    def changed_since(self, before: FrozenRows[Value]) -> Iterator[int]:
        """Rows put or replaced since ``before``, an earlier state of these rows; untouched shards cost nothing."""
        for row, value in self._new.items():
            if before.get(row, _ABSENT) is not value:
                yield row
        for now, then in zip(self._shards, before._shards, strict=True):
            if now is not then:
                for row, value in now.items():
                    if row not in self._new and before.get(row, _ABSENT) is not value:
                        yield row
