"""Why, why not, and what if."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from fastapi import APIRouter, Query, Request, Response
from msgspec import Struct
from pydantic import BaseModel, ConfigDict, Field

from api.engine import Answer, Engine
from api.engine.phrases import Language
from api.engine.questions.imagining import Moved, WhatIf, what_if
from api.engine.questions.whynot import Change, Explanation, Removal, explain
from api.engine.request import RelatedKind
from api.engine.request import Request as EngineRequest
from api.http.asking import Lang, asked_language
from api.http.envelope import Envelope, ReleaseName, envelope_of, json_response, ms_since, parse_include
from api.http.limits import MAX_RESULTS, checked_id, decode_json, read_body
from api.http.shapes import PathStep, ReasonDocument
from api.knowledge.edits import MAX_EDITS, Edit, mutation_of
from api.openapi import json_body, reply
from api.parts import engine_of, now_ms, parts_of
from api.routes.answers import N, RecommendationsBody, engine_request

router = APIRouter(prefix="/v1", tags=["explanations"])
ID = Annotated[str, Field(min_length=1, max_length=512)]


class ExplanationQuery(BaseModel):
    """Which item, in whose list of how many."""

    model_config = ConfigDict(extra="forbid")

    item_id: ID
    user_id: ID
    n: N = 10
    changes: Annotated[bool, Field(description="Look for the smallest change that brings the item in.")] = True
    lang: Lang = None


class ChangeReply(Struct, frozen=True):
    """One change that brings the item into the list, tried on a copy of the graph."""

    rank: int
    boost: float | None
    add: dict[str, Any] | None
    path: list[PathStep] | None


class ExplanationReply(Struct, frozen=True):
    """Why an item is in a list, or why not."""

    item_id: str
    title: str
    user_id: str
    listed: bool
    rank: int | None
    n: int
    score: float | None
    score_to_enter: float | None
    sources: dict[str, float]
    boosts: dict[str, float]
    removed_by: list[Removal]
    reasons: list[ReasonDocument]
    missing_paths: list[dict[str, Any]]
    changes: list[ChangeReply]
    unknown_ids: tuple[str, ...]
    release: ReleaseName
    graph_watermark: str
    stale: bool
    took_ms: float


class AskRecommendations(RecommendationsBody, tag_field="ask", tag="recommendations", kw_only=True):
    """The list of ``POST /v1/recommendations``."""


class AskRelated(Struct, forbid_unknown_fields=True, kw_only=True, tag_field="ask", tag="related"):
    """The list of ``GET /v1/items/{item_id}/related``."""

    item_id: str
    kind: RelatedKind = "similar"
    n: Annotated[int, msgspec.Meta(ge=1, le=MAX_RESULTS)] = 10
    include: str | Annotated[list[str], msgspec.Meta(max_length=10)] | None = None
    lang: Language | None = None


class WhatIfBody(Struct, forbid_unknown_fields=True, kw_only=True):
    """Edits that are only imagined, and the request to answer without and with them."""

    edits: Annotated[list[Edit], msgspec.Meta(min_length=1, max_length=MAX_EDITS)]
    request: AskRecommendations | AskRelated


class ChangedPathReply(Struct, frozen=True):
    """A reason that only one of the lists gives for an item."""

    item_id: str
    change: Literal["gone", "new"]
    reason: ReasonDocument


class WhatIfReply(Struct, frozen=True):
    """Both lists, the items whose place differs, and the paths that are gone or new."""

    before: Envelope
    after: Envelope
    moved: tuple[Moved, ...]
    paths: list[ChangedPathReply]
    took_ms: float


Asking: TypeAlias = Callable[[Engine], Answer]
_BODY = msgspec.json.Decoder(WhatIfBody)
_BODY_FIELDS = (
    "edits (each with do: add_node, remove_node, add_edge, remove_edge or set_property) and request (with ask: "
    "recommendations and the fields of POST /v1/recommendations, or ask: related with item_id, kind, n, include, lang)"
)


@router.get("/explanations", summary="Why, or why not", responses=reply("ExplanationReply"))
async def explanations(request: Request, query: Annotated[ExplanationQuery, Query()]) -> Response:
    """Why the item is in the user's list; if it is not: its rank, what removed it, and what would bring it in."""
    began, parts = time.perf_counter(), parts_of(request)
    live = parts.serving.live
    asked = EngineRequest(checked_id(query.user_id, "user_id"), n=query.n, language=asked_language(request, query.lang))
    item_id = checked_id(query.item_id, "item_id")
    explained = await parts.patient_lane.run(explain, engine_of(live), item_id, asked, search=query.changes)
    release = ReleaseName(live.release_id, live.trained_at)
    return json_response(_explanation_reply(explained, query, release, parts.serving.stale, began))


