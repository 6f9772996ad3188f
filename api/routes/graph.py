"""Browsing the graph without a database client."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from api.http.envelope import json_response
from api.http.limits import checked_id
from api.knowledge.browsing import neighbors_page
from api.knowledge.pathfinding import MAX_HOPS, paths_between, read_key
from api.openapi import reply
from api.parts import parts_of
from api.security.scopes import Scope, may

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
    """The nodes one edge away, page by page: by relation, out before in. Users only for a key with `operator`."""
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
        users=may(request.scope["state"], Scope.OPERATOR),
    )
    return json_response(page)


class PathsQuery(BaseModel):
    """Parameters of paths between two nodes."""

    model_config = ConfigDict(extra="forbid")

    source: Annotated[str, Field(alias="from", max_length=600, description="Type:id, e.g. Item:50.")]
    target: Annotated[str, Field(alias="to", max_length=600, description="Type:id.")]
    max_hops: Annotated[int, Field(ge=1, le=MAX_HOPS)] = 3
    limit: Annotated[int, Field(ge=1, le=100)] = 10


@router.get("/paths", summary="Paths between two nodes", responses=reply("PathsReply"))
async def paths(request: Request, query: Annotated[PathsQuery, Query()]) -> Response:
    """How two nodes hang together, shortest first; users in between stay anonymous."""
    parts = parts_of(request)
    ends = []
    for text, field in ((query.source, "from"), (query.target, "to")):
        node_type, node_id = read_key(text, field)
        ends.append((checked_id(node_type, field), checked_id(node_id, field)))
    found = await parts.lane.run(
        paths_between, parts.serving.live.view, *ends, max_hops=query.max_hops, limit=query.limit
    )
    return json_response(found)
