"""Browsing the graph without a database client."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from api.browsing import neighbors_page
from api.envelope import json_response
from api.limits import checked_id
from api.openapi import reply
from api.parts import parts_of

router = APIRouter(prefix="/v1/graph", tags=["graph"])


class NeighborsQuery(BaseModel):
    """Parameters of a node's neighbours."""

    model_config = ConfigDict(extra="forbid")

    edge: Annotated[str | None, Field(max_length=64, description="A relation, e.g. HAS_BRAND.")] = None
    direction: Literal["in", "out", "both"] = "both"
    limit: Annotated[int, Field(ge=1, le=500)] = 100
    cursor: Annotated[str | None, Field(max_length=4000)] = None


@router.get(
    "/nodes/{node_type}/{node_id:path}/neighbors", summary="Neighbours of a node", responses=reply("NeighborsReply")
)
async def neighbors(
    request: Request, node_type: str, node_id: str, query: Annotated[NeighborsQuery, Query()]
) -> Response:
    """The nodes one edge away, page by page: by relation, out before in."""
    parts = parts_of(request)
    page = await parts.lane.run(
        neighbors_page,
        parts.serving.live.view,
        checked_id(node_type, "type"),
        checked_id(node_id, "id"),
        relation=query.edge,
        direction=query.direction,
        limit=query.limit,
        cursor=query.cursor,
    )
    return json_response(page)
