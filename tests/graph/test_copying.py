"""A graph copied from store to store: hash-equal, cut into batches anywhere, never over somebody's graph."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from graph import copying
from graph.copying import copy_graph
from graph.errors import Conflict, StoreError
from graph.records import DeleteNodes, UpsertEdges, UpsertNodes
from graph.snapshot import build_snapshot
from graph.store import GraphStore, open_store
from tests.graph.conftest import StoreFactory
from tests.graph.store_contract_model import HAS_BRAND, NEXT, PURCHASED, WORLD


def fill(store: GraphStore) -> None:
    """Every kind of property, parallel edges, nodes without properties, a loop, tombstones."""
    dice = random.Random(4)
    items = [f"item {number} é\\'`{{}}" for number in range(60)]
    properties = [
        {"title": f"日本 {item}", "price": number / 7, "stock": number, "sold": number % 2 == 0, "tags": ["a", item]}
        for number, item in enumerate(items)
    ]
    store.apply([UpsertNodes("Item", items, properties)], batch_id="b", actor="a")
    store.apply([UpsertNodes("User", [f"u{number}" for number in range(40)])], batch_id="b", actor="a")
    rows = [(f"u{dice.randrange(40)}", dice.choice(items), f"q{number % 5}") for number in range(500)]
    users, bought, qualifiers = zip(*sorted(set(rows)), strict=True)
    store.apply(
        [
            UpsertEdges(
                PURCHASED,
                users,
                bought,
                [number / 3 for number in range(len(users))],
                [None if number % 9 == 0 else 10**12 + number for number in range(len(users))],
                qualifiers,
                [{"note": f"n{number}", "count": number} if number % 3 else {} for number in range(len(users))],
            ),
            UpsertEdges(HAS_BRAND, items, ["brand"] * len(items), create_missing=True),
            UpsertEdges(NEXT, [items[0], items[1]], [items[0], items[2]]),
            DeleteNodes("Item", items[50:]),
        ],
        batch_id="c",
        actor="a",
    )


def test_a_copy_hashes_as_its_source_and_makes_the_same_snapshot(
    store_factory: StoreFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "BATCH_ROWS", 17)
    with open_store(f"sqlite:{tmp_path}/there.db") as there, open_store(f"sqlite:{tmp_path}/back.db") as back:
        there.ensure_schema(WORLD)
        fill(there)
        middle = store_factory.open("middle")
        copied = copy_graph(there, middle)
        assert copied.equal
        assert (copied.nodes, copied.edges) == (sum(there.stats().nodes.values()), sum(there.stats().edges.values()))
        again = copy_graph(there, middle, into_existing=True)
        assert again.equal
        assert again.changed == 0
        returned = copy_graph(middle, back)
        assert returned.equal
        assert returned.target_hash == copied.source_hash
        for name, store in (("first", there), ("last", back)):
            build_snapshot(store, tmp_path / name)
    files = sorted(path.relative_to(tmp_path / "first") for path in (tmp_path / "first").rglob("*.npy"))
    assert files
    assert all((tmp_path / "first" / file).read_bytes() == (tmp_path / "last" / file).read_bytes() for file in files)


def test_a_graph_that_is_there_is_not_written_over(store_factory: StoreFactory, tmp_path: Path) -> None:
    target = store_factory.fresh()
    target.apply([UpsertNodes("Brand", ["mine"])], batch_id="b", actor="a")
    with open_store(f"sqlite:{tmp_path}/source.db") as source:
        source.ensure_schema(WORLD)
        source.apply([UpsertNodes("Brand", ["theirs"])], batch_id="b", actor="a")
        with pytest.raises(Conflict, match="--into-existing"):
            copy_graph(source, target)
        assert target.node("Brand", "theirs") is None
        merged = copy_graph(source, target, into_existing=True)
        assert not merged.equal
        assert target.node("Brand", "mine") is not None
        assert target.node("Brand", "theirs") is not None
        with pytest.raises(Conflict, match="into itself"):
            copy_graph(source, source, into_existing=True)


def test_a_copy_that_came_out_otherwise_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_store(f"sqlite:{tmp_path}/source.db") as source, open_store(f"sqlite:{tmp_path}/target.db") as target:
        source.ensure_schema(WORLD)
        fill(source)
        whole = copying._edges

        def torn(edge_type, batch):
            return whole(edge_type, batch.slice(1))

        monkeypatch.setattr(copying, "_edges", torn)
        with pytest.raises(StoreError, match="not the same graph"):
            copy_graph(source, target)
