"""The state of an overlay: one immutable value per moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from graph.overlay.persistent import FrozenRows
from graph.records import Properties
from graph.schema import EdgeType
from graph.snapshot import IntArray

if TYPE_CHECKING:
    from graph.overlay.grown import GrownRow


class EdgeState(msgspec.Struct, frozen=True, gc=False):
    """The columns of one edge; an unknown time is ``NO_TIME``."""

    weight: float
    timestamp_ms: int


@dataclass(frozen=True)
class NodeChanges:
    """One node type: rows in all, and the properties of rows that changed (None when the node is gone)."""

    count: int
    properties: FrozenRows[Properties | None]


@dataclass(frozen=True)
class EdgeChanges:
    """One edge type: the edges that changed, found from either end."""

    out: FrozenRows[GrownRow]
    into: FrozenRows[GrownRow]

    @cached_property
    def out_rows(self) -> IntArray:
        """Source rows with a change, ascending."""
        return np.sort(np.fromiter(self.out, np.int32, len(self.out)))

    @cached_property
    def into_rows(self) -> IntArray:
        """Target rows with a change, ascending."""
        return np.sort(np.fromiter(self.into, np.int32, len(self.into)))


@dataclass(frozen=True)
class OverlayState:
    """Every change up to one moment; never altered, only replaced."""

    version: int
    watermark: str
    nodes: Mapping[str, NodeChanges]
    edges: Mapping[EdgeType, EdgeChanges]


class Names:
    """Names numbered from ``first`` on. Numbers are never reused, so any number of readers may look while one adds."""

    def __init__(self, first: int) -> None:
        self.first = first
        self._names: list[str] = []
        self._numbers: dict[str, int] = {}

    @property
    def next(self) -> int:
        """The number the next new name gets."""
        return self.first + len(self._names)

    def number(self, name: str) -> int | None:
        return self._numbers.get(name)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._names))

    def name(self, number: int) -> str:
        return self._names[number - self.first]

    def add(self, name: str) -> int:
        number = self._numbers.get(name)
        if number is None:
            number = self.next
            self._names.append(name)
            self._numbers[name] = number
        return number

    def branch(self) -> Names:
        """The same names as of now; what either adds later the other does not see."""
        return _BranchedNames(self)


class _BranchedNames(Names):
    """Names over others that go on growing: theirs up to the fork, then its own."""

    def __init__(self, trunk: Names) -> None:
        super().__init__(trunk.next)
        self._trunk = trunk

    def number(self, name: str) -> int | None:
        known = self._trunk.number(name)
        return known if known is not None and known < self.first else super().number(name)

    def name(self, number: int) -> str:
        return self._trunk.name(number) if number < self.first else super().name(number)

    def add(self, name: str) -> int:
        known = self.number(name)
        return super().add(name) if known is None else known
