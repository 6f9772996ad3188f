"""Search and autocomplete."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from msgspec import Struct
from pydantic import BaseModel, ConfigDict, Field

from api.engine.finding.search import MAX_QUERY
from api.engine.steering import Steering
from api.http.asking import Lang, asked_language
from api.http.envelope import enveloped, json_response, ms_since, parse_include
from api.http.limits import MAX_RESULTS, checked_id, checked_text
from api.openapi import reply
from api.parts import parts_of

router = APIRouter(prefix="/v1", tags=["answers"])
Text = Annotated[str, Field(min_length=1, max_length=MAX_QUERY, description="What was typed.")]


class SearchQuery(BaseModel):
    """Parameters of a search."""

    model_config = ConfigDict(extra="forbid")

    q: Text
    n: Annotated[int, Field(ge=1, le=MAX_RESULTS, description="How many items.")] = 10
    filter: Annotated[str | None, Field(max_length=4000, description="Which items may be shown, e.g. price < 20.")] = (
        None
    )
    user_id: Annotated[str | None, Field(max_length=512, description="Whose taste settles near draws.")] = None
    include: Annotated[str | None, Field(max_length=200, description="Some of properties, score, reasons.")] = None
    lang: Lang = None


class SuggestQuery(BaseModel):
    """Parameters of autocomplete."""

    model_config = ConfigDict(extra="forbid")

    q: Text
    n: Annotated[int, Field(ge=1, le=50, description="How many suggestions.")] = 10


class SuggestedName(Struct, frozen=True):
    """A title, brand or category, and the node it names."""

    text: str
    type: str
    id: str
    score: float


class SuggestReply(Struct, frozen=True):
    """Names that begin like what was typed, best first."""

    suggestions: list[SuggestedName]
    took_ms: float


@router.get("/search", summary="Search", responses=reply("Envelope"))
async def search(request: Request, query: Annotated[SearchQuery, Query()]) -> Response:
    """Items for words, by the words and by their meaning; spelling mistakes are forgiven, `user_id` personalises.

    What does not match is not in the list, so it may be shorter than `n`.
    """
    include = parse_include(query.include)
    began, parts = time.perf_counter(), parts_of(request)
    live = parts.serving.live
    answer = await parts.lane.run(
        live.engine.search,
        checked_text(query.q, "q"),
        query.n,
        user_id=None if query.user_id is None else checked_id(query.user_id, "user_id"),
        reasons="reasons" in include,
        language=asked_language(request, query.lang),
        steering=Steering(filter=query.filter),
    )
    given = (parts, "search")
    return enveloped(answer, live, include=include, stale=parts.serving.stale, began=began, given=given)


@router.get("/suggest", summary="Autocomplete", responses=reply("SuggestReply"))
async def suggest(request: Request, query: Annotated[SuggestQuery, Query()]) -> Response:
    """Titles, brands and categories that begin like `q`, the most popular first; a slip of the finger is forgiven."""
    began, parts = time.perf_counter(), parts_of(request)
    found = await parts.lane.run(parts.serving.live.engine.suggest, checked_text(query.q, "q"), query.n)
    names = [SuggestedName(one.text, one.node_type, one.node_id, one.score) for one in found]
    return json_response(SuggestReply(names, ms_since(began)))
