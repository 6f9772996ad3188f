"""The releases, their figures and the gate's verdicts."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from msgspec import Struct

from api.envelope import json_response
from api.openapi import reply
from api.parts import parts_of
from api.problems import NotReady
from api.serving import ReleaseRow

router = APIRouter(prefix="/v1", tags=["releases"])


class ModelsReply(Struct):
    """Every release, newest first; ``serving`` answers now, ``refused`` did not verify."""

    models: list[ReleaseRow]
    serving: str | None
    refused: dict[str, str]


@router.get("/models", summary="Releases", responses=reply("ModelsReply"))
async def models(request: Request) -> Response:
    """The releases with their metrics and gate verdict, and which is current."""
    parts = parts_of(request)
    rows = await parts.lane.run(parts.serving.releases)
    try:
        serving = parts.serving.live.release_id
    except NotReady:
        serving = None
    return json_response(ModelsReply(rows, serving, parts.serving.refused))
