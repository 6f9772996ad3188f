"""The curator's workbench for Neo4j Browser: guide, style and saved queries."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.curator import Examples, examples_from, guide_page, queries_archive, queries_file, saved_queries, style_sheet
from api.parts import Parts, parts_of
from graph.schema import GraphSchema

router = APIRouter(prefix="/curator", include_in_schema=False)


@router.get("/guide.html")
async def guide(request: Request) -> Response:
    """The guide; ``:play`` this address."""
    parts = parts_of(request)
    schema, examples = await _material(parts)
    text = guide_page(schema, saved_queries(schema, examples), examples, str(request.base_url))
    return _served(text.encode(), "text/html")


@router.get("/style.grass")
async def style(request: Request) -> Response:
    """The style sheet; ``:style`` this address."""
    schema, _ = await _material(parts_of(request))
    return _served(style_sheet(schema).encode(), "text/plain")


@router.get("/queries.cypher")
async def queries(request: Request) -> Response:
    """Every saved query in one file."""
    return _served(queries_file(saved_queries(*await _material(parts_of(request)))).encode(), "text/plain")


@router.get("/queries.zip")
async def queries_zip(request: Request) -> Response:
    """The saved queries as Browser imports them: one favourite each, in folders."""
    archive = queries_archive(saved_queries(*await _material(parts_of(request))))
    return _served(archive, "application/zip")


async def _material(parts: Parts) -> tuple[GraphSchema, Examples]:
    """The live release's schema, before the first release the store's; ids only where no key guards them.

    Browser cannot send a key, so where keys are asked for these pages are open and hold names of the schema alone.
    """
    if parts.serving.schema is None:
        return await parts.store_lane.run(lambda: parts.store().schema), Examples()
    view = parts.serving.live.view
    if parts.settings.auth == "on":
        return view.schema, Examples()
    return view.schema, await parts.lane.run(examples_from, view)


def _served(body: bytes, media_type: str) -> Response:
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    charset = "" if media_type == "application/zip" else "; charset=utf-8"
    return Response(body, media_type=media_type + charset, headers=headers)
