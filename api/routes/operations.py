"""Liveness, readiness, metrics, and what each problem type means."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from msgspec import Struct

from api.http.envelope import json_response
from api.http.problems import PROBLEMS
from api.observing import metrics
from api.openapi import reply
from api.parts import parts_of
from graph.errors import NotFound

router = APIRouter(tags=["operations"])


class LiveReply(Struct):
    """The process answers."""

    status: str = "live"


class ReadyReply(Struct):
    """The release in service, and whether the newest changes may be missing."""

    release: str
    stale: bool
    status: str = "ready"


class ProblemReply(Struct):
    """What a problem type means."""

    type: str
    title: str
    status: int
    what_to_do: str


@router.get("/live", summary="Is the process alive", responses=reply("LiveReply"))
async def live() -> Response:
    """200 as long as the process answers."""
    return json_response(LiveReply())


@router.get("/ready", summary="Can it answer", responses=reply("ReadyReply"))
async def ready(request: Request) -> Response:
    """200 once a release is in service; before, a 503 that says what to run."""
    serving = parts_of(request).serving
    return json_response(ReadyReply(serving.live.release_id, serving.stale))


@router.get("/metrics", summary="Prometheus metrics", include_in_schema=False)
async def scrape(request: Request) -> Response:
    """Counters in Prometheus' text format."""
    return Response(parts_of(request).metrics.exposition(), media_type=metrics.CONTENT_TYPE)


@router.get("/problems/{slug}", summary="What a problem type means", responses=reply("ProblemReply"))
async def problem(slug: str) -> Response:
    """The status, title and remedy of one problem type."""
    for kind in PROBLEMS.values():
        if kind.slug == slug:
            return json_response(ProblemReply(kind.type, kind.title, kind.status, kind.what_to_do))
    raise NotFound("there is no such problem type", got=slug, remedy="Types stand in the type of an error reply.")
