"""The HTTP application: every route, and the parts behind them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from api.curator.origins import BrowserOrigins
from api.events.acknowledging import Acknowledged
from api.events.given import GivenLog
from api.events.writer import EventWriter
from api.http.envelope import Envelope
from api.http.hot import HotAnswers
from api.http.lanes import Lane
from api.http.layered import LayeredApp
from api.http.problems import InvalidField, MethodNotAllowed, UnknownField, problem_response
from api.knowledge.browsing import NeighborsReply
from api.knowledge.catalogue import ItemReply, PostedBatch, PostedItem, WriteReply
from api.knowledge.pathfinding import PathsReply
from api.knowledge.personal import ErasureReply, ExportReply, PostedUser
from api.knowledge.rules import RULES_FILE, RulesFile
from api.observing.metrics import Metrics
from api.observing.requests import Observing
from api.observing.telemetry import Telemetry, TracedLane, Tracing
from api.openapi import describe
from api.parts import Parts, StoreHolder
from api.routes import (
    answers,
    catalogue,
    curator,
    events,
    explaining,
    gorse,
    graph,
    models,
    operations,
    page,
    privacy,
    problems,
    search,
    users,
)
from api.routes import rules as rules_routes
from api.security import KeyFile
from api.security.door import Door
from api.serving.releases import FolderReleases
from api.serving.serving import Releases, Serving
from api.settings import Settings, given_folder
from graph.errors import InputError, KindredError, NotFound

CHECK_DEADLINE_S = 30.0
"""How long looking for problems in the whole graph may take."""
SWAP_DEADLINE_S = 30.0

MESSAGES: dict[str, Any] = {
    "Envelope": Envelope,
    "RecommendationsBody": answers.RecommendationsBody,
    "PostedEvents": events.PostedEvents,
    "Acknowledged": Acknowledged,
    "SuggestReply": search.SuggestReply,
    "ItemReply": ItemReply,
    "WriteReply": WriteReply,
    "PostedItem": PostedItem,
    "PostedBatch": PostedBatch,
    "PostedEdges": catalogue.PostedEdges,
    "ErasureReply": ErasureReply,
    "ExportReply": ExportReply,
    "PostedUser": PostedUser,
    "NeighborsReply": NeighborsReply,
    "GraphProblemsReply": problems.GraphProblemsReply,
    "PathsReply": PathsReply,
    "ExplanationReply": explaining.ExplanationReply,
    "WhatIfBody": explaining.WhatIfBody,
    "WhatIfReply": explaining.WhatIfReply,
    "AudienceReply": users.AudienceReply,
    "AttributesReply": users.AttributesReply,
    "ProfileReply": users.ProfileReply,
    "RankBody": users.RankBody,
    "ModelsReply": models.ModelsReply,
    "EvaluationsReply": models.EvaluationsReply,
    "CurrentReply": models.CurrentReply,
    "LiveReply": operations.LiveReply,
    "ReadyReply": operations.ReadyReply,
    "ProblemReply": operations.ProblemReply,
    **rules_routes.MESSAGES,
    **gorse.MESSAGES,
}
"""Every message type, by the name the description gives it."""


ROOMS = (
    answers,
    curator,
    events,
    explaining,
    gorse,
    graph,
    models,
    operations,
    page,
    privacy,
    problems,
    rules_routes,
    search,
    users,
    catalogue,
)
"""Every file of routes. Of two that match the first answers, so the catalogue, whose ids may hold a /, comes last."""

CORS: dict[str, Any] = {
    "allow_methods": ("GET", "POST", "PUT", "PATCH", "DELETE"),
    "allow_headers": ("authorization", "content-type", "if-match", "x-api-key"),
    "expose_headers": ("etag", "retry-after", "x-request-id"),
}


def create_app(
    settings: Settings,
    *,
    releases: Releases | None = None,
    store: StoreHolder | None = None,
    telemetry: Telemetry | None = None,
) -> FastAPI:
    """The application for ``settings``; its threads start with the server, not here.

    ``releases`` and ``store`` replace what the settings name, for tests and embedding; ``telemetry`` sees it at work.
    """
    parts = _parts(settings, releases, store, Lane if telemetry is None else TracedLane)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        parts.start()
        if telemetry is not None:
            telemetry.start()
        try:
            yield
        finally:
            parts.close()
            if telemetry is not None:
                telemetry.close()

    app = LayeredApp(
        title="Kindred",
        version="1",
        description="Recommendations that show the path in the graph that justifies them.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.parts = parts
    app.wrap(HotAnswers, parts=parts)
    if settings.auth == "on":
        app.wrap(Door, keys=KeyFile(settings.keys), rate_limit=settings.rate_limit, metrics=parts.metrics)
    if settings.cors_origins:
        app.wrap(CORSMiddleware, allow_origins=settings.cors_origins, **CORS)
    app.wrap(BrowserOrigins, origins=settings.cors_origins)
    app.wrap(Observing, metrics=parts.metrics)
    if telemetry is not None:
        app.wrap(Tracing, telemetry=telemetry)
    app.add_exception_handler(KindredError, _on_error)
    app.add_exception_handler(RequestValidationError, _on_bad_parameters)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_error)
    for room in ROOMS:
        app.include_router(room.router)
    describe(app, MESSAGES)
    return app


def _parts(settings: Settings, releases: Releases | None, store: StoreHolder | None, lane_type: type[Lane]) -> Parts:
    metrics = Metrics()
    store = store or StoreHolder(settings.store)
    rules = RulesFile(settings.rules or settings.releases.parent / RULES_FILE)
    serving = Serving(
        releases or FolderReleases(settings.releases, rules),
        store,
        metrics=metrics,
        poll_interval_s=settings.poll_interval_s,
        stale_after_s=settings.stale_after_s,
        edits_interval_s=settings.edits_interval_s,
    )
    given = GivenLog(given_folder(settings), days=settings.attribution_days, megabytes=settings.attribution_megabytes)
    writer = EventWriter(
        store,
        knows_item=serving.knows_item,
        committed=serving.feeding.take_in,
        stored=given.note_outcomes,
        metrics=metrics,
        waiting=settings.events_waiting,
    )
    lane = lane_type(settings.engine_threads, settings.engine_waiting, settings.read_deadline_s)
    store_lane = Lane(1, settings.events_waiting, settings.write_deadline_s)
    patient_lane = lane_type(1, settings.engine_waiting, settings.explain_deadline_s)
    release_lane, check_lane = Lane(1, 4, SWAP_DEADLINE_S), Lane(1, 4, CHECK_DEADLINE_S)
    return Parts(
        settings,
        store,
        serving,
        writer,
        lane,
        store_lane,
        patient_lane,
        release_lane,
        check_lane,
        metrics,
        rules,
        given,
    )


async def _on_error(request: Request, error: Exception) -> Response:
    return problem_response(error, request.state.request_id)


async def _on_bad_parameters(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # registered for it
    first = error.errors()[0]
    name = str(first["loc"][-1])
    if first["type"] == "extra_forbidden":
        refused: InvalidField = UnknownField(
            f"the parameter {name} is not served",
            field=name,
            expected="one of " + ", ".join(_served_parameters(request)),
            remedy="Leave it out; later versions may serve it.",
        )
    else:
        refused = InvalidField(f"the parameter {name} cannot be used: {first['msg']}", field=name, got=first["input"])
    return problem_response(refused, request.state.request_id)


def _served_parameters(request: Request) -> list[str]:
    """The query parameters of the route that matched, read from the description."""
    operation = (
        request.app.openapi()["paths"].get(request.scope["route"].path_format, {}).get(request.method.lower(), {})
    )
    return [parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "query"]


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # registered for it
    refused: KindredError
    if error.status_code == 404:
        refused = NotFound("there is no such route", remedy="GET /docs lists the routes.")
    elif error.status_code == 405:
        refused = MethodNotAllowed("the method is not allowed here", got=request.method)
    else:
        refused = InputError(f"the request cannot be used: {error.detail}")
    return problem_response(refused, request.state.request_id, error.headers)
