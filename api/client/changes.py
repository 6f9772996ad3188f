"""Every change the client can ask for: one function a route."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from api.client.call import Call
from api.events import Acknowledged
from api.routes.models import CurrentReply
from api.routes.rules import RulesReply


def post_events(*events: Mapping[str, Any]) -> Call[Acknowledged]:
    """Events; those without an ``event_id`` get one here, so that a repeated request stores nothing twice."""
    sent = [{"event_id": uuid.uuid4().hex, **event} for event in events]
    return Call(Acknowledged, "POST", "/v1/events", body=sent)


def put_rules(rules: Mapping[str, Any], *, etag: str) -> Call[RulesReply]:
    """Rules in place of those of version ``etag``, or of any with ``*``."""
    return Call(RulesReply, "PUT", "/v1/rules", body=dict(rules), headers={"If-Match": etag})


def activate(release: str) -> Call[CurrentReply]:
    """Another release takes over."""
    return Call(CurrentReply, "POST", "/v1/models/{release}/activate", {"release": release})


def rollback() -> Call[CurrentReply]:
    """The release before takes over again."""
    return Call(CurrentReply, "POST", "/v1/models/rollback")
