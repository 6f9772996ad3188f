"""Long columns, written many rows a statement and read as text, hold what writing row by row holds."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from graph.digest import graph_hash
from graph.records import DeleteNodes, Edge, Mutation, UpsertEdges, UpsertNodes
from graph.sqlite import SqliteStore, exporting, open_sqlite
from tests.graph.store_contract_model import NEXT, PURCHASED, WORLD, Model, canonical


def opened(directory: Path, name: str) -> SqliteStore:
    store = open_sqlite(f"sqlite:{directory}/{name}.db")
    store.ensure_schema(WORLD)
    return store


def log(rows: int, **columns: Any) -> UpsertEdges:
    """Purchases in random order; some rows come several times, with different contents."""
    chance = random.Random(3)
    users = [f"u{chance.randrange(60)}" for _ in range(rows)]
    items = [f"i{chance.randrange(60)}" for _ in range(rows)]
    made = {name: [make(chance) for _ in range(rows)] for name, make in columns.items()}
    return UpsertEdges(PURCHASED, users, items, create_missing=True, **made)


SHAPES: dict[str, dict[str, Any]] = {
    "nothing but ends": {},
    "times": {"timestamp_ms": lambda chance: chance.randrange(2**41)},
    "some times": {"timestamp_ms": lambda chance: chance.choice([None, 1, 2])},
    "whole weights": {"weight": lambda chance: float(chance.randrange(-5, 5))},
    "weights": {"weight": lambda chance: chance.random()},
    "huge weights": {"weight": lambda chance: chance.choice([1e300, -(2.0**60), 5e-324])},
    "qualifiers": {"qualifiers": lambda chance: chance.choice(["", "b", "a"])},
    "properties": {"properties": lambda chance: chance.choice([{}, {"note": "x"}, {"count": 1}])},
    "patches": {"properties": lambda chance: chance.choice([{"note": None}, {"note": "x"}, {"count": 1}])},
    "everything": {
        "timestamp_ms": lambda chance: chance.choice([None, 5]),
        "weight": lambda chance: chance.random(),
        "qualifiers": lambda chance: chance.choice(["", "b"]),
        "properties": lambda chance: chance.choice([{}, {"note": "é"}]),
    },
}


@pytest.mark.parametrize("shape", SHAPES)
def test_long_columns_end_like_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: str) -> None:
    monkeypatch.setattr(exporting, "_BATCH_ROWS", 100)  # many blocks, and sources with more edges than a block
    mutation = log(2_345, **SHAPES[shape])
    model = Model()
    changed = model.apply([mutation])
    expected = []
    for name in sorted(model.live_edges(), key=lambda name: tuple(part.encode() for part in name[1:])):
        weight, time, properties = model.edges[name].content
        expected.append((*name[1:], weight, time, canonical(properties)))
    with opened(tmp_path, "applied") as applied, opened(tmp_path, "loaded") as loaded:
        assert applied.apply([mutation], batch_id="b", actor="a").changed == changed
        assert loaded.bulk_load([mutation], batch_id="b", actor="a", block_rows=400).changed == changed
        for store in (applied, loaded):
            batches = list(store.export_edges(PURCHASED))
            assert [tuple(row.values()) for batch in batches for row in batch.to_pylist()] == expected
            versions = {
                (neighbor.edge.source_id, neighbor.edge.target_id, neighbor.edge.qualifier): neighbor.edge.version
                for neighbor in store.neighbors("User", "u0", direction="out", limit=10_000).neighbors
            }
            assert versions == {name[1:]: row.version for name, row in model.edges.items() if name[1] == "u0"}
        assert graph_hash(applied) == graph_hash(loaded)


@pytest.mark.parametrize("there", [0, 1, 128, 250])
def test_new_rows_and_rows_that_are_there_count_as_the_model_says(tmp_path: Path, there: int) -> None:
    """Rows that are new are inserted many at once; the first that is not ends that, wherever it stands."""
    pairs = [(f"u{number % 17}", f"i{number}") for number in range(257)]

    def edges(rows: list[tuple[str, str]], time: int) -> UpsertEdges:
        sources, targets = zip(*rows, strict=True)
        return UpsertEdges(PURCHASED, sources, targets, timestamp_ms=[time] * len(rows), create_missing=True)

    steps = [edges(pairs[there : there + 1], 1), edges(pairs, 2), edges(pairs[: there + 1], 2), edges(pairs[there:], 3)]
    model = Model()
    with opened(tmp_path, "graph") as store:
        for step in steps:
            applied = store.apply([step], batch_id="b", actor="a")
            assert applied.changed == model.apply([step])
            assert applied.watermark == store.watermark()
        feed = {(c.record.target_id, c.record.version) for c in store.changes_since("0") if isinstance(c.record, Edge)}
    assert feed == {(name[2], row.version) for name, row in model.edges.items()}


def test_a_load_of_mixed_kinds_keeps_their_order(tmp_path: Path) -> None:
    steps: list[Mutation] = [
        UpsertEdges(PURCHASED, ["u"], ["i"], weight=1.0, create_missing=True),
        UpsertEdges(NEXT, ["i"], ["j"], create_missing=True),
        UpsertEdges(PURCHASED, ["u"], ["i"], weight=[2.0], create_missing=True),
        UpsertEdges(PURCHASED, ["u"], ["j"]),
        UpsertNodes("Item", ["k"], [{"title": "k"}]),
        UpsertEdges(NEXT, ["k"], ["i"]),
        UpsertEdges(PURCHASED, ["u"], ["k"], weight=3.0),
        UpsertEdges(PURCHASED, ["u"], ["i"], weight=3.0),
    ]
    model = Model()
    model.apply(steps)
    with opened(tmp_path, "graph") as store:
        store.bulk_load(steps, batch_id="b", actor="a")
        edges = [neighbor.edge for neighbor in store.neighbors("User", "u").neighbors]
        assert sorted((edge.target_id, edge.weight, edge.version) for edge in edges) == sorted(
            (name[2], row.content[0], row.version) for name, row in model.edges.items() if name[0] == PURCHASED
        )


@pytest.mark.parametrize("there_before", [False, True])
def test_what_a_load_remembers_of_nodes_is_true(tmp_path: Path, there_before: bool) -> None:
    """A load that made all nodes of a type asks for none; one that deleted some, or found some there, asks."""
    names = [f"u{number}" for number in range(40)]
    before = [UpsertNodes("Item", ["u3", "old"], [{"title": "Ann"}, {}]), DeleteNodes("Item", ["old"])]
    during: list[Mutation] = [
        UpsertNodes("Item", names[:20]),
        UpsertNodes("Item", [*names[10:30], "old", "u3", "u3"]),
        DeleteNodes("Item", ["u1", "u12"]),
        UpsertNodes("Item", ["u1", "late"]),
        UpsertNodes("Item", ["new", "u2"], [{"title": "Bo"}, {"title": "Cy"}]),
        UpsertNodes("Item", ["new", *names]),
    ]
    model = Model()
    expected = 0
    with opened(tmp_path, "loaded") as loaded, opened(tmp_path, "row by row") as slow:
        if there_before:
            model.apply(before)
            for store in (loaded, slow):
                store.apply(before, batch_id="before", actor="test")
        for mutation in during:
            expected += model.apply([mutation])
            slow.apply([mutation], batch_id="b", actor="test")
        assert loaded.bulk_load(iter(during), batch_id="b", actor="test", block_rows=20).changed == expected
        for name in [*names, "old", "late", "new"]:
            assert loaded.node("Item", name) == slow.node("Item", name) is not None


def test_many_nodes_are_known_by_one_question(tmp_path: Path) -> None:
    steps: list[Mutation] = [
        UpsertNodes("Item", ["a", 'quote"d', "日本", "gone"]),
        UpsertNodes("User", ["user"]),
        DeleteNodes("Item", ["gone"]),
    ]
    with opened(tmp_path, "graph") as store:
        store.apply(steps, batch_id="b", actor="a")
        asked = ["a", 'quote"d', "日本", "gone", "user", "never", "\ud800"]
        assert store.known_ids("Item", asked) == {"a", 'quote"d', "日本"}
        assert store.known_ids("Item", asked) == {name for name in asked if store.node("Item", name) is not None}
        assert store.known_ids("Item", []) == set()