@router.post("/what-if", summary="What if", responses=reply("WhatIfReply"), openapi_extra=json_body("WhatIfBody"))
async def imagine(request: Request) -> Response:
    """The same request before and after some edits of the graph. Nothing is written."""
    began, parts = time.perf_counter(), parts_of(request)
    raw = await read_body(request, parts.settings.body_limit_bytes, parts.settings.body_timeout_s)
    body = decode_json(raw, _BODY, _BODY_FIELDS)
    live = parts.serving.live
    edits = [mutation_of(edit, live.view.schema, now_ms(), f"edits[{at}].") for at, edit in enumerate(body.edits)]
    include = parse_include(body.request.include) | {"reasons"}
    ask = _asking(body.request, asked_language(request, body.request.lang))
    found = await parts.patient_lane.run(what_if, engine_of(live), edits, ask)

    def enveloped(answer: Answer) -> Envelope:
        return envelope_of(answer, live, include=include, stale=parts.serving.stale, began=began)

    return json_response(_what_if_reply(found, enveloped, began))


def _asking(asked: AskRecommendations | AskRelated, language: Language) -> Asking:
    if isinstance(asked, AskRelated):
        item_id = checked_id(asked.item_id, "request.item_id")
        return lambda engine: engine.related(item_id, asked.kind, asked.n, reasons=True, language=language)
    wanted = replace(engine_request(asked, language), reasons=True)
    return lambda engine: engine.recommend(wanted)


def _what_if_reply(found: WhatIf, enveloped: Callable[[Answer], Envelope], began: float) -> WhatIfReply:
    paths = [ChangedPathReply(path.item_id, path.change, path.reason.to_json()) for path in found.paths]
    return WhatIfReply(enveloped(found.before), enveloped(found.after), found.moved, paths, ms_since(began))


def _explanation_reply(
    explained: Explanation, query: ExplanationQuery, release: ReleaseName, stale: bool, began: float
) -> ExplanationReply:
    return ExplanationReply(
        item_id=explained.item_id,
        title=explained.title,
        user_id=query.user_id,
        listed=explained.listed,
        rank=explained.rank,
        n=query.n,
        score=_finite(explained.score),
        score_to_enter=_finite(explained.score_to_enter),
        sources={name: round(part, 4) for name, part in explained.parts.items()},
        boosts=dict(explained.boosts),
        removed_by=list(explained.removals),
        reasons=[reason.to_json() for reason in explained.reasons],
        missing_paths=[path.to_json() for path in explained.missing[:3]],
        changes=[_change_reply(change) for change in explained.changes],
        unknown_ids=explained.unknown_ids,
        release=release,
        graph_watermark=explained.graph_watermark,
        stale=stale,
        took_ms=ms_since(began),
    )


def _change_reply(change: Change) -> ChangeReply:
    if change.edge is None:
        return ChangeReply(change.rank, change.factor, None, None)
    document = change.edge.to_json()
    return ChangeReply(change.rank, None, document["edge"], document["path"])


def _finite(value: float | None) -> float | None:
    """The value, null where JSON has no such number."""
    return value if value is not None and math.isfinite(value) else None
