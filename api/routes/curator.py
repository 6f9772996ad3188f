"""The curator's workbench for Neo4j Browser: guide, style and saved queries, with the CORS preflight it asks for."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.curator import Examples, examples_from, guide_page, queries_archive, queries_file, saved_queries, style_sheet
from api.parts import Parts, parts_of
from graph.schema import GraphSchema

router = APIRouter(prefix="/curator", include_in_schema=False)
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@router.get("/guide.html")
async def guide(request: Request) -> Response:
    """The guide; ``:play`` this address."""
    parts = parts_of(request)
    schema, examples = await _material(parts)
    text = guide_page(schema, saved_queries(schema, examples), examples, str(request.base_url))
    return _served(request, text.encode(), "text/html")


@router.get("/style.grass")
async def style(request: Request) -> Response:
    """The style sheet; ``:style`` this address."""
    schema, _ = await _material(parts_of(request))
    return _served(request, style_sheet(schema).encode(), "text/plain")


@router.get("/queries.cypher")
async def queries(request: Request) -> Response:
    """Every saved query in one file."""
    return _served(request, queries_file(saved_queries(*await _material(parts_of(request)))).encode(), "text/plain")


@router.get("/queries.zip")
async def queries_zip(request: Request) -> Response:
    """The saved queries as Browser imports them: one favourite each, in folders."""
    archive = queries_archive(saved_queries(*await _material(parts_of(request))))
    return _served(request, archive, "application/zip")


@router.options("/{file}")
async def preflight(request: Request, file: str) -> Response:
    """What Browser asks before it reads a guide or a style from another address than its own."""
    return Response(status_code=204, headers=_cross_origin(request))


async def _material(parts: Parts) -> tuple[GraphSchema, Examples]:
    """The live release's schema and ids of it; before the first release the store's, with placeholders."""
    if parts.serving.schema is None:
        return await parts.store_lane.run(lambda: parts.store().schema), Examples()
    view = parts.serving.live.view
    return view.schema, await parts.lane.run(examples_from, view)


def _served(request: Request, body: bytes, media_type: str) -> Response:
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff", **_cross_origin(request)}
    charset = "" if media_type == "application/zip" else "; charset=utf-8"
    return Response(body, media_type=media_type + charset, headers=headers)


def _cross_origin(request: Request) -> Mapping[str, str]:
    """Lets a Browser on this machine, on the API's host or at a configured address read the reply; no other page."""
    origin = request.headers.get("origin", "")
    host = urlsplit(origin).hostname if "://" in origin else None
    own = urlsplit(str(request.base_url)).hostname
    if host is None or (host not in _LOOPBACK and host != own and origin not in _configured(request)):
        return {"vary": "Origin"}
    return {
        "vary": "Origin",
        "access-control-allow-origin": origin,
        "access-control-allow-methods": "GET, OPTIONS",
        "access-control-allow-headers": "cache-control, pragma, content-type, accept",
        "access-control-max-age": "600",
    }


def _configured(request: Request) -> tuple[str, ...]:
    listed = parts_of(request).settings.browser_origins
    return tuple(part.strip() for part in listed.split(",") if part.strip())
