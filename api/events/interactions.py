"""Events as clients send them, checked and turned into interactions of the graph."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from api.http.ids import new_id
from api.http.limits import MAX_ID_LENGTH, checked_id
from api.http.problems import InvalidField, NotReady
from api.http.timestamps import timestamp_ms_of
from graph.schema import EdgeRole, EdgeSpec, GraphSchema

POSITIVE_FROM = 4.0
"""A value from here on (of five) speaks for the item, where one kind has a positive and a negative edge type."""
MAX_VALUE = 1e9


class Event(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """One interaction of a user with an item, as posted."""

    user_id: str
    item_id: str
    kind: str
    event_id: str | None = None
    value: float | None = None
    timestamp: int | float | str | None = None
    recommendation_id: str | None = None


EVENT_FIELDS = "one event or an array of events with " + ", ".join(Event.__struct_fields__)


class Interaction(msgspec.Struct, frozen=True, gc=False):
    """An event that fits the schema: one edge, kept apart from its likes by the event id."""

    event_id: str
    spec: EdgeSpec
    user_id: str
    item_id: str
    weight: float
    timestamp_ms: int
    recommendation_id: str | None


def read_interaction(event: Event, schema: GraphSchema, now_ms: int, place: str = "") -> Interaction:
    """The interaction an event means.

    Raises:
        InvalidField: naming the field (after ``place``) that cannot be used.
    """
    event_id, recommendation_id, value, stamp = event.event_id, event.recommendation_id, event.value, event.timestamp
    return Interaction(
        new_id() if event_id is None else _id(event_id, place, "event_id"),
        edge_spec_of(event.kind, value, schema, place),
        _id(event.user_id, place, "user_id"),
        _id(event.item_id, place, "item_id"),
        1.0 if value is None else _weight(value, place),
        now_ms if stamp is None else timestamp_ms_of(stamp, now_ms, place + "timestamp"),
        None if recommendation_id is None else _id(recommendation_id, place, "recommendation_id"),
    )


def served_kinds(schema: GraphSchema) -> Mapping[str | None, tuple[EdgeSpec, ...]]:
    """The interaction edge types that events may become, by kind; made once per schema, since each event asks."""
    global _kinds
    known, kinds = _kinds
    if known is not schema:
        kinds = {}
        for spec in schema.edges_with(EdgeRole.INTERACTION):
            if not spec.holdout:
                kinds[spec.kind] = (*kinds.get(spec.kind, ()), spec)
        _kinds = schema, kinds
    return kinds


_kinds: tuple[GraphSchema | None, dict[str | None, tuple[EdgeSpec, ...]]] = None, {}
"""The last schema asked about, with its kinds; one value, so that threads see both or neither."""


def edge_spec_of(kind: str, value: float | None, schema: GraphSchema, place: str = "") -> EdgeSpec:
    """The interaction edge type that events of ``kind`` become.

    Where the schema tells several types of one kind apart (LIKED and RATED), the value decides:
    from :data:`POSITIVE_FROM` on it is the positive one.
    """
    served = served_kinds(schema)
    if not served:
        raise NotReady(
            "the graph schema has no interactions", remedy="Run kindred ingest with a mapping that has some."
        )
    same = served.get(kind)
    if same is None:
        raise InvalidField(
            "an event's kind is not in the schema",
            field=place + "kind",
            expected="one of " + ", ".join(sorted(map(str, served))),
            got=kind,
            where=place + "kind",
        )
    if len(same) == 1:
        return same[0]
    if value is None:
        if len({spec.positive for spec in same}) == 1:
            return same[0]
        raise InvalidField(
            f"an event of kind {kind} needs a value",
            field=place + "value",
            expected=f"a number, {POSITIVE_FROM:g} and more speaks for the item",
            where=place + "value",
        )
    speaks_for = value >= POSITIVE_FROM
    for spec in same:
        if spec.positive == speaks_for:
            return spec
    return same[0]  # all of one sign: the value tells nothing apart


def _id(text: str, place: str, name: str) -> str:
    """The id itself; a plain one passes without its place being put together."""
    if 0 < len(text) <= MAX_ID_LENGTH and text.isascii() and "\x00" not in text:
        return text
    return checked_id(text, place + name)


def _weight(value: float, place: str) -> float:
    if not (math.isfinite(value) and 0 < value <= MAX_VALUE):
        field = place + "value"
        raise InvalidField(
            "an event's value cannot be used",
            field=field,
            expected=f"a number above 0 and at most {MAX_VALUE:g}",
            got=value,
            where=field,
            remedy="Send a return as an event of its own kind.",
        )
    return float(value)
