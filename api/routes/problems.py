"""What hand edits and imports have left in the graph that does not fit its schema."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from msgspec import Struct
from pydantic import BaseModel, ConfigDict, Field

from api.http.envelope import json_response
from api.openapi import reply
from api.parts import parts_of
from graph.problems import problems_of

router = APIRouter(prefix="/v1/graph", tags=["graph"])


class GraphProblem(Struct):
    """One thing that takes no part in answers: where it is, why, and what puts it right."""

    kind: str
    where: str
    reason: str
    fix: str


class GraphProblemsReply(Struct):
    """The problems of the graph; at most ``limit`` of each kind and type are looked for."""

    problems: list[GraphProblem]


class ProblemsQuery(BaseModel):
    """Parameters of the list."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=500)] = 100


@router.get("/problems", summary="What does not fit the schema", responses=reply("GraphProblemsReply"))
async def problems(request: Request, query: Annotated[ProblemsQuery, Query()]) -> Response:
    """Hand edits and imports that break the schema, each with the query that puts it right; answers go on meanwhile."""
    parts = parts_of(request)
    found = await parts.check_lane.run(lambda: problems_of(parts.store(), query.limit))
    return json_response(GraphProblemsReply([GraphProblem(p.kind, p.where, p.reason, p.fix) for p in found]))
