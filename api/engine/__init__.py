"""The engine: everything between a request and an answer, without a web framework and without torch."""

from __future__ import annotations

from api.engine.answer import Answer, Hop, RankedItem, Reason, ReasonPath
from api.engine.engine import Engine
from api.engine.payload import Policy, engine_payload
from api.engine.request import MAX_N, RELATED_KINDS, Event, Interest, RelatedKind, Request, window_seconds
from api.engine.steering import Rules, Steering

__all__ = [
    "MAX_N",
    "RELATED_KINDS",
    "Answer",
    "Engine",
    "Event",
    "Hop",
    "Interest",
    "Policy",
    "RankedItem",
    "Reason",
    "ReasonPath",
    "RelatedKind",
    "Request",
    "Rules",
    "Steering",
    "engine_payload",
    "window_seconds",
]
