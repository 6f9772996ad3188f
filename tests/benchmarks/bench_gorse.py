"""Answers over HTTP on MovieLens-100k, 20 items, computed each time, beside the figures the issue gives for gorse.

gorse 0.5.11 itself is not run: its figures were measured on this kind of machine, with SQLite, and are fixed here.
"""

from __future__ import annotations

import json
from statistics import median
from typing import Any, NamedTuple

from tests.benchmarks.load import Asked, generator, load
from tests.benchmarks.served import serving
from tests.benchmarks.shops import Shop, shared_movielens

N, SECONDS, RUNS, CONNECTIONS = 20, 3, 3, 32
_NOT_RUN = "peer: gorse 0.5.11 as the issue gives it, not run"


class _Gorse(NamedTuple):
    name: str
    p50_ms: float
    requests_per_s: float | None


NEIGHBORS, RECOMMEND, SESSION = (
    _Gorse("related", 0.47, 3_900),
    _Gorse("recommendations", 1.15, 1_700),
    _Gorse("a session of three", 1.63, None),
)


def measure(shop: Shop | None = None) -> list[dict[str, Any]]:
    """Rows of ``name, ours, peer, ratio, unit, goal, met``; medians of three runs each."""
    shop = shop or shared_movielens()
    items, users = (_ids(shop, name) for name in (shop.snapshot.schema.item_type, shop.snapshot.schema.user_type))
    asked = {
        NEIGHBORS: [Asked(f"/v1/items/{item}/related?n={N}") for item in items],
        RECOMMEND: [Asked(f"/v1/users/{user}/recommendations?n={N}") for user in users],
        SESSION: [
            Asked(
                "/v1/recommendations",
                json.dumps({"events": [{"item_id": item} for item in items[at : at + 3]], "n": N}),
            )
            for at in range(0, len(items) - 3, 3)
        ],
    }
    rows = []
    with serving(shop, answer_cache_megabytes=0) as (port, key):
        for peer, requests in asked.items():
            load(port, requests, connections=1, seconds=1, key=key)
            runs = [load(port, requests, connections=1, seconds=SECONDS, key=key) for _ in range(RUNS)]
            p50 = median(run.p50_ms for run in runs)
            name = f"{peer.name}, one connection, p50; {_NOT_RUN}"
            rows.append(_row(name, p50, peer.p50_ms, "ms", f"≤ {0.7 * peer.p50_ms:.3g}", p50 <= 0.7 * peer.p50_ms))
    with serving(shop, answer_cache_megabytes=0, workers=2) as (port, key):
        for peer, requests in asked.items():
            if peer.requests_per_s is None:
                continue
            load(port, requests, connections=CONNECTIONS, seconds=1, key=key)
            runs = [load(port, requests, connections=CONNECTIONS, seconds=SECONDS, key=key) for _ in range(RUNS)]
            rate, goal = median(run.requests_per_s for run in runs), 1.5 * peer.requests_per_s
            name = f"{peer.name}, {CONNECTIONS} connections, 2 workers on 2 cores, load by {generator()}; {_NOT_RUN}"
            rows.append(_row(name, round(rate), peer.requests_per_s, "requests/s", f"≥ {goal:,.0f}", rate >= goal))
    return rows


def _ids(shop: Shop, node_type: str) -> list[str]:
    nodes = shop.snapshot.nodes(node_type)
    return [nodes.id_of(row) for row in range(len(nodes))]


def _row(name: str, ours: float, peer: float, unit: str, goal: str, met: bool) -> dict[str, Any]:
    ratio = peer / ours if unit == "ms" else ours / peer
    return {
        "name": name,
        "ours": ours,
        "peer": peer,
        "ratio": round(ratio, 2),
        "unit": unit,
        "goal": goal,
        "met": met,
    }
