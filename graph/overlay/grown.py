"""The changes of one row, which grow by a few at a time: one more does not cost a copy of all."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator
from typing import TypeAlias

import msgspec

from graph.overlay.state import EdgeState

Key: TypeAlias = tuple[int, int]
Changes: TypeAlias = dict[Key, EdgeState | None]

_LAYERS = 16
_ROOM = 32
"""The new ones are put to the old ones when they are more than the square root of so many times as many."""


class GrownRow(msgspec.Struct, gc=False, eq=False):
    """``(row at the other end, qualifier code)`` → the edge now, None when it is gone.

    Immutable: layers of changes, of which the last that knows a key counts; :meth:`with_changes` copies none.

    They are put together when all of them are read, and kept so. There are many, and none is ever part of a circle.
    """

    layers: tuple[Changes, ...] = ()

    def with_changes(self, changes: Changes) -> GrownRow:
        """These with ``changes`` put over them."""
        layers = self.layers
        if len(layers) >= _LAYERS:
            new = _together(layers[1:])
            layers = (layers[0], new) if len(new) ** 2 < _ROOM * len(layers[0]) else ({**layers[0], **new},)
        return GrownRow((*layers, changes))

    def __getitem__(self, key: Key) -> EdgeState | None:
        for layer in reversed(self.layers):
            if key in layer:
                return layer[key]
        raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        return any(key in layer for layer in self.layers)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._whole())

    def __len__(self) -> int:
        return len(self._whole())

    def items(self) -> ItemsView[Key, EdgeState | None]:
        return self._whole().items()

    def _whole(self) -> Changes:
        layers = self.layers
        if len(layers) == 1:
            return layers[0]
        whole = _together(layers)
        self.layers = (whole,)  # says the same, so it does not matter who reads which
        return whole


def _together(layers: tuple[Changes, ...]) -> Changes:
    whole: Changes = {}
    for layer in layers:
        whole.update(layer)
    return whole
