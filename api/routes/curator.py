"""The curator's workbench for Neo4j Browser: guide, style and saved queries."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.curator import (
    Examples,
    Spelling,
    examples_from,
    guide_page,
    queries_archive,
    queries_file,
    saved_queries,
    style_sheet,
)
from api.parts import Parts, parts_of, telling_an_empty_store
from graph.schema import GraphSchema
from graph.store import GraphStore
from graph.stored_names import OpenToQueries, SchemaNames

router = APIRouter(prefix="/curator", include_in_schema=False)


@router.get("/guide.html")
async def guide(request: Request) -> Response:
    """The guide; ``:play`` this address."""
    spelling, examples = await _material(parts_of(request))
    text = guide_page(spelling, saved_queries(spelling, examples), examples, str(request.base_url))
    return _served(text.encode(), "text/html")


@router.get("/style.grass")
async def style(request: Request) -> Response:
    """The style sheet; ``:style`` this address."""
    spelling, _ = await _material(parts_of(request))
    return _served(style_sheet(spelling).encode(), "text/plain")


@router.get("/queries.cypher")
async def queries(request: Request) -> Response:
    """Every saved query in one file."""
    return _served(queries_file(saved_queries(*await _material(parts_of(request)))).encode(), "text/plain")


@router.get("/queries.zip")
async def queries_zip(request: Request) -> Response:
    """The saved queries as Browser imports them: one favourite each, in folders."""
    archive = queries_archive(saved_queries(*await _material(parts_of(request))))
    return _served(archive, "application/zip")


async def _material(parts: Parts) -> tuple[Spelling, Examples]:
    """The live release's schema, before the first release the store's; ids only where no key guards them.

    Browser cannot send a key, so where keys are asked for these pages are open and hold names of the schema alone.
    They have the time of a page: on a busy server names and examples take longer than an answer may.
    """
    if parts.serving.schema is None:
        return await parts.page_lane.run(lambda: _spelling(parts.store())), Examples()
    view = parts.serving.live.view
    spelling = await parts.page_lane.run(lambda: _spelling(parts.store(), view.schema))
    if parts.settings.auth == "on":
        return spelling, Examples()
    return spelling, await parts.page_lane.run(examples_from, view)


def _spelling(store: GraphStore, schema: GraphSchema | None = None) -> Spelling:
    """The schema, or else the store's, under the names that the store has for it."""
    with telling_an_empty_store():
        names = store.stored_names() if isinstance(store, OpenToQueries) else SchemaNames()
        return Spelling(schema or store.schema, names)


def _served(body: bytes, media_type: str) -> Response:
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    charset = "" if media_type == "application/zip" else "; charset=utf-8"
    return Response(body, media_type=media_type + charset, headers=headers)
