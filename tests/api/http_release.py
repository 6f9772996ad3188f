"""A release of the corner shop, as training would publish it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from api.engine import engine_payload
from graph.release import activate, write_release
from tests.api.corner_shop import Shop


def publish(shop: Shop, root: Path, hour: int = 1) -> str:
    """The id of a new release, made current."""
    arrays, documents = engine_payload(shop.operators, shop.weights)
    documents = {
        **documents,
        "gate": {"promoted": True, "winner": "fused", "baseline": "rp3beta"},
        "evaluation": {"table": []},
    }
    release = write_release(
        root,
        snapshot=shop.snapshot.directory,
        arrays=arrays,
        documents=documents,
        now=datetime(2026, 1, 2, hour, tzinfo=UTC),
    )
    activate(root, release.id)
    return release.id
