"""What the SQLite store acknowledged outlives kill -9; what it did not is there whole or not at all."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from graph.digest import graph_hash
from graph.sqlite import SqliteStore, open_sqlite
from tests.graph.store_contract_model import PURCHASED, WORLD
from tests.graph.store_contract_writer import EDGES_PER_BATCH, LOADED_EDGES, LOADED_USERS, Writing, load

CYCLES = 25


@pytest.mark.slow
def test_acknowledged_batches_outlive_kill_9(tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path}/graph.db"
    with open_sqlite(url) as store:
        store.ensure_schema(WORLD)
    chance = random.Random(5)
    written = -1
    for cycle in range(CYCLES):
        writing = Writing("batches", url, written + 1)
        writing.wait_for_a_word()
        time.sleep(chance.random() * 0.05)
        acknowledged = int(writing.kill()[-1])
        assert acknowledged > written
        with open_sqlite(url) as store:
            counts = edges_per_batch(store)
            counter = store.node("Brand", "counter")
            assert counter is not None
            written = int(str(counter.properties["name"]))
            assert written in (acknowledged, acknowledged + 1), f"cycle {cycle}: lost or invented"
            assert sorted(counts) == list(range(written + 1)), f"cycle {cycle}: lost"
            assert set(counts.values()) == {EDGES_PER_BATCH}, f"cycle {cycle}: doubled or partial"


def edges_per_batch(store: SqliteStore) -> dict[int, int]:
    counts: dict[int, int] = {}
    for rows in store.export_edges(PURCHASED):
        for qualifier in rows["qualifier"].to_pylist():
            counts[int(qualifier)] = counts.get(int(qualifier), 0) + 1
    return counts


@pytest.mark.slow
def test_a_killed_bulk_load_repeated_gives_the_same_graph(tmp_path: Path) -> None:
    options = {"block_rows": 2_000}
    with open_sqlite(f"sqlite:{tmp_path}/whole.db") as whole:
        whole.ensure_schema(WORLD)
        start = time.monotonic()
        whole.bulk_load(load(), batch_id="load", actor="loader", **options)
        seconds = time.monotonic() - start
        expected = graph_hash(whole)
    url = f"sqlite:{tmp_path}/killed.db"
    with open_sqlite(url) as store:
        store.ensure_schema(WORLD)
    for share in (0.2, 0.5, 0.9):
        loading = Writing("load", url, options)
        loading.wait_for_a_word()
        time.sleep(seconds * share)
        assert loading.kill()[:1] == ["started"]
        with open_sqlite(url) as store:
            rows = store.stats().edges[PURCHASED]
            assert rows % 2_000 == 0
            assert rows == sum(batch.num_rows for batch in store.export_edges(PURCHASED))
    with open_sqlite(url) as store:
        store.bulk_load(load(), batch_id="load", actor="loader", **options)
        assert graph_hash(store) == expected
        assert sum(1 for _ in store.changes_since("0")) == LOADED_EDGES + LOADED_EDGES + LOADED_USERS
