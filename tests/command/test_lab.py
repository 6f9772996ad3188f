"""The laboratory of the notebooks: a graph of its own, and the recipe of ``kindred train`` step by step."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from api.engine import Request
from api.lab import Lab
from graph.errors import InputError, NotFound, ReleaseError
from graph.records import UpsertNodes
from graph.store import open_store
from tests.command.small_shop import write_shop


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KINDRED_DATA_DIR", raising=False)
    return write_shop(tmp_path) / "shop.yaml"


def test_an_experiment_becomes_a_release_that_an_engine_answers_from(shop: Path, tmp_path: Path) -> None:
    lab = Lab.open(str(shop), protocol="random-80-20")
    assert (lab.interactions.num_users, lab.interactions.num_items) == (40, 30)
    experiment = lab.experiment({name: {} for name in ("popularity", "rp3beta", "attributes")})
    assert len(lab.split().test)
    assert [row["control"] for row in lab.controls(experiment)["rows"]][:2] == ["graph removed", "graph shuffled"]
    with pytest.raises((NotFound, ReleaseError)):
        lab.engine()
    release = lab.publish(experiment)
    answer = lab.engine().recommend(Request("u00", n=5))
    assert answer.release_id == release.id
    assert len(answer.items) == 5
    assert lab.title(answer.items[0].item_index) == answer.items[0].title
    assert not (tmp_path / "var" / "graph.db").exists(), "the shop's own graph is left alone"


def test_a_graph_that_is_there_is_kept_and_what_a_run_needs_is_removed(shop: Path, tmp_path: Path) -> None:
    lab = Lab.open(str(shop))
    folder = tmp_path / "var" / "lab" / "shop"
    assert list(folder.glob("run-*"))
    del lab
    gc.collect()
    assert not list(folder.glob("run-*"))
    with open_store(f"sqlite:{folder / 'graph.db'}") as store:
        store.apply([UpsertNodes("Item", ["mine"], [{"title": "My own"}])], batch_id="b", actor="me")
    assert Lab.open(str(shop)).interactions.num_items == 31


def test_half_an_ingest_is_not_taken_for_a_graph(shop: Path, tmp_path: Path) -> None:
    (tmp_path / "sales.csv").rename(tmp_path / "later.csv")
    with pytest.raises((NotFound, InputError)):
        Lab.open(str(shop))
    (tmp_path / "later.csv").rename(tmp_path / "sales.csv")
    assert len(Lab.open(str(shop)).interactions) == 320


def test_a_protocol_that_does_not_exist_is_refused(shop: Path) -> None:
    with pytest.raises(InputError, match="unknown protocol"):
        Lab.open(str(shop), protocol="by-moonlight")
