"""The stage between fusion and answer: for one request at one moment, what is removed and what weighs how much."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from api.engine.filters.values import Mask
from api.engine.steering.asked import Calibration
from api.engine.steering.grouping import Groups
from gnn.data.histories import FloatArray


@dataclass(frozen=True, slots=True)
class Removal:
    """Why an item cannot be shown: the request's filter, a rule that hides it, or its own ``hidden`` property.

    ``rule`` is the rule's name, else its text.
    """

    by: Literal["filter", "rule", "hidden"]
    rule: str


@dataclass(frozen=True, slots=True)
class Applied:
    """A boost that fits an item; ``rule`` is its name, else its filter."""

    rule: str
    factor: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What steering says of one item; it can be shown when ``removals`` is empty."""

    removals: tuple[Removal, ...]
    boosts: tuple[Applied, ...]

    @property
    def shown(self) -> bool:
        return not self.removals

    @property
    def factor(self) -> float:
        """The product of the boosts."""
        return float(np.prod([boost.factor for boost in self.boosts]))


@dataclass(frozen=True, slots=True)
class Removing:
    """A removal and the items it leaves. Shape: ``keeps`` (I,)."""

    removal: Removal
    keeps: Mask


@dataclass(frozen=True, slots=True)
class Weighing:
    """A boost and the items it fits. Shape: ``fits`` (I,); ``factors`` (I,) where it differs by item."""

    applied: Applied
    fits: Mask
    factors: FloatArray | None = None


@dataclass(frozen=True, slots=True)
class Promoted:
    """A promotion and the items it may show. Shape: ``fits`` (I,)."""

    name: str
    fits: Mask
    at_most: int
    positions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Pinned:
    """An item at a rank, from 1."""

    item_index: int
    rank: int
    name: str


@dataclass(frozen=True, slots=True)
class Capped:
    """At most so many items of a list share one of the groups."""

    groups: Groups
    at_most: int


@dataclass(frozen=True)
class Stage:
    """What the request and the rules in force say of every item, at one moment.

    ``num_items`` is that of the moment's sources. ``unknown_ids``: ids in pins and promotions of the request that
    the graph does not hold.
    """

    num_items: int
    removing: tuple[Removing, ...] = ()
    weighing: tuple[Weighing, ...] = ()
    promotions: tuple[Promoted, ...] = ()
    pins: tuple[Pinned, ...] = ()
    caps: tuple[Capped, ...] = ()
    strict: bool = False
    diversity: float = 0.0
    calibration: Calibration | None = None
    unknown_ids: tuple[str, ...] = ()

    @cached_property
    def allowed(self) -> Mask | None:
        """Items that no filter or rule removes; ``None`` when nothing removes any. Shape (I,)."""
        if not self.removing:
            return None
        masks = [removing.keeps for removing in self.removing]
        return masks[0] if len(masks) == 1 else np.logical_and.reduce(masks)

    @cached_property
    def bias(self) -> FloatArray | None:
        """The logarithm of every item's factor; ``None`` when nothing weighs. Shape (I,)."""
        if not self.weighing:
            return None
        bias = np.zeros(self.num_items, np.float32)
        for weighing in self.weighing:
            if weighing.factors is None:
                bias[weighing.fits] += np.float32(np.log(weighing.applied.factor))
            else:
                bias[weighing.fits] += np.log(weighing.factors[weighing.fits])
        return bias

    @property
    def chooses(self) -> bool:
        """Whether the list is more than the best scores, so that a longer list is needed to choose from."""
        return bool(self.caps) or self.diversity > 0 or self.calibration is not None

    @property
    def places(self) -> bool:
        """Whether some positions are given to pins and promotions."""
        return bool(self.pins or self.promotions)

    def weighed(self, weighing: tuple[Weighing, ...]) -> Stage:
        """This stage with more boosts."""
        return self if not weighing else replace(self, weighing=(*self.weighing, *weighing))

    def verdict(self, item_index: int) -> Verdict:
        """Which rule or filter removes an item, and which boosts fit it."""
        removals = [removing.removal for removing in self.removing if not removing.keeps[item_index]]
        boosts = []
        for weighing in self.weighing:
            if weighing.fits[item_index]:
                factor = weighing.applied.factor if weighing.factors is None else float(weighing.factors[item_index])
                boosts.append(Applied(weighing.applied.rule, factor))
        return Verdict(tuple(removals), tuple(boosts))
