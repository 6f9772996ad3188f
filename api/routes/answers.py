"""Lists of items: related, recommendations, trending."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request, Response
from msgspec import Struct, field
from pydantic import Field

from api.engine.answer import Answer
from api.engine.phrases import Language
from api.engine.request import Event as SessionEvent
from api.engine.request import RelatedKind
from api.engine.request import Request as EngineRequest
from api.http.asking import ListQuery, SteeringBody, asked_language
from api.http.envelope import enveloped, parse_include
from api.http.limits import MAX_LIST, MAX_RESULTS, checked_id, decode_json, read_body
from api.http.timestamps import timestamp_ms_of
from api.openapi import json_body, reply
from api.parts import now_ms, parts_of
from api.serving.live import Answering

router = APIRouter(prefix="/v1", tags=["answers"])
N = Annotated[int, Field(ge=1, le=MAX_RESULTS, description="How many items.")]
Include = Annotated[str | None, Field(max_length=200, description="Some of properties, score, reasons, with commas.")]


class RelatedQuery(ListQuery):
    """Parameters of related items."""

    kind: RelatedKind = "similar"
    user_id: Annotated[str | None, Field(description="Leave out what this user has dealt with.")] = None
    n: N = 10
    include: Include = None


class RecommendationsQuery(ListQuery):
    """Parameters of a user's recommendations."""

    n: N = 10
    include: Include = None


class TrendingQuery(ListQuery):
    """Parameters of trending items."""

    window: Annotated[str, Field(max_length=10, description="How far back, e.g. 24h, 7d, 4w.")] = "7d"
    n: N = 10
    include: Include = None


class PostedSessionEvent(Struct, forbid_unknown_fields=True, kw_only=True):
    """One event of a session that is not stored."""

    item_id: str
    kind: str = "view"
    timestamp: int | float | str | None = None


class RecommendationsBody(SteeringBody, forbid_unknown_fields=True, kw_only=True):
    """The full form of a recommendation request."""

    user_id: str | None = None
    events: Annotated[list[PostedSessionEvent], msgspec.Meta(max_length=MAX_LIST)] = field(default_factory=list)
    items: Annotated[list[str], msgspec.Meta(max_length=MAX_LIST)] = field(default_factory=list)
    exclude: Annotated[list[str], msgspec.Meta(max_length=MAX_LIST)] = field(default_factory=list)
    n: Annotated[int, msgspec.Meta(ge=1, le=MAX_RESULTS)] = 10
    include: str | Annotated[list[str], msgspec.Meta(max_length=10)] | None = None
    lang: Language | None = None


_BODY = msgspec.json.Decoder(RecommendationsBody)
_BODY_FIELDS = (
    "some of user_id, events (item_id, kind, timestamp), items, exclude, n, include, lang, interests, filter, strict, "
    "diversity, boosts, promotions, pins, caps, calibration, freshness, rotation, scenario, context"
)


@router.get("/items/{item_id:path}/related", summary="Related items", responses=reply("Envelope"))
async def related(request: Request, item_id: str, query: Annotated[RelatedQuery, Query()]) -> Response:
    """Items like this one (`similar`), bought with it (`bought_together`), bought with it for another need
    (`complementary`), or going with it from another category (`cross_category`). An unknown item is a 404."""
    include = parse_include(query.include)
    began, parts = time.perf_counter(), parts_of(request)
    live = parts.serving.live
    checked_id(item_id, "item_id")
    if query.user_id is not None:
        checked_id(query.user_id, "user_id")
    language = asked_language(request, query.lang)
    answer = await parts.lane.run(related_answer, live.engine, item_id, query, "reasons" in include, language)
    given = (parts, f"related:{query.kind}")
    return enveloped(answer, live, include=include, stale=parts.serving.stale, began=began, given=given)


@router.get("/users/{user_id:path}/recommendations", summary="Recommendations", responses=reply("Envelope"))
async def recommendations(request: Request, user_id: str, query: Annotated[RecommendationsQuery, Query()]) -> Response:
    """Recommendations for a user; an unknown one is answered as a newcomer, and `fallback_used` says so."""
    asked = recommendations_request(checked_id(user_id, "user_id"), query, asked_language(request, query.lang))
    include = parse_include(query.include)
    return await _recommended(request, replace(asked, reasons="reasons" in include), include)


