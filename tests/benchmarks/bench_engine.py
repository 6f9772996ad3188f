"""The engine's answers on a graph of a million edges; a networkx walk and networkx evidence on the same graph."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np

from api.engine import Engine, Request
from api.engine.reasons.evidence import MAX_ANCHORS, latest_distinct
from graph.overlay import Overlay
from graph.records import Change, Edge
from graph.release import current_release
from tests.benchmarks.shops import HAS_BRAND, PURCHASED, SOURCES, synthetic

USERS, ITEMS, PURCHASES = 6_040, 3_706, 1_000_000
"""MovieLens-1M's size."""
_REQUESTS, _PEER_REQUESTS = 400, 40


def measure(purchases: int = PURCHASES) -> list[dict[str, Any]]:
    """Rows of ``name, ours, peer, ratio, unit, goal, met``; milliseconds."""
    with tempfile.TemporaryDirectory() as directory:
        shop = synthetic(Path(directory), users=USERS, items=ITEMS, purchases=purchases)
        release = current_release(shop.releases)
        overlay = Overlay(release.snapshot)
        engine = Engine.from_release(release, overlay)
        random = np.random.default_rng(1)
        sold = release.snapshot.edges(PURCHASED).out.indices
        users = [f"user-{number}" for number in random.choice(USERS, _REQUESTS)]
        asked = random.choice(sold, _REQUESTS)  # as they are asked for: the popular ones more often
        items = [engine.view.id_of("Item", int(row)) for row in asked]
        related = _times(engine.related, items)
        together = _times(lambda item: engine.related(item, "bought_together"), items)
        recommended = _times(lambda user: engine.recommend(Request(user)), users)
        explained = _times(lambda user: engine.recommend(Request(user, reasons=True)), users)
        walk, evidence = _networkx(engine, asked.tolist()[:_PEER_REQUESTS], users[:10])
        edits = [Edge(HAS_BRAND, f"item-{number}", "brand-0") for number in range(20)]
        edited = _times(partial(_edited, engine, overlay), edits)
    size = f"{len(SOURCES)} sources fused, {purchases:,} edges, {USERS:,} × {ITEMS:,}"
    reasons = [more - less for more, less in zip(explained, recommended, strict=True)]
    first = _row(f"related, {size}, p50; peer: a networkx walk alone", _p50(related), 0.5, walk)
    first |= {"goal": "≤ 0.5 and ≥ 25 × faster", "met": first["met"] and first["ratio"] >= 25}
    return [
        first,
        _row("related, the same, p99", _p99(related), 2.0),
        _row("bought together, the same, p50", _p50(together), 0.5),
        _row("recommendation, the same, p50", _p50(recommended), 2.0),
        _row("recommendation, the same, p99", _p99(recommended), 6.0),
        _row("ten items with reasons, p99", _p99(explained), 15.0),
        _row("reasons alone, p50; peer: the same evidence by networkx", _p50(reasons), 10.0, evidence),
        _row("first answer after a curator's edit, p50", _p50(edited), 500.0),
    ]


def _row(name: str, ours: float, goal: float, peer: float | None = None) -> dict[str, Any]:
    return {
        "name": f"engine: {name}",
        "ours": round(ours, 3),
        "peer": None if peer is None else round(peer, 3),
        "ratio": None if peer is None else round(peer / max(ours, 1e-3), 1),
        "unit": "ms",
        "goal": f"≤ {goal:g}",
        "met": ours <= goal,
    }


def _p50(taken: Sequence[float]) -> float:
    return float(np.median(taken))


def _times(work: Callable[[Any], object], arguments: Sequence[Any]) -> list[float]:
    """Milliseconds of each call; the first warms up and does not count."""
    work(arguments[0])
    taken = []
    for argument in arguments:
        began = time.perf_counter()
        work(argument)
        taken.append((time.perf_counter() - began) * 1e3)
    return taken


def _p99(taken: Sequence[float]) -> float:
    return float(np.percentile(taken, 99))


def _edited(engine: Engine, overlay: Overlay, edge: Edge) -> None:
    overlay.apply([Change("upsert", edge, overlay.state.watermark, "edit", "curator")])
    engine.recommend(Request("user-1"))


def _networkx(engine: Engine, items: Sequence[int], users: Sequence[str]) -> tuple[float, float]:
    """Medians in milliseconds of a two-step walk from an item, and of what ten items have in common with a history."""
    graph: nx.Graph[tuple[int, int]] = nx.Graph()
    for side, edge_type in ((1, PURCHASED), (2, HAS_BRAND)):  # items are 0, users 1, brands 2
        matrix = engine.view.matrix(edge_type).tocoo()
        rows, columns = (axis.tolist() for axis in matrix.coords)
        ends = zip(rows, columns, strict=True) if side == 1 else zip(columns, rows, strict=True)
        graph.add_edges_from(((side, other), (0, item)) for other, item in ends)

    def walk(item: int) -> None:
        counts: Counter[tuple[int, int]] = Counter()
        for neighbor in graph[0, item]:
            counts.update(iter(graph[neighbor]))

    lists = {user: [item.item_index for item in engine.recommend(Request(user)).items] for user in users}
    anchors = {user: latest_distinct(engine.histories([user]).item_index, MAX_ANCHORS).tolist() for user in users}

    def common(user: str) -> None:
        for item in lists[user]:
            for anchor in anchors[user]:
                sum(1 for _ in nx.common_neighbors(graph, (0, anchor), (0, item)))

    return float(np.median(_times(walk, items))), float(np.median(_times(common, users)))
