"""Every change the client can ask for: one function a route."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from api.client.call import Call
from api.events.acknowledging import Acknowledged
from api.knowledge.catalogue import WriteReply
from api.knowledge.personal import ErasureReply
from api.routes.models import CurrentReply
from api.routes.rules import RulesReply


def post_events(*events: Mapping[str, Any]) -> Call[Acknowledged]:
    """Events; those without an ``event_id`` get one here, so that a repeated request stores nothing twice."""
    sent = [{"event_id": uuid.uuid4().hex, **event} for event in events]
    return Call(Acknowledged, "POST", "/v1/events", body=sent)


def put_item(
    item_id: str,
    properties: Mapping[str, Any],
    relations: Mapping[str, Any] | None = None,
    *,
    etag: str | None = None,
) -> Call[WriteReply]:
    """An item, new or in place of what was there; with ``etag`` only if it is still that version."""
    return _item("PUT", item_id, etag, {"properties": dict(properties), "relations": dict(relations or {})})


def change_item(
    item_id: str,
    properties: Mapping[str, Any],
    relations: Mapping[str, Any] | None = None,
    *,
    etag: str | None = None,
) -> Call[WriteReply]:
    """The properties and relations that are named; ``None`` removes a property."""
    return _item("PATCH", item_id, etag, {"properties": dict(properties), "relations": dict(relations or {})})


def delete_item(item_id: str, *, etag: str | None = None) -> Call[WriteReply]:
    """An item and its edges, gone."""
    return _item("DELETE", item_id, etag)


def write_items(
    *, items: Iterable[Mapping[str, Any]] = (), delete: Sequence[str] = (), merge: bool = False
) -> Call[WriteReply]:
    """Many items in one transaction."""
    body = {"items": list(items), "delete": list(delete), "merge": merge}
    return Call(WriteReply, "POST", "/v1/items:batch", body=body)


def put_edges(*edges: Mapping[str, Any]) -> Call[WriteReply]:
    """Curated edges."""
    return Call(WriteReply, "PUT", "/v1/edges", body=list(edges))


def delete_edges(*edges: Mapping[str, Any]) -> Call[WriteReply]:
    """Curated edges, gone."""
    return Call(WriteReply, "DELETE", "/v1/edges", body=list(edges))


def change_user(user_id: str, properties: Mapping[str, Any]) -> Call[WriteReply]:
    """Properties of a user; ``profiling: False`` opts out of profiling."""
    return Call(WriteReply, "PATCH", "/v1/users/{user_id}", {"user_id": user_id}, body={"properties": dict(properties)})


def erase_user(user_id: str) -> Call[ErasureReply]:
    """A person, gone from the graph, its files and every answer."""
    return Call(ErasureReply, "DELETE", "/v1/users/{user_id}", {"user_id": user_id})


def put_rules(rules: Mapping[str, Any], *, etag: str) -> Call[RulesReply]:
    """Rules in place of those of version ``etag``, or of any with ``*``."""
    return Call(RulesReply, "PUT", "/v1/rules", body=dict(rules), headers={"If-Match": etag}, repeatable=etag == "*")


def activate(release: str) -> Call[CurrentReply]:
    """Another release takes over."""
    return Call(CurrentReply, "POST", "/v1/models/{release}/activate", {"release": release})


def rollback() -> Call[CurrentReply]:
    """The release before takes over again."""
    return Call(CurrentReply, "POST", "/v1/models/rollback")


def _item(method: str, item_id: str, etag: str | None, body: Mapping[str, Any] | None = None) -> Call[WriteReply]:
    headers = {} if etag is None else {"If-Match": etag}
    path = {"item_id": item_id}
    return Call(
        WriteReply, method, "/v1/items/{item_id}", path, body=body, headers=headers, repeatable=etag in (None, "*")
    )
