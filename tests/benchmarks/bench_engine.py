"""The engine's answers; reasons against the same evidence found with networkx on the same graph."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np

from api.engine import Engine, Request
from api.engine.evidence import MAX_ANCHORS, latest_distinct
from gnn.data import TrainingData
from gnn.fusion import FeatureSpace, FusedRanker, FusionWeights
from gnn.knowledge import interactions_from, knowledge_from
from gnn.models import MODELS
from graph.overlay import Overlay
from graph.records import Change, Edge, UpsertEdges, UpsertNodes
from graph.schema import GraphSchema
from graph.snapshot import build_snapshot
from graph.sqlite import open_sqlite
from graph.view import GraphView

_PURCHASED = ("User", "PURCHASED", "Item")
_HAS_BRAND = ("Item", "HAS_BRAND", "Brand")
_SCHEMA = GraphSchema.parse(
    {
        "nodes": [
            {"name": "User", "role": "user"},
            {"name": "Item", "role": "item", "title": "title", "properties": {"title": "string"}},
            {"name": "Brand", "role": "attribute", "title": "title", "properties": {"title": "string"}},
        ],
        "edges": [
            {"source": "User", "relation": "PURCHASED", "target": "Item", "role": "interaction", "kind": "purchase"},
            {"source": "Item", "relation": "HAS_BRAND", "target": "Brand", "role": "attribute", "words": "same brand"},
        ],
    }
)
_USERS, _ITEMS, _BRANDS, _PURCHASES = 20_000, 10_000, 500, 400_000
_MODELS = ("popularity", "itemknn", "rp3beta", "next_item", "attributes")
_REQUESTS = 60


def measure(purchases: int = _PURCHASES) -> list[dict[str, Any]]:
    """Rows of ``name, ours, peer, ratio, unit, goal, met``; milliseconds, medians over users."""
    with tempfile.TemporaryDirectory() as directory:
        engine, overlay, view = _engine(Path(directory), purchases)
        users = [f"user-{number}" for number in np.random.default_rng(1).integers(0, 2_000, _REQUESTS)]
        plain = _median(lambda user: engine.recommend(Request(user)), users)
        reasons = _median_difference(
            lambda user: engine.recommend(Request(user, reasons=True)),
            lambda user: engine.recommend(Request(user)),
            users,
        )
        items = [f"item-{number}" for number in range(_REQUESTS)]
        related = _median(lambda item: engine.related(item), items)
        together = _median(lambda item: engine.related(item, "bought_together"), items)
        peer = _networkx(engine, view, users[:10])
        edits = [Edge(_HAS_BRAND, f"item-{number}", "brand-0") for number in range(20)]
        edit = _median(lambda change: _edited(engine, overlay, change), edits)
    return [
        _row("ten recommendations", plain, None, 50.0),
        _row("reasons for ten items", reasons, peer, 10.0),
        _row("ten similar items", related, None, 50.0),
        _row("ten items bought together", together, None, 20.0),
        _row("first answer after a curator's edit", edit, None, 500.0),
    ]


def _row(name: str, ours: float, peer: float | None, goal: float) -> dict[str, Any]:
    return {
        "name": f"engine: {name}",
        "ours": round(ours, 2),
        "peer": None if peer is None else round(peer, 2),
        "ratio": None if peer is None else round(peer / max(ours, 1e-3), 1),
        "unit": "ms",
        "goal": goal,
        "met": ours <= goal,
    }


def _engine(directory: Path, purchases: int) -> tuple[Engine, Overlay, GraphView]:
    random = np.random.default_rng(7)
    users = (_USERS * random.random(purchases) ** 1.5).astype(int)
    taste = users % 20
    items = ((_ITEMS // 20) * random.random(purchases) ** 2).astype(int) * 20 + taste
    with open_sqlite(f"sqlite:{directory}/graph.db") as store:
        store.ensure_schema(_SCHEMA)
        names = [f"item-{number}" for number in range(_ITEMS)]
        brands = [f"brand-{number % _BRANDS}" for number in range(_ITEMS)]
        writes = [
            UpsertNodes("Item", names, [{"title": f"Item number {number}"} for number in range(_ITEMS)]),
            UpsertNodes("Brand", brands[:_BRANDS], [{"title": f"Brand {number}"} for number in range(_BRANDS)]),
            UpsertEdges(_HAS_BRAND, names, brands),
            UpsertEdges(
                _PURCHASED,
                [f"user-{user}" for user in users],
                [f"item-{item}" for item in items],
                timestamp_ms=np.sort(random.integers(1_500_000_000_000, 1_600_000_000_000, purchases)).tolist(),
                create_missing=True,
            ),
        ]
        store.bulk_load(writes, batch_id="bench", actor="bench")
        snapshot = build_snapshot(store, directory / "snapshot")
    overlay = Overlay(snapshot)
    view = GraphView(snapshot, overlay)
    data = TrainingData(interactions_from(snapshot), knowledge_from(snapshot))
    operators = {name: MODELS[name].build().fit(data) for name in _MODELS}
    ranker = FusedRanker(operators, FusionWeights.prior(FeatureSpace.over(operators)))
    return Engine(view, ranker, overlay=overlay), overlay, view


def _median(work: Callable[[Any], object], arguments: list[Any]) -> float:
    """Milliseconds; the first call warms up and does not count."""
    work(arguments[0])
    seconds = []
    for argument in arguments:
        start = time.perf_counter()
        work(argument)
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds) * 1e3)


def _median_difference(more: Callable[[Any], object], less: Callable[[Any], object], arguments: list[Any]) -> float:
    """Milliseconds that ``more`` takes beyond ``less``, the two timed one after the other for each argument."""
    more(arguments[0])
    differences = []
    for argument in arguments:
        moments = [time.perf_counter()]
        for work in (less, more):
            work(argument)
            moments.append(time.perf_counter())
        differences.append((moments[2] - moments[1]) - (moments[1] - moments[0]))
    return float(np.median(differences) * 1e3)


def _edited(engine: Engine, overlay: Overlay, edge: Edge) -> None:
    overlay.apply([Change("upsert", edge, overlay.state.watermark, "edit", "curator")])
    engine.recommend(Request("user-1"))


def _networkx(engine: Engine, view: GraphView, users: list[str]) -> float:
    """Milliseconds for the same evidence: what each of ten items has in common with each item of the history."""
    graph = nx.Graph()
    for edge_type in (_PURCHASED, _HAS_BRAND):
        matrix = view.matrix(edge_type).tocoo()
        source, target = edge_type[0], edge_type[2]
        graph.add_edges_from(((source, row), (target, column)) for row, column in zip(*matrix.coords, strict=True))
    lists = {user: [item.item_index for item in engine.recommend(Request(user)).items] for user in users}
    anchors = {user: latest_distinct(engine.histories([user]).item_index, MAX_ANCHORS).tolist() for user in users}

    def common(user: str) -> None:
        for item in lists[user]:
            for anchor in anchors[user]:
                sum(1 for _ in nx.common_neighbors(graph, ("Item", anchor), ("Item", item)))

    return _median(common, users)
