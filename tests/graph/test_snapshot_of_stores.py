"""Snapshots of real stores, and an overlay fed by a real change feed."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np

from graph.digest import graph_hash
from graph.overlay import Overlay
from graph.records import DeleteEdges, DeleteNodes, Mutation, UpsertEdges, UpsertNodes
from graph.snapshot import build_snapshot
from graph.store import open_store
from graph.view import GraphView
from tests.graph.graph_in_memory import HAS_BRAND, PURCHASED, SHOP


def rows(seed: int) -> list[Mutation]:
    chance = random.Random(seed)
    mutations: list[Mutation] = [
        UpsertNodes("Item", [f"i{n}"], [{"title": f"Item {n}", "price": n / 4, "tags": ["a", str(n)]}])
        for n in range(12)
    ]
    for number in range(80):
        user, item = f"u{chance.randrange(9)}", f"i{chance.randrange(12)}"
        mutations.append(
            UpsertEdges(
                PURCHASED,
                [user],
                [item],
                float(number % 3),
                [chance.randrange(10**12)],
                [f"q{number % 4}"],
                create_missing=True,
            )
        )
        mutations.append(UpsertEdges(HAS_BRAND, [item], [f"brand{number % 5}"], create_missing=True))
    # One row an edge, so that any order ends in the same graph.
    unique = {
        (m.source_ids[0], m.target_ids[0], (m.qualifiers or [""])[0]): m
        for m in mutations
        if isinstance(m, UpsertEdges)
    }
    return [m for m in mutations if isinstance(m, UpsertNodes)] + list(unique.values())


def said(view: GraphView) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    for spec in SHOP.nodes:
        present = [row for row in range(view.num_nodes(spec.name)) if view.exists(spec.name, row)]
        answers[spec.name] = {view.id_of(spec.name, row): view.properties(spec.name, row) for row in present}
    for edge_type in (PURCHASED, HAS_BRAND):
        for row in range(view.num_nodes(edge_type[0])):
            edges = view.neighbors(edge_type, row)
            ends = [view.id_of(edge_type[2], int(end)) for end in edges.indices]
            if ends:
                columns = sorted(zip(ends, edges.weight.tolist(), edges.timestamp_s.tolist(), strict=True))
                answers[f"{edge_type} {view.id_of(edge_type[0], row)}"] = columns
    return answers


def test_two_stores_filled_in_other_orders_and_batches_give_the_same_bytes(store_factory: Any, tmp_path: Path) -> None:
    first, second = store_factory.fresh(SHOP), store_factory.fresh(SHOP)
    mutations = rows(1)
    first.apply(mutations, batch_id="all", actor="test")
    random.Random(2).shuffle(mutations)
    for start in range(0, len(mutations), 7):
        second.apply(mutations[start : start + 7], batch_id=f"part {start}", actor="test")
    a, b = build_snapshot(first, tmp_path / "a"), build_snapshot(second, tmp_path / "b")
    assert a.digest == b.digest
    assert a.file_names == b.file_names
    for name in a.file_names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    assert a.watermark == first.watermark()


def test_every_store_gives_the_bytes_of_the_embedded_one(store_factory: Any, tmp_path: Path) -> None:
    store = store_factory.fresh(SHOP)
    with open_store(f"sqlite:{tmp_path}/embedded.db") as embedded:
        embedded.ensure_schema(SHOP)
        mutations = rows(3)
        embedded.apply(mutations, batch_id="all", actor="test")
        random.Random(4).shuffle(mutations)
        store.bulk_load(mutations, batch_id="all", actor="test")
        for either in (store, embedded):
            either.apply([DeleteNodes("Item", ["i5"]), UpsertNodes("Item", ["ü"])], batch_id="edit", actor="test")
        ours, theirs = build_snapshot(store, tmp_path / "ours"), build_snapshot(embedded, tmp_path / "theirs")
        assert graph_hash(store) == graph_hash(embedded)
    assert ours.digest == theirs.digest
    for name in ours.file_names:
        assert (tmp_path / "ours" / name).read_bytes() == (tmp_path / "theirs" / name).read_bytes(), name


def test_an_overlay_fed_by_the_change_feed_reads_as_a_fresh_snapshot(store_factory: Any, tmp_path: Path) -> None:
    store = store_factory.fresh(SHOP)
    store.apply(rows(1), batch_id="first", actor="test")
    snapshot = build_snapshot(store, tmp_path / "before")
    overlay = Overlay(snapshot)
    view = GraphView(snapshot, overlay)
    steps: list[list[Mutation]] = [
        [UpsertEdges(PURCHASED, ["new"], ["i1"], 1.0, [5], ["event"], create_missing=True)],
        [DeleteNodes("Item", ["i3"]), UpsertNodes("Item", ["i2"], [{"price": None, "title": "Other"}])],
        [UpsertNodes("Item", ["i3"], [{"title": "Back"}]), DeleteEdges(HAS_BRAND, ["i4"], ["brand1"])],
        [DeleteNodes("User", ["u1"]), UpsertEdges(HAS_BRAND, ["i3"], ["brand1"])],
    ]
    for number, step in enumerate(steps):
        store.apply(step, batch_id=str(number), actor="test")
        overlay.apply(store.changes_since(view.watermark))
        assert view.watermark == store.watermark()
        fresh = GraphView(build_snapshot(store, tmp_path / f"after {number}"))
        assert said(view) == said(fresh)
        changed = overlay.apply(store.changes_since(snapshot.watermark))
        assert changed == 0
    assert np.all(view.matrix(PURCHASED).data == 1)