@router.post(
    "/recommendations",
    summary="Recommendations, full form",
    responses=reply("Envelope"),
    openapi_extra=json_body("RecommendationsBody"),
)
async def recommend(request: Request) -> Response:
    """Recommendations for a user and/or a session (`events`) and/or a cart (`items`) and/or a newcomer's picks
    (`interests`), steered by filters, boosts, promotions, pins, caps, diversity and what else the body names."""
    return await _recommended(request, *await posted_request(request))


@router.get("/trending", summary="Trending items", responses=reply("Envelope"))
async def trending(request: Request, query: Annotated[TrendingQuery, Query()]) -> Response:
    """Items whose interactions grew most within the window."""
    include = parse_include(query.include)
    began, parts = time.perf_counter(), parts_of(request)
    live = parts.serving.live
    answer = await parts.lane.run(
        live.engine.trending,
        query.window,
        query.n,
        reasons="reasons" in include,
        language=asked_language(request, query.lang),
        steering=query.steering(),
    )
    given = (parts, "trending")
    return enveloped(answer, live, include=include, stale=parts.serving.stale, began=began, given=given)


def related_answer(engine: Answering, item_id: str, query: RelatedQuery, reasons: bool, language: Language) -> Answer:
    """What the engine says to a query for related items, of ids that are checked."""
    return engine.related(
        item_id,
        query.kind,
        query.n,
        user_id=query.user_id,
        reasons=reasons,
        language=language,
        steering=query.steering(),
    )


def recommendations_request(user_id: str, query: RecommendationsQuery, language: Language) -> EngineRequest:
    """What a query for a user's recommendations asks of the engine; the id is checked."""
    return EngineRequest(user_id, n=query.n, language=language, steering=query.steering())


def engine_request(body: RecommendationsBody, language: Language = "en") -> EngineRequest:
    """What a body asks of the engine; :class:`InvalidField` for what cannot be used."""
    return EngineRequest(
        user_id=None if body.user_id is None else checked_id(body.user_id, "user_id"),
        events=session_events(body.events),
        items=tuple(checked_id(item_id, f"items[{at}]") for at, item_id in enumerate(body.items)),
        exclude=tuple(checked_id(item_id, f"exclude[{at}]") for at, item_id in enumerate(body.exclude)),
        interests=body.interests_asked(),
        n=body.n,
        language=language,
        steering=body.steering(),
    )


async def posted_request(request: Request) -> tuple[EngineRequest, frozenset[str]]:
    """What the full form asks of the engine, and what to include; :class:`InvalidField` for what cannot be used."""
    settings = parts_of(request).settings
    raw = await read_body(request, settings.body_limit_bytes, settings.body_timeout_s)
    body = decode_json(raw, _BODY, _BODY_FIELDS)
    asked, include = engine_request(body, asked_language(request, body.lang)), parse_include(body.include)
    return replace(asked, reasons=True) if "reasons" in include else asked, include


async def _recommended(request: Request, asked: EngineRequest, include: frozenset[str]) -> Response:
    began, parts = time.perf_counter(), parts_of(request)
    live = parts.serving.live
    answer = await parts.lane.run(live.engine.recommend, asked)
    if answer.fallback_used is not None:
        parts.metrics.fallbacks.labels(answer.fallback_used).inc()
    given = (parts, "recommendations")
    return enveloped(answer, live, include=include, stale=parts.serving.stale, began=began, given=given)


def session_events(events: list[PostedSessionEvent]) -> tuple[SessionEvent, ...]:
    """A session as the engine takes it; :class:`InvalidField` for what cannot be used."""
    return tuple(_session_event(event, f"events[{at}].") for at, event in enumerate(events))


def _session_event(event: PostedSessionEvent, place: str) -> SessionEvent:
    if event.timestamp is None:
        timestamp_s = None
    else:
        timestamp_s = timestamp_ms_of(event.timestamp, now_ms(), place + "timestamp") // 1000
    return SessionEvent(checked_id(event.item_id, place + "item_id"), event.kind, timestamp_s)
