"""The pages a person opens in a browser, and what they are made of."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from msgspec import Struct
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import HTMLResponse

from api.engine.request import RelatedKind
from api.http.envelope import json_response
from api.http.problems import NotReady
from api.observing.pulse import PulseFigures
from api.page import HEADERS, Asked, docs_page, index_page, static_file
from api.parts import Parts, parts_of
from api.security.scopes import Scope, may
from graph.errors import NotFound

router = APIRouter(include_in_schema=False)
Text = Annotated[str | None, Field(max_length=600)]


class PageQuery(BaseModel):
    """What is picked on the page."""

    model_config = ConfigDict(extra="forbid")

    item: Text = None
    user: Text = None
    node: Text = None
    q: Text = None
    kind: RelatedKind = "similar"
    why: Text = None
    cursor: Annotated[str | None, Field(max_length=4000)] = None


class PulseReply(Struct, frozen=True):
    """What the strip at the top of the page shows."""

    release: str | None
    watermark: str | None
    stale: bool
    figures: PulseFigures


@router.get("/")
async def index(request: Request, query: Annotated[PageQuery, Query()]) -> HTMLResponse:
    """The picked item, user or node; what is live; how the server does."""
    parts = parts_of(request)
    operates = may(request.scope["state"], Scope.OPERATOR)
    asked = Asked(query.item, query.user, query.node, query.q, query.kind, query.why, query.cursor, operates)
    text, status = await parts.page_lane.run(_index, parts, asked)
    return HTMLResponse(text, status, headers=HEADERS)


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """Every route with its parameters."""
    return HTMLResponse(docs_page(request.app.openapi()), headers=HEADERS)


@router.get("/page/pulse")
async def pulse(request: Request) -> Response:
    """The strip's figures, for the page to ask again."""
    parts = parts_of(request)
    figures = parts.pulse.read(parts.metrics)
    try:
        live = parts.serving.live
    except NotReady:
        return json_response(PulseReply(None, None, True, figures))
    return json_response(PulseReply(live.release_id, live.view.watermark, parts.serving.stale, figures))


@router.get("/page/static/{version}/{name}")
async def static(version: str, name: str) -> Response:
    """A style or script of the page; its address changes with its content."""
    found = static_file(version, name)
    if found is None:
        raise NotFound("there is no such file", got=name, remedy="Load the page again.")
    headers = {"cache-control": "public, max-age=31536000, immutable", "x-content-type-options": "nosniff"}
    return Response(found.content, media_type=found.media_type, headers=headers)


def _index(parts: Parts, asked: Asked) -> tuple[str, int]:
    return index_page(parts.serving, asked, parts.pulse.read(parts.metrics))
