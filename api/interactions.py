"""Events as clients send them, checked and turned into interactions of the graph."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from api.limits import checked_id
from api.problems import InvalidField, NotReady
from api.timestamps import timestamp_ms_of
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


@dataclass(frozen=True, slots=True)
class Interaction:
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
    recommendation_id = event.recommendation_id
    return Interaction(
        event_id=uuid.uuid4().hex if event.event_id is None else checked_id(event.event_id, place + "event_id"),
        spec=edge_spec_of(event.kind, event.value, schema, place),
        user_id=checked_id(event.user_id, place + "user_id"),
        item_id=checked_id(event.item_id, place + "item_id"),
        weight=_weight(event.value, place + "value"),
        timestamp_ms=now_ms
        if event.timestamp is None
        else timestamp_ms_of(event.timestamp, now_ms, place + "timestamp"),
        recommendation_id=None
        if recommendation_id is None
        else checked_id(recommendation_id, place + "recommendation_id"),
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
    if len(same) == 1 or len({spec.positive for spec in same}) == 1:
        return same[0]
    if value is None:
        raise InvalidField(
            f"an event of kind {kind} needs a value",
            field=place + "value",
            expected=f"a number, {POSITIVE_FROM:g} and more speaks for the item",
            where=place + "value",
        )
    return next(spec for spec in same if spec.positive == (value >= POSITIVE_FROM))


def _weight(value: float | None, field: str) -> float:
    if value is None:
        return 1.0
    if not (math.isfinite(value) and 0 < value <= MAX_VALUE):
        raise InvalidField(
            "an event's value cannot be used",
            field=field,
            expected=f"a number above 0 and at most {MAX_VALUE:g}",
            got=value,
            where=field,
            remedy="Send a return as an event of its own kind.",
        )
    return float(value)
