"""A dictionary whose updates leave the old one as it was, at the price of a small part of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

Value = TypeVar("Value")

_SHARDS = 256


class FrozenRows(Generic[Value]):
    """Row → value. :meth:`updated` copies only the shards it touches, so readers keep what they hold."""

    __slots__ = ("_shards", "size")

    def __init__(self, shards: tuple[dict[int, Value], ...] = ({},) * _SHARDS, size: int = 0) -> None:
        self._shards = shards
        self.size = size

    def get(self, row: int) -> Value | None:
        return self._shards[row % _SHARDS].get(row)

    def __contains__(self, row: int) -> bool:
        return row in self._shards[row % _SHARDS]

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[int]:
        for shard in self._shards:
            yield from shard

    def updated(self, values: Mapping[int, Value]) -> FrozenRows[Value]:
        """These rows with ``values`` put over them."""
        if not values:
            return self
        shards = list(self._shards)
        size = self.size
        copied: set[int] = set()
        for row, value in values.items():
            at = row % _SHARDS
            if at not in copied:
                shards[at] = dict(shards[at])
                copied.add(at)
            size += row not in shards[at]
            shards[at][row] = value
        return FrozenRows(tuple(shards), size)

    def changed_since(self, before: FrozenRows[Value]) -> Iterator[int]:
        """Rows put or replaced since ``before``, an earlier state of these rows; untouched shards cost nothing."""
        for now, then in zip(self._shards, before._shards, strict=True):
            if now is not then:
                yield from (row for row, value in now.items() if row not in then or then[row] is not value)
