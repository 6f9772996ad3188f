"""The peer of the HTTP figures: the same payload from FastAPI with a ``response_model``, on uvicorn."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, Query
from pydantic import BaseModel


class Item(BaseModel):
    item_id: str
    score: float
    rank: int
    sources: list[str]
    promotion: str | None


class Release(BaseModel):
    id: str
    trained_at: str


class Envelope(BaseModel):
    recommendation_id: str
    items: list[Item]
    fallback_used: str | None
    unknown_ids: list[str]
    release: Release
    graph_watermark: str
    stale: bool
    variant: str | None
    took_ms: float


def application(payload: Any) -> FastAPI:
    """Answers every item with the one payload."""
    app = FastAPI()

    @app.get("/ready")
    async def ready() -> dict[str, str]:
        return {}

    @app.get("/v1/items/{item_id}/related", response_model=Envelope)
    async def related(item_id: str, n: Annotated[int, Query(ge=1, le=500)] = 10) -> Any:
        return payload

    return app


if __name__ == "__main__":
    document = json.loads(Path(sys.argv[1]).read_text())
    uvicorn.run(application(document), host="127.0.0.1", port=int(sys.argv[2]), access_log=False, log_level="warning")
