"""How a request says what its list should be like: query parameters and body parts, read into the engine's terms."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from api.engine.phrases import Language, language_of
from api.engine.request import Interest, window_seconds
from api.engine.steering import (
    NO_STEERING,
    Boost,
    Calibration,
    Cap,
    Context,
    Freshness,
    Pin,
    Promotion,
    Rotation,
    Steering,
)
from api.engine.steering.rules import MAX_RULES, FilterText, ItemId, ItemIds, Label, Share
from api.http.limits import MAX_LIST, checked_id
from api.http.problems import InvalidField
from api.http.timestamps import timestamp_ms_of
from api.parts import now_ms
from graph.errors import InputError

Window = Annotated[str, Meta(max_length=10)]
Filter = Annotated[
    str | None, Field(min_length=1, max_length=4_000, description='E.g. brand in ("Nivea", "Dove") and price < 20.')
]
Strict = Annotated[bool | None, Field(description="A short list rather than one filled up by popularity.")]
Diversity = Annotated[float | None, Field(ge=0, le=1, description="0 the best items, 1 the most different ones.")]
Lang = Annotated[Language | None, Field(description="Of the reasons; else what Accept-Language prefers.")]
ScenarioName = Annotated[str | None, Field(min_length=1, max_length=100, description="Where the list is shown.")]


class ListQuery(BaseModel):
    """Parameters that every list takes."""

    model_config = ConfigDict(extra="forbid")

    filter: Filter = None
    strict: Strict = None
    diversity: Diversity = None
    scenario: ScenarioName = None
    lang: Lang = None

    def steering(self) -> Steering:
        """What the parameters ask of the list."""
        asked = Steering(self.filter, self.strict, self.diversity, scenario=self.scenario)
        return NO_STEERING if asked == NO_STEERING else asked


def asked_language(request: Request, lang: str | None) -> Language:
    """The language of a request: its own word, else its Accept-Language."""
    return language_of(lang, request.headers.get("accept-language"))


class _Part(Struct, forbid_unknown_fields=True, kw_only=True):
    """Base of the parts of a request."""


class PostedInterest(_Part, kw_only=True):
    """A newcomer's pick: `item_id`, or `type` and `id` of an attribute such as a brand."""

    item_id: ItemId | None = None
    type: Label | None = None
    id: ItemId | None = None


class PostedCalibration(_Part, kw_only=True):
    """A list whose mix of `by` follows the user's history."""

    by: Label
    strength: Share = 0.5


class PostedFreshness(_Part, kw_only=True):
    """Newer items weigh more, by a timestamp property."""

    by: Label | None = None
    half_life: Window = "30d"
    strength: Share = 0.5


class PostedRotation(_Part, kw_only=True):
    """Items shown lately weigh less: those in `shown`, and the user's stored events of the kind `impression`."""

    shown: ItemIds = ()
    strength: Share = 0.3
    half_life: Window = "1d"


class PostedContext(_Part, kw_only=True):
    """Where and when the list is shown; rules can be bound to it."""

    channel: Label | None = None
    location: Label | None = None
    time: int | float | str | None = None


class SteeringBody(_Part, kw_only=True):
    """The fields of a body that steer its list."""

    filter: FilterText | None = None
    strict: bool | None = None
    diversity: Share | None = None
    boosts: Annotated[tuple[Boost, ...], Meta(max_length=MAX_RULES)] = ()
    promotions: Annotated[tuple[Promotion, ...], Meta(max_length=MAX_RULES)] = ()
    pins: Annotated[tuple[Pin, ...], Meta(max_length=MAX_RULES)] = ()
    caps: Annotated[tuple[Cap, ...], Meta(max_length=MAX_RULES)] = ()
    calibration: PostedCalibration | None = None
    freshness: PostedFreshness | None = None
    rotation: PostedRotation | None = None
    scenario: Label | None = None
    context: PostedContext | None = None
    interests: Annotated[list[PostedInterest], Meta(max_length=MAX_LIST)] = msgspec.field(default_factory=list)

    def steering(self) -> Steering:
        """What the body asks of its list.

        Raises:
            InvalidField: for a window, a time or an id that cannot be read.
        """
        asked = Steering(
            self.filter,
            self.strict,
            self.diversity,
            self.boosts,
            self.promotions,
            self.pins,
            self.caps,
            None if self.calibration is None else Calibration(self.calibration.by, self.calibration.strength),
            self._freshness(),
            self._rotation(),
            self.scenario,
            self._context(),
        )
        return NO_STEERING if asked == NO_STEERING else asked

    def interests_asked(self) -> tuple[Interest, ...]:
        """The picks, each an item or an attribute."""
        return tuple(_interest(interest, f"interests[{at}]") for at, interest in enumerate(self.interests))

    def _freshness(self) -> Freshness | None:
        asked = self.freshness
        if asked is None:
            return None
        return Freshness(asked.by, _seconds(asked.half_life, "freshness.half_life"), asked.strength)

    def _rotation(self) -> Rotation | None:
        asked = self.rotation
        if asked is None:
            return None
        shown = tuple(checked_id(item_id, f"rotation.shown[{at}]") for at, item_id in enumerate(asked.shown))
        return Rotation(shown, asked.strength, _seconds(asked.half_life, "rotation.half_life"))

    def _context(self) -> Context:
        asked = self.context
        if asked is None:
            return Context()
        time_s = None if asked.time is None else timestamp_ms_of(asked.time, now_ms(), "context.time") / 1000
        return Context(asked.channel, asked.location, time_s)


def _interest(interest: PostedInterest, place: str) -> Interest:
    if interest.item_id is not None and interest.type is None and interest.id is None:
        return Interest(checked_id(interest.item_id, f"{place}.item_id"))
    if interest.item_id is None and interest.type is not None and interest.id is not None:
        return Interest(checked_id(interest.id, f"{place}.id"), checked_id(interest.type, f"{place}.type"))
    raise InvalidField("an interest cannot be used", field=place, expected="item_id, or type and id", where=place)


def _seconds(window: str, field: str) -> float:
    try:
        return float(window_seconds(window))
    except InputError as error:
        raise InvalidField(error.what, field=field, expected=error.expected, got=window, where=field) from error
