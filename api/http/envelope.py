"""The reply of every list of items."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET, Struct, UnsetType
from starlette.responses import Response

from api.engine.answer import Answer
from api.http.ids import new_id
from api.http.problems import InvalidField
from api.http.shapes import Properties, ReasonDocument
from api.serving.live import Live

if TYPE_CHECKING:
    from api.parts import Parts

INCLUDES = ("properties", "score", "reasons")
"""What ``include`` may name; the score is always there."""


class ReleaseName(Struct, frozen=True):
    """The release an answer comes from."""

    id: str
    trained_at: str


class ListedItem(Struct, frozen=True):
    """One item of a reply; reasons and properties only when they were asked for."""

    item_id: str
    score: float
    rank: int
    sources: tuple[str, ...]
    promotion: str | None = None
    reasons: list[ReasonDocument] | UnsetType = UNSET
    properties: Properties | UnsetType = UNSET


class Envelope(Struct, frozen=True):
    """A list of items, and what it is made of."""

    recommendation_id: str
    items: list[ListedItem]
    fallback_used: str | None
    unknown_ids: tuple[str, ...]
    release: ReleaseName
    graph_watermark: str
    stale: bool
    variant: str | None
    took_ms: float


_ENCODER = msgspec.json.Encoder()


def json_response(document: object, status: int = 200) -> Response:
    """The document as JSON."""
    return Response(_ENCODER.encode(document), status, media_type="application/json")


def enveloped(
    answer: Answer,
    live: Live,
    *,
    include: frozenset[str],
    stale: bool,
    began: float,
    given: tuple[Parts, str] | None = None,
) -> Response:
    """The reply for an engine's answer; ``began`` is when the request came, by ``perf_counter``.

    ``given`` is where the list is kept for attribution and counted, and as which kind.
    """
    envelope = envelope_of(answer, live, include=include, stale=stale, began=began)
    if given is not None:
        parts, kind = given
        parts.given.note(envelope, kind)
        parts.metrics.count_listed(kind, envelope)
    return json_response(envelope)


def envelope_of(answer: Answer, live: Live, *, include: frozenset[str], stale: bool, began: float) -> Envelope:
    """The message for an engine's answer."""
    item_type = live.view.schema.item_type
    reasons, properties = "reasons" in include, "properties" in include
    items = [
        ListedItem(
            item.item_id,
            item.score,
            item.rank,
            item.sources,
            item.promotion,
            reasons=[reason.to_json() for reason in item.reasons] if reasons else UNSET,
            properties=dict(live.view.properties(item_type, item.item_index)) if properties else UNSET,
        )
        for item in answer.items
    ]
    took_ms = ms_since(began)
    return Envelope(
        new_id(),
        items,
        answer.fallback_used,
        answer.unknown_ids,
        ReleaseName(live.release_id, live.trained_at),
        answer.graph_watermark,
        stale,
        None,
        took_ms,
    )


def ms_since(began: float) -> float:
    """Milliseconds since a moment of ``perf_counter``."""
    return round((time.perf_counter() - began) * 1000, 3)


def parse_include(names: str | Iterable[str] | None) -> frozenset[str]:
    """What a request asks to be included, from ``a,b`` or a list."""
    given = names.split(",") if isinstance(names, str) else list(names or ())
    asked = frozenset(name.strip() for name in given if name.strip())
    for name in sorted(asked - set(INCLUDES)):
        raise InvalidField(
            "include names something that is not served",
            field="include",
            expected="some of " + ", ".join(INCLUDES),
            got=name,
            where="include",
        )
    return asked
