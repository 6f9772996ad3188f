"""The pages a person opens in a browser."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from api.page import docs_page, index_page
from api.parts import Parts, parts_of
from api.problems import NotReady

router = APIRouter(include_in_schema=False)
_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


@router.get("/")
async def index(request: Request) -> HTMLResponse:
    """What is live, and where to go."""
    parts = parts_of(request)
    return HTMLResponse(await parts.lane.run(_index, parts), headers=_HEADERS)


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """Every route with its parameters."""
    return HTMLResponse(docs_page(request.app.openapi()), headers=_HEADERS)


def _index(parts: Parts) -> str:
    serving = parts.serving
    rows = serving.releases()
    try:
        live = serving.live
    except NotReady as error:
        return index_page(
            release_id=None, trained_at=None, trouble=str(error), stale=True, rows=rows, user_id=None, item_id=None
        )
    view = live.view
    users, items = view.schema.user_type, view.schema.item_type
    return index_page(
        release_id=live.release_id,
        trained_at=live.trained_at,
        trouble=None,
        stale=serving.stale,
        rows=rows,
        user_id=view.id_of(users, 0) if view.num_nodes(users) else None,
        item_id=view.id_of(items, 0) if view.num_nodes(items) else None,
    )
