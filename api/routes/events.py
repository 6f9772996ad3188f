"""Events: one or a batch, acknowledged once durable."""

from __future__ import annotations

import asyncio

import msgspec
from fastapi import APIRouter, Request, Response

from api.events.acknowledging import Acknowledged
from api.events.interactions import EVENT_FIELDS, Event, Interaction, read_interaction, served_kinds
from api.http.envelope import json_response
from api.http.limits import MAX_LIST, decode_json, read_body
from api.http.problems import DeadlineExceeded, InvalidField
from api.openapi import json_body, reply
from api.parts import Parts, now_ms, parts_of, telling_an_empty_store
from graph.schema import GraphSchema

router = APIRouter(prefix="/v1", tags=["events"])
PostedEvents = Event | list[Event]
_BODY: msgspec.json.Decoder[PostedEvents] = msgspec.json.Decoder(PostedEvents)


@router.post("/events", summary="Events", responses=reply("Acknowledged"), openapi_extra=json_body("PostedEvents"))
async def post_events(request: Request) -> Response:
    """Stores one event, or an array of them; answered once they are durable and count in the next answer.

    A repeated `event_id` changes nothing. Unknown users are created; events with unknown items are not stored
    and their items named in `unknown_ids`. After a 503, send the same events with the same ids again.
    """
    parts = parts_of(request)
    settings = parts.settings
    raw = await read_body(request, settings.body_limit_bytes, settings.body_timeout_s)
    posted = decode_json(raw, _BODY, EVENT_FIELDS)
    events = posted if isinstance(posted, list) else [posted]
    if not 1 <= len(events) <= MAX_LIST:
        raise InvalidField("a batch has a bad size", field="body", expected=f"1 to {MAX_LIST} events", got=len(events))
    return json_response(await acknowledged(events, parts, isinstance(posted, list)))


async def acknowledged(events: list[Event], parts: Parts, batch: bool) -> Acknowledged:
    """The reply once the events are durable and in the next answer; errors name the place in a ``batch``.

    Raises:
        InvalidField: for an event that cannot be used; then none is stored.
        DeadlineExceeded: when the store is too slow; the events may be stored or not.
    """
    now = now_ms()
    schema = await _schema_for(events, parts)
    interactions = [
        read_interaction(event, schema, now, f"[{at}]." if batch else "") for at, event in enumerate(events)
    ]
    future = parts.writer.submit(interactions)
    deadline = future.get_loop().call_later(
        parts.settings.write_deadline_s, _give_up, future, interactions, parts.settings.write_deadline_s
    )
    try:
        return await future
    finally:
        deadline.cancel()


def _give_up(future: asyncio.Future[Acknowledged], interactions: list[Interaction], deadline_s: float) -> None:
    if not future.done():
        future.set_exception(
            DeadlineExceeded(
                "the graph store did not acknowledge the events in time",
                expected=f"within {deadline_s:g} s",
                remedy="They may be stored or not: send them again with the same event_ids, which is harmless.",
                event_ids=[event.event_id for event in interactions],
            )
        )


async def _schema_for(events: list[Event], parts: Parts) -> GraphSchema:
    """The release's schema where it knows every kind; else the store's, which may be newer.

    The store is asked in a lane of its own: one that hangs must not hold the engine's threads.
    """
    schema = parts.serving.schema
    if schema is not None:
        kinds = served_kinds(schema)
        if all(event.kind in kinds for event in events):
            return schema
    return await parts.store_lane.run(_stored_schema, parts)


def _stored_schema(parts: Parts) -> GraphSchema:
    with telling_an_empty_store():
        return parts.store().schema
