"""Related items over HTTP by one worker, kept and computed, against FastAPI and uvicorn with the same payload."""

from __future__ import annotations

import sys
import urllib.request
from statistics import median
from typing import Any

from tests.benchmarks.load import Asked, Load, generator, load
from tests.benchmarks.served import running, serving
from tests.benchmarks.shops import Shop, shared_movielens
from tests.free_ports import free_port

N, CONNECTIONS, SECONDS, RUNS = 20, 32, 4, 3


def measure(shop: Shop | None = None) -> list[dict[str, Any]]:
    """Rows of ``name, ours, peer, ratio, unit, goal, met``; medians of three runs each."""
    shop = shop or shared_movielens()
    item_type = shop.snapshot.schema.item_type
    items = [shop.snapshot.nodes(item_type).id_of(row) for row in range(len(shop.snapshot.nodes(item_type)))]
    few = [Asked(f"/v1/items/{item}/related?n={N}") for item in items[:200]]
    every = [Asked(f"/v1/items/{item}/related?n={N}") for item in items]
    with serving(shop) as (port, key):
        payload = _payload(port, few[0].path, key)
        load(port, few, connections=CONNECTIONS, seconds=2, key=key)
        kept = [load(port, few, connections=CONNECTIONS, seconds=SECONDS, key=key) for _ in range(RUNS)]
        kept_half = _at_half(port, few, median(run.requests_per_s for run in kept), key)
    with serving(shop, answer_cache_megabytes=0) as (port, key):
        load(port, every, connections=CONNECTIONS, seconds=2, key=key)
        computed = [load(port, every, connections=CONNECTIONS, seconds=SECONDS, key=key) for _ in range(RUNS)]
        computed_half = _at_half(port, every, median(run.requests_per_s for run in computed), key)
    (shop.folder / "payload.json").write_text(payload)
    port = free_port()
    command = [sys.executable, "-m", "tests.benchmarks.peer_fastapi", str(shop.folder / "payload.json"), str(port)]
    with running(command, shop.folder, port):
        load(port, few, connections=CONNECTIONS, seconds=2)
        peer = median(load(port, few, connections=CONNECTIONS, seconds=SECONDS).requests_per_s for _ in range(RUNS))
    failed = sum(run.failed for run in [*kept, *computed, kept_half, computed_half])
    by = f"{N} items, {CONNECTIONS} connections, load by {generator()}"
    return [
        _rate(f"related over HTTP, 1 worker, kept since nothing changed; {by}", kept, peer, 20_000, 3.0),
        _rate(f"related over HTTP, 1 worker, computed each time; {by}", computed, peer, 3_000, None),
        _half("kept", kept_half),
        _half("computed", computed_half),
        _row("requests of these that failed", failed, None, "requests", "0", failed == 0),
    ]


def _at_half(port: int, asked: list[Asked], rate: float, key: str) -> Load:
    """A run at about half a rate: each connection pauses, so that it asks half as often."""
    connections = CONNECTIONS * 2
    wait_ms = max(1, round(connections / (rate / 2) * 1000))
    return load(port, asked, connections=connections, seconds=SECONDS, key=key, wait_ms=wait_ms)


def _payload(port: int, path: str, key: str) -> str:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=10) as reply:
        return str(reply.read().decode())


def _rate(name: str, runs: list[Load], peer: float, goal: float, times: float | None) -> dict[str, Any]:
    ours = median(run.requests_per_s for run in runs)
    met = ours >= goal and (times is None or ours >= times * peer)
    said = f"≥ {goal:,.0f}" + ("" if times is None else f" and ≥ {times:g} × the peer")
    return _row(name, round(ours), round(peer), "requests/s", said, met) | {"ratio": round(ours / peer, 2)}


def _half(which: str, run: Load) -> dict[str, Any]:
    p99 = run.p99_ms
    name = f"related over HTTP, {which}, p99 at half that load ({run.requests_per_s:,.0f} requests/s)"
    return _row(name, p99, None, "ms", "≤ 5", p99 <= 5)


def _row(name: str, ours: float, peer: float | None, unit: str, goal: str, met: bool) -> dict[str, Any]:
    return {"name": name, "ours": ours, "peer": peer, "ratio": None, "unit": unit, "goal": goal, "met": met}
