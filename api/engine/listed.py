"""A ranked list on its way to an answer."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from api.engine.contributions import Contributions
from gnn.data.histories import FloatArray, IntArray

POPULARITY = "popularity"


@dataclass(frozen=True, slots=True)
class Listed:
    """Items, best first. Shapes: (K,) each; ``contributions`` of the same K items.

    An item without contributions is there because it is popular. ``fallback`` names what filled the list up, if
    anything did.
    """

    item_index: IntArray
    score: FloatArray
    contributions: Contributions
    fallback: str | None
    together: dict[int, int] = field(default_factory=dict)
    """For items of the same basket, in how many (invoices)."""
    promotions: dict[int, str] = field(default_factory=dict)
    """For items that were put in their place: the name of the pin or promotion."""

    def __len__(self) -> int:
        return int(self.item_index.size)

    def take(self, positions: list[int]) -> Listed:
        """The list at some positions, in the order given."""
        contributions = self.contributions.take(positions)
        filled = bool(contributions.silent.any())
        # What filled the list up before popularity did speaks for its items; it stays named while it may be among them.
        fallback = POPULARITY if filled else None if self.fallback == POPULARITY else self.fallback
        at = np.asarray(positions, np.int64)
        return Listed(self.item_index[at], self.score[at], contributions, fallback, self.together, self.promotions)

    def evident(self) -> Listed:
        """The list without what is there only because it is popular, or because nothing speaks against it."""
        return self.take(np.flatnonzero(self.contributions.speaks(but=POPULARITY)).tolist())

    def followed_by(self, other: Listed) -> Listed:
        """This list, then another."""
        return Listed(
            np.concatenate([self.item_index, other.item_index]).astype(np.int32),
            np.concatenate([self.score, other.score]).astype(np.float32),
            self.contributions.then(other.contributions),
            self.fallback or other.fallback,
            self.together | other.together,
            self.promotions | other.promotions,
        )


def nothing_listed() -> Listed:
    """The empty list."""
    return Listed(np.empty(0, np.int32), np.empty(0, np.float32), Contributions.none(0), None)
