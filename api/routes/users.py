"""Questions about users: for whom an item is, what suits a user, how a user would rank a list."""

from __future__ import annotations

import time
import uuid
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request, Response
from msgspec import Struct, field
from pydantic import BaseModel, ConfigDict, Field

from api.engine import Engine
from api.engine.questions.users import NamedInterest, Profile, attributes_for, order, profile
from api.engine.request import Request as EngineRequest
from api.http.envelope import ReleaseName, enveloped, json_response, ms_since, parse_include
from api.http.limits import MAX_LIST, checked_id, decode_json, read_body
from api.openapi import json_body, reply
from api.parts import engine_of, parts_of
from api.routes.answers import N, PostedSessionEvent, session_events

router = APIRouter(prefix="/v1", tags=["users"])


class AudienceQuery(BaseModel):
    """How many users."""

    model_config = ConfigDict(extra="forbid")

    n: N = 10


class AttributesQuery(AudienceQuery):
    """Attributes of which type, and how many."""

    type: Annotated[str, Field(min_length=1, max_length=64, description="A node type, e.g. Brand.")]


class ListedUser(Struct, frozen=True):
    """One user of an audience; ``sources`` are what speaks for him, strongest first."""

    user_id: str
    score: float
    rank: int
    sources: tuple[str, ...]


class AudienceReply(Struct, frozen=True):
    """The users an item is for; none of them has it."""

    recommendation_id: str
    item_id: str
    users: list[ListedUser]
    release: ReleaseName
    graph_watermark: str
    stale: bool
    took_ms: float


class AttributesReply(Struct, frozen=True):
    """Attributes that suit a user, best first, with the items that say so."""

    recommendation_id: str
    user_id: str
    type: str
    attributes: list[NamedInterest]
    release: ReleaseName
    stale: bool
    took_ms: float


class ProfileReply(Struct, frozen=True):
    """What is known of a user."""

    user_id: str
    profile: Profile
    release: ReleaseName
    stale: bool
    took_ms: float


class RankBody(Struct, forbid_unknown_fields=True, kw_only=True):
    """A list to rank, and for whom."""

    items: Annotated[list[str], msgspec.Meta(min_length=1, max_length=MAX_LIST)]
    user_id: str | None = None
    events: Annotated[list[PostedSessionEvent], msgspec.Meta(max_length=MAX_LIST)] = field(default_factory=list)
    include: str | Annotated[list[str], msgspec.Meta(max_length=10)] | None = None


_BODY = msgspec.json.Decoder(RankBody)


@router.get("/items/{item_id:path}/audience", summary="Users for an item", responses=reply("AudienceReply"))
async def audience(request: Request, item_id: str, query: Annotated[AudienceQuery, Query()]) -> Response:
    """The users most likely to want the item and without it: for launches, coupons, campaigns.

    None of them opted out of profiling. It names users, so the key needs `operator`.
    """
    began, parts = time.perf_counter(), parts_of(request)
    live = parts.serving.live
    item_id = checked_id(item_id, "item_id")
    users, watermark = await parts.patient_lane.run(_audience, engine_of(live), item_id, query.n)
    release = ReleaseName(live.release_id, live.trained_at)
    return json_response(
        AudienceReply(uuid.uuid4().hex, item_id, users, release, watermark, parts.serving.stale, ms_since(began))
    )


@router.get("/users/{user_id:path}/attributes", summary="Attributes for a user", responses=reply("AttributesReply"))
async def attributes(request: Request, user_id: str, query: Annotated[AttributesQuery, Query()]) -> Response:
    """Brands, categories or tags for a user, with the chosen and recommended items that are their evidence."""
    began, parts = time.perf_counter(), parts_of(request)
    live = parts.serving.live
    user_id = checked_id(user_id, "user_id")
    found = await parts.patient_lane.run(
        attributes_for, engine_of(live), user_id, checked_id(query.type, "type"), query.n
    )
    release = ReleaseName(live.release_id, live.trained_at)
    return json_response(
        AttributesReply(uuid.uuid4().hex, user_id, query.type, found, release, parts.serving.stale, ms_since(began))
    )


@router.get("/users/{user_id:path}/profile", summary="Profile of a user", responses=reply("ProfileReply"))
async def user_profile(request: Request, user_id: str) -> Response:
    """What the user did, and what he is interested in, each interest with its evidence."""
    began, parts = time.perf_counter(), parts_of(request)
    live = parts.serving.live
    user_id = checked_id(user_id, "user_id")
    found = await parts.patient_lane.run(profile, engine_of(live), user_id)
    release = ReleaseName(live.release_id, live.trained_at)
    return json_response(ProfileReply(user_id, found, release, parts.serving.stale, ms_since(began)))


@router.post("/rank", summary="Rank a list", responses=reply("Envelope"), openapi_extra=json_body("RankBody"))
async def rank(request: Request) -> Response:
    """The given items, best first for the user; ids that are not in the graph are named in `unknown_ids`."""
    began, parts = time.perf_counter(), parts_of(request)
    raw = await read_body(request, parts.settings.body_limit_bytes, parts.settings.body_timeout_s)
    body = decode_json(raw, _BODY, "items, user_id, events (item_id, kind, timestamp), include")
    asked = EngineRequest(
        user_id=None if body.user_id is None else checked_id(body.user_id, "user_id"),
        events=session_events(body.events),
    )
    items = [checked_id(item_id, f"items[{at}]") for at, item_id in enumerate(body.items)]
    live = parts.serving.live
    answer = await parts.lane.run(order, engine_of(live), asked, items)
    include = parse_include(body.include)
    given = (parts, "rank")
    return enveloped(answer, live, include=include, stale=parts.serving.stale, began=began, given=given)


def _audience(engine: Engine, item_id: str, n: int) -> tuple[list[ListedUser], str]:
    found = engine.audience(item_id, n)
    view = engine.view
    users = []
    for at, index in enumerate(found.user_index.tolist()):
        speaking = {name: float(part[at]) for name, part in found.parts.items() if part[at] > 0}
        sources = tuple(sorted(speaking, key=lambda name: (-speaking[name], name)))
        users.append(ListedUser(view.id_of(view.schema.user_type, index), float(found.score[at]), at + 1, sources))
    return users, view.watermark
