"""The releases, their figures and the gate's verdicts."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from msgspec import Struct

from api.http.envelope import json_response
from api.http.limits import checked_id
from api.http.problems import NotReady
from api.openapi import reply
from api.parts import Parts, parts_of
from api.serving.serving import ReleaseRow

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
    return json_response(ModelsReply(rows, _serving(parts), parts.serving.refused))


class EvaluationRow(Struct):
    """One release's figures on its test split, the gate's verdict, and how it was measured."""

    release: str
    trained_at: str
    current: bool
    evaluation: Any
    gate: Any


class EvaluationsReply(Struct):
    """The evaluations of all releases, newest first."""

    evaluations: list[EvaluationRow]


class CurrentReply(Struct):
    """The release the CURRENT pointer names now; ``serving`` follows within a second."""

    current: str
    serving: str | None


@router.get("/evaluations", summary="Evaluations", responses=reply("EvaluationsReply"))
async def evaluations(request: Request) -> Response:
    """Every release with the table training measured: all models, the fused ranking, and the gate's verdict."""
    parts = parts_of(request)
    rows = await parts.lane.run(parts.serving.releases)
    return json_response(
        EvaluationsReply(
            [EvaluationRow(row.release, row.trained_at, row.current, row.metrics, row.gate) for row in rows]
        )
    )


@router.post("/models/rollback", summary="Roll back", responses=reply("CurrentReply"))
async def roll_back(request: Request) -> Response:
    """Makes the release that was current before current again; it is verified first."""
    parts = parts_of(request)
    release_id = await parts.release_lane.run(parts.serving.roll_back)
    return json_response(CurrentReply(release_id, _serving(parts)))


@router.post("/models/{release}/activate", summary="Activate a release", responses=reply("CurrentReply"))
async def activate(request: Request, release: str) -> Response:
    """Makes a release current; it is verified first, and one that is damaged changes nothing."""
    parts = parts_of(request)
    release_id = checked_id(release, "release")
    await parts.release_lane.run(parts.serving.activate, release_id)
    return json_response(CurrentReply(release_id, _serving(parts)))


def _serving(parts: Parts) -> str | None:
    try:
        return parts.serving.live.release_id
    except NotReady:
        return None
