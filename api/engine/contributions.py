"""What sources add to the scores of the items of a list, as columns until an answer is made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from gnn.compiled.passes import best_of_sum, orders
from gnn.data.histories import FloatArray, IntArray

Marks: TypeAlias = npt.NDArray[np.bool_]
_MOST_ORDERS = 4_096


@dataclass(frozen=True, slots=True)
class SourceScores:
    """What each of S sources adds to every item's score; the sum ranks. Shape: ``value`` (S, I)."""

    names: tuple[str, ...]
    value: FloatArray

    def best(self, shut: Marks, k: int, factor: FloatArray | None) -> tuple[IntArray, FloatArray, Contributions]:
        """The ``k`` items of the highest positive sums that are not shut, their sums, and what speaks for them.

        Shapes: ``shut`` and ``factor`` (I,), what a sum counts → (K,) each.
        """
        found, total = best_of_sum(self.value, shut, k, factor)
        return found, total, Contributions.positive(self.names, self.value[:, found].T)


@dataclass(frozen=True, slots=True)
class Contributions:
    """What each of S sources adds to the score of K items. Shape: ``value`` (K, S), NaN where a source says nothing."""

    names: tuple[str, ...]
    value: FloatArray

    @classmethod
    def of(cls, given: Sequence[Mapping[str, float]]) -> Contributions:
        """From a mapping per item."""
        names = tuple(dict.fromkeys(name for one in given for name in one))
        rows = [[one.get(name, np.nan) for name in names] for one in given]
        return cls(names, np.array(rows, np.float32).reshape(len(given), len(names)))

    @classmethod
    def positive(cls, names: tuple[str, ...], value: FloatArray) -> Contributions:
        """Only what is above nothing says something. Shape: ``value`` (K, S)."""
        return cls(names, np.where(value > 0, value, np.float32(np.nan)))

    @classmethod
    def none(cls, count: int) -> Contributions:
        """Of so many items of which no source says anything."""
        return cls((), np.empty((count, 0), np.float32))

    def __len__(self) -> int:
        return len(self.value)

    def __getitem__(self, at: int) -> dict[str, float]:
        return {name: part for name, part in zip(self.names, self.value[at].tolist(), strict=True) if part == part}

    @property
    def silent(self) -> Marks:
        """Items of which no source says anything. Shape (K,)."""
        return np.asarray(np.isnan(self.value).all(axis=1))

    def speaks(self, *, but: str) -> Marks:
        """Items for which another source than one speaks. Shape (K,)."""
        others = [at for at, name in enumerate(self.names) if name != but]
        return np.asarray((self.value[:, others] > 0).any(axis=1))

    def take(self, positions: Sequence[int]) -> Contributions:
        """Those of some items, in the order given."""
        return Contributions(self.names, self.value[np.asarray(positions, np.int64)])

    def then(self, other: Contributions) -> Contributions:
        """These, then others."""
        if not len(other) or not len(self):
            return other if not len(self) else self
        names = tuple(dict.fromkeys((*self.names, *other.names)))
        value = np.full((len(self) + len(other), len(names)), np.nan, np.float32)
        value[: len(self), : len(self.names)] = self.value
        value[len(self) :, [names.index(name) for name in other.names]] = other.value
        return Contributions(names, value)

    def strongest(self) -> list[tuple[str, ...]]:
        """Of each item the sources that say something, those that add most first, ties by name."""
        names, column, met = _by_name(self.names)
        return [met.get(order) or _named(order, names, met) for order in orders(self.value, column)]


@lru_cache(maxsize=64)
def _by_name(
    names: tuple[str, ...],
) -> tuple[tuple[str, ...], npt.NDArray[np.int64], dict[bytes, tuple[str, ...]]]:
    """The names in their order, where each stands, and the orders of them that were met."""
    column = sorted(range(len(names)), key=names.__getitem__)
    return tuple(names[at] for at in column), np.array(column, np.int64), {}


def _named(order: bytes, names: tuple[str, ...], met: dict[bytes, tuple[str, ...]]) -> tuple[str, ...]:
    """The names in an order, which is kept: few are met again and again."""
    if len(met) >= _MOST_ORDERS:
        met.clear()
    told = met[order] = tuple(map(names.__getitem__, order))
    return told
