"""Routes in the shapes of gorse 0.5, for the common subset: a gorse user switches by address and key."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request, Response
from msgspec import Struct
from pydantic import BaseModel, ConfigDict, Field

from api.engine import Answer
from api.engine.request import Request as EngineRequest
from api.events.interactions import Event
from api.http.envelope import json_response
from api.http.limits import MAX_LIST, MAX_RESULTS, checked_id, decode_json, read_body
from api.openapi import json_body, reply
from api.parts import parts_of
from api.routes.answers import PostedSessionEvent, session_events
from api.routes.events import acknowledged

router = APIRouter(prefix="/api", tags=["gorse"])
POPULAR_WINDOW = "520w"


class Page(BaseModel):
    """How many, and from which place on."""

    model_config = ConfigDict(extra="forbid")

    n: Annotated[int, Field(ge=1, le=MAX_RESULTS)] = 10
    offset: Annotated[int, Field(ge=0, le=MAX_RESULTS)] = 0

    @property
    def depth(self) -> int:
        """How long a list has to be to hold this page."""
        return min(self.n + self.offset, MAX_RESULTS)


class GorseScore(Struct, frozen=True, rename="pascal"):
    """An item with its score."""

    id: str
    score: float


class GorseFeedback(Struct, forbid_unknown_fields=True, kw_only=True, rename="pascal"):
    """What a user did with an item."""

    feedback_type: str
    user_id: str
    item_id: str
    timestamp: str | None = None
    value: float | None = None
    comment: str = ""


class RowAffected(Struct, frozen=True, rename="pascal"):
    """How many rows were written."""

    row_affected: int


Ids = list[str]
Scores = list[GorseScore]
Feedback = Annotated[list[GorseFeedback], msgspec.Meta(min_length=1, max_length=MAX_LIST)]
MESSAGES: dict[str, Any] = {
    "GorseIds": Ids,
    "GorseScores": Scores,
    "GorseFeedbackList": Feedback,
    "RowAffected": RowAffected,
}
_BODY: msgspec.json.Decoder[list[GorseFeedback]] = msgspec.json.Decoder(Feedback)
_FIELDS = "an array of feedback with FeedbackType, UserId, ItemId, Timestamp, Value, Comment"


@router.get("/recommend/{user_id:path}", summary="Recommended ids", responses=reply("GorseIds"))
async def recommend(request: Request, user_id: str, page: Annotated[Page, Query()]) -> Response:
    """Ids of recommended items, best first."""
    asked = EngineRequest(checked_id(user_id, "user_id"), n=page.depth)
    parts = parts_of(request)
    answer = await parts.lane.run(parts.serving.live.engine.recommend, asked)
    return json_response([item.item_id for item in answer.items[page.offset :]])


@router.post(
    "/session/recommend",
    summary="Recommendations for a session",
    responses=reply("GorseScores"),
    openapi_extra=json_body("GorseFeedbackList"),
)
async def session_recommend(request: Request, page: Annotated[Page, Query()]) -> Response:
    """Items for feedback that is not stored."""
    parts = parts_of(request)
    posted = [
        PostedSessionEvent(item_id=one.item_id, kind=one.feedback_type, timestamp=_in_utc(one.timestamp))
        for one in await _feedback(request)
    ]
    asked = EngineRequest(events=session_events(posted), n=page.depth)
    answer = await parts.lane.run(parts.serving.live.engine.recommend, asked)
    return _scores(answer, page)


@router.get("/item/{item_id:path}/neighbors", summary="Similar items", responses=reply("GorseScores"))
async def item_neighbors(request: Request, item_id: str, page: Annotated[Page, Query()]) -> Response:
    """Items like this one."""
    parts = parts_of(request)
    engine = parts.serving.live.engine
    return _scores(await parts.lane.run(engine.related, checked_id(item_id, "item_id"), "similar", page.depth), page)


@router.get("/popular", summary="Popular items", responses=reply("GorseScores"))
async def popular(request: Request, page: Annotated[Page, Query()]) -> Response:
    """What is chosen most."""
    parts = parts_of(request)
    return _scores(await parts.lane.run(parts.serving.live.engine.trending, POPULAR_WINDOW, page.depth), page)


@router.post(
    "/feedback",
    summary="Store feedback",
    responses=reply("RowAffected"),
    openapi_extra=json_body("GorseFeedbackList"),
)
@router.put(
    "/feedback",
    summary="Store feedback, again",
    responses=reply("RowAffected"),
    openapi_extra=json_body("GorseFeedbackList"),
)
async def feedback(request: Request) -> Response:
    """Stores feedback as events, durable when answered. The same type, user, item and time is stored once.

    `FeedbackType` is a kind of the graph's interactions; a 422 lists them. Unknown items are not stored.
    """
    events = [_event(one) for one in await _feedback(request)]
    done = await acknowledged(events, parts_of(request), batch=True)
    return json_response(RowAffected(done.accepted))


async def _feedback(request: Request) -> list[GorseFeedback]:
    settings = parts_of(request).settings
    return decode_json(await read_body(request, settings.body_limit_bytes, settings.body_timeout_s), _BODY, _FIELDS)


def _event(one: GorseFeedback) -> Event:
    named = "\x00".join((one.feedback_type, one.user_id, one.item_id, one.timestamp or ""))
    return Event(
        user_id=one.user_id,
        item_id=one.item_id,
        kind=one.feedback_type,
        event_id="gorse-" + hashlib.sha256(named.encode("utf-8", "surrogatepass")).hexdigest()[:32],
        value=one.value or None,
        timestamp=_in_utc(one.timestamp),
    )


def _in_utc(stamp: str | None) -> str | None:
    """A time as gorse takes it, which without a zone is UTC; what is no time stays, to be refused by name."""
    if not stamp:
        return None
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        return stamp
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()


def _scores(answer: Answer, page: Page) -> Response:
    return json_response([GorseScore(item.item_id, item.score) for item in answer.items[page.offset :]])
