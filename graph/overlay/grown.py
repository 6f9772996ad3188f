"""The changes of one row, which grow by a few at a time: one more does not cost a copy of all."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping
from itertools import chain
from typing import TypeAlias

from graph.overlay.state import EdgeState

Key: TypeAlias = tuple[int, int]
Changes: TypeAlias = dict[Key, EdgeState | None]

_FEW = 1_024
"""The new ones are put to the old ones when they are more than the square root of this and the old ones."""
_NONE: Changes = {}


class GrownRow(Mapping[Key, EdgeState | None]):
    """Immutable: two dictionaries with no key in both; :meth:`with_changes` copies the small one."""

    __slots__ = ("_many", "_new")

    def __init__(self, many: Changes = _NONE, new: Changes = _NONE) -> None:
        self._many = many
        self._new = new

    def with_changes(self, changes: Changes) -> GrownRow:
        """These with ``changes`` put over them."""
        many = self._many
        if not many and not self._new:
            return GrownRow(_NONE, changes)
        new = {**self._new, **changes}
        if len(new) ** 2 > _FEW + len(many) or (many and not many.keys().isdisjoint(changes)):
            return GrownRow({**many, **new})
        return GrownRow(many, new)

    def __getitem__(self, key: Key) -> EdgeState | None:
        return self._new[key] if key in self._new else self._many[key]

    def __contains__(self, key: object) -> bool:
        return key in self._new or key in self._many

    def __iter__(self) -> Iterator[Key]:
        return chain(self._many, self._new)

    def __len__(self) -> int:
        return len(self._many) + len(self._new)

    def items(self) -> ItemsView[Key, EdgeState | None]:
        return {**self._many, **self._new}.items()
