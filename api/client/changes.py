"""Every change the client can ask for: one function a route."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from api.catalogue import WriteReply
from api.client.call import Call
from api.events import Acknowledged
from api.personal import ErasureReply
from api.routes.models import CurrentReply
from api.routes.rules import RulesReply

_ITEM = "/v1/items/{item_id}"


def post_events(*events: Mapping[str, Any]) -> Call[Acknowledged]:
    """Events; those without an ``event_id`` get one here, so that a repeated request stores nothing twice."""
    sent = [{"event_id": uuid.uuid4().hex, **event} for event in events]
    return Call(Acknowledged, "POST", "/v1/events", body=sent)


def put_item(
    item_id: str,
    *,
    properties: Mapping[str, Any],
    relations: Mapping[str, Any] | None = None,
    etag: str | None = None,
) -> Call[WriteReply]:
    """An item is what is given; with ``etag`` only if it is still of that version."""
    body = {"properties": properties, "relations": relations or {}}
    return Call(WriteReply, "PUT", _ITEM, {"item_id": item_id}, body=body, headers=_if_match(etag))


def patch_item(
    item_id: str,
    *,
    properties: Mapping[str, Any] | None = None,
    relations: Mapping[str, Any] | None = None,
    etag: str | None = None,
) -> Call[WriteReply]:
    """What is named of an item changes; a property that is ``None`` is removed."""
    body = {"properties": properties or {}, "relations": relations or {}}
    return Call(WriteReply, "PATCH", _ITEM, {"item_id": item_id}, body=body, headers=_if_match(etag))


def delete_item(item_id: str, *, etag: str | None = None) -> Call[WriteReply]:
    """An item and every edge at it are gone."""
    return Call(WriteReply, "DELETE", _ITEM, {"item_id": item_id}, headers=_if_match(etag))


def write_items(
    *, items: Iterable[Mapping[str, Any]] = (), delete: Iterable[str] = (), merge: bool = False
) -> Call[WriteReply]:
    """Many items put (or with ``merge`` patched) and deleted in one transaction."""
    body = {"items": list(items), "delete": list(delete), "merge": bool(merge)}
    return Call(WriteReply, "POST", "/v1/items:batch", body=body)


def put_edges(*edges: Mapping[str, Any]) -> Call[WriteReply]:
    """Curated edges are there."""
    return Call(WriteReply, "PUT", "/v1/edges", body=list(edges))


def delete_edges(*edges: Mapping[str, Any]) -> Call[WriteReply]:
    """Curated edges are gone."""
    return Call(WriteReply, "DELETE", "/v1/edges", body=list(edges))


def change_user(user_id: str, *, properties: Mapping[str, Any]) -> Call[WriteReply]:
    """Properties of a user change; ``profiling=False`` opts out of profiling."""
    return Call(WriteReply, "PATCH", "/v1/users/{user_id}", {"user_id": user_id}, body={"properties": properties})


def erase_user(user_id: str) -> Call[ErasureReply]:
    """A user is erased everywhere."""
    return Call(ErasureReply, "DELETE", "/v1/users/{user_id}", {"user_id": user_id})


def _if_match(etag: str | None) -> dict[str, str]:
    return {} if etag is None else {"If-Match": etag}


def put_rules(rules: Mapping[str, Any], *, etag: str) -> Call[RulesReply]:
    """Rules in place of those of version ``etag``, or of any with ``*``."""
    return Call(RulesReply, "PUT", "/v1/rules", body=dict(rules), headers={"If-Match": etag})


def activate(release: str) -> Call[CurrentReply]:
    """Another release takes over."""
    return Call(CurrentReply, "POST", "/v1/models/{release}/activate", {"release": release})


def rollback() -> Call[CurrentReply]:
    """The release before takes over again."""
    return Call(CurrentReply, "POST", "/v1/models/rollback")
