"""From files to answers on the embedded store and on a real Neo4j: the same snapshot, the same table, the same ids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from api.engine import Engine, Request
from graph.release import current_release
from tests.command.small_shop import kindred_in, write_shop
from tests.neo4j_servers import TestServer

MODELS = "rp3beta,als,attributes"
OF_THE_RUN = ("fit_s", "peak_mb")
"""Figures of a table that are of the machine."""
USERS, ITEMS = ("u00", "u01", "a newcomer"), ("00", "01")


def released(folder: Path, store: str) -> dict[str, Any]:
    """What an ingest, a training and the first answers of the small shop come to on one store."""
    folder.mkdir()
    write_shop(folder)
    for arguments in (
        ("ingest", "shop.yaml"),
        ("train", "--models", MODELS, "--text", "none", "--no-tune", "--json"),
    ):
        ran = kindred_in(folder, *arguments, KINDRED_STORE=store)
        assert ran.code == 0, ran.err
    trained = ran.json
    release = current_release(folder / "var" / "releases")
    engine = Engine.from_release(release)
    return {
        "snapshot": release.snapshot.digest,
        "table": [{name: cell for name, cell in row.items() if name not in OF_THE_RUN} for row in trained["table"]],
        "gate": trained["gate"],
        "recommended": {
            user: [(item.item_id, item.score) for item in engine.recommend(Request(user, n=10)).items] for user in USERS
        },
        "related": {
            item: [found.to_json() for found in engine.related(item, n=10, reasons=True).items] for item in ITEMS
        },
    }


@pytest.mark.slow
def test_both_stores_give_the_same_release_and_the_same_answers(empty_neo4j: TestServer, tmp_path: Path) -> None:
    embedded = released(tmp_path / "embedded", "sqlite:var/graph.db")
    served = released(tmp_path / "neo4j", empty_neo4j.patient_url)
    assert all(embedded["recommended"].values())
    assert all(embedded["related"].values())
    for part, found in embedded.items():
        assert served[part] == found, part
