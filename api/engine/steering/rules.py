"""Rules of a shop: what it boosts, pins, promotes, hides and caps, and when; the same shapes a request may carry."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta, Struct

MAX_RULES = 200
MIN_FACTOR, MAX_FACTOR = 0.01, 100.0
MAX_RANK = 500

Label: TypeAlias = Annotated[str, Meta(min_length=1, max_length=100)]
FilterText: TypeAlias = Annotated[str, Meta(min_length=1, max_length=4_000)]
ItemId: TypeAlias = Annotated[str, Meta(min_length=1, max_length=512)]
ItemIds: TypeAlias = Annotated[tuple[ItemId, ...], Meta(max_length=1_000)]
Labels: TypeAlias = Annotated[tuple[Label, ...], Meta(max_length=50)]
Moment: TypeAlias = Annotated[datetime, Meta(tz=True)]
Hour: TypeAlias = Annotated[int, Meta(ge=0, le=24)]
Rank: TypeAlias = Annotated[int, Meta(ge=1, le=MAX_RANK)]
Share: TypeAlias = Annotated[float, Meta(ge=0, le=1)]


class _Part(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """Base of every part of a rules document."""


class When(_Part, frozen=True, kw_only=True):
    """When a rule holds: every condition given must fit the request.

    ``hours`` are of the day in UTC, from the first up to but not with the second; they may pass midnight.
    """

    scenario: Labels = ()
    channel: Labels = ()
    location: Labels = ()
    since: Moment | None = None
    until: Moment | None = None
    hours: tuple[Hour, Hour] | None = None


class Boost(_Part, frozen=True, kw_only=True):
    """Items that fit ``filter`` weigh ``factor`` times as much; below 1 they are buried."""

    filter: FilterText
    factor: Annotated[float, Meta(ge=MIN_FACTOR, le=MAX_FACTOR)]
    name: Label | None = None
    when: When | None = None


class Promotion(_Part, frozen=True, kw_only=True):
    """The best ``at_most`` of some items take ``positions`` of the list (from 1; by default the first ones)."""

    name: Label
    filter: FilterText | None = None
    items: ItemIds = ()
    at_most: Annotated[int, Meta(ge=1, le=50)] = 1
    positions: Annotated[tuple[Rank, ...], Meta(max_length=50)] = ()
    when: When | None = None


class Pin(_Part, frozen=True, kw_only=True):
    """One item at one rank, seen before or not; a filter or a hidden item still wins."""

    item_id: ItemId
    rank: Rank
    name: Label | None = None
    when: When | None = None


class Hide(_Part, frozen=True, kw_only=True):
    """Items that are never shown."""

    filter: FilterText | None = None
    items: ItemIds = ()
    name: Label | None = None
    when: When | None = None


class Cap(_Part, frozen=True, kw_only=True):
    """At most ``at_most`` items of the list share a value of ``by``: a property, a relation or a node type."""

    by: Label
    at_most: Annotated[int, Meta(ge=1, le=MAX_RANK)]
    name: Label | None = None
    when: When | None = None


class Scenario(_Part, frozen=True, kw_only=True):
    """What a request of this scenario is asked with when it does not say it itself."""

    filter: FilterText | None = None
    strict: bool | None = None
    diversity: Share | None = None


class Rules(_Part, frozen=True, kw_only=True):
    """All rules of a shop."""

    boosts: Annotated[tuple[Boost, ...], Meta(max_length=MAX_RULES)] = ()
    promotions: Annotated[tuple[Promotion, ...], Meta(max_length=MAX_RULES)] = ()
    pins: Annotated[tuple[Pin, ...], Meta(max_length=MAX_RULES)] = ()
    hidden: Annotated[tuple[Hide, ...], Meta(max_length=MAX_RULES)] = ()
    caps: Annotated[tuple[Cap, ...], Meta(max_length=MAX_RULES)] = ()
    scenarios: Annotated[dict[Label, Scenario], Meta(max_length=MAX_RULES)] = msgspec.field(default_factory=dict)


NO_RULES = Rules()
