"""Events over HTTP, durable before they are acknowledged, against SQLite alone with a commit for each."""

from __future__ import annotations

import json
import socket
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks.load import reply
from tests.benchmarks.served import serving
from tests.benchmarks.shops import Shop, copied, shared_movielens

SECONDS, RUNS, CONNECTIONS, BATCH = 3.0, 3, 32, 100
MOST = 100_000
"""Events per second that are prepared for; were a server faster, it would run out of requests."""
GORSE = 1_064
"""Durable single events per second of gorse 0.5.11 with SQLite, as the issue gives it; gorse itself is not run here."""


def measure(shop: Shop | None = None) -> list[dict[str, Any]]:
    """Rows of ``name, ours, peer, ratio, unit, goal, met``; medians of three runs each."""
    with copied(shop or shared_movielens()) as own:
        plain = median(_plain(own.folder / f"plain-{run}.db", SECONDS) for run in range(RUNS))
        plain_batches = median(_plain(own.folder / f"batch-{run}.db", SECONDS, BATCH) for run in range(RUNS))
        with serving(own) as (port, key):
            _posted(port, key, 1, 1, 1.0)
            one = median(_posted(port, key, 1, 1, SECONDS) for _ in range(RUNS))
            many = median(_posted(port, key, CONNECTIONS, 1, SECONDS) for _ in range(RUNS))
            batches = median(_posted(port, key, 2, BATCH, SECONDS) for _ in range(RUNS))
    sqlite = "peer: SQLite alone, a commit each"
    return [
        _row(f"events over HTTP, one at a time on one connection; {sqlite}", one, plain, 1_300),
        _row(f"events over HTTP, {CONNECTIONS} connections; {sqlite}", many, plain, 5_000),
        _row(f"events over HTTP, batches of {BATCH}; {sqlite} batch", batches, plain_batches, 30_000),
        _row("events over HTTP, one connection; peer: gorse's figure in the issue, not run", one, GORSE, 1.2 * GORSE),
    ]


def _row(name: str, ours: float, peer: float, goal: float) -> dict[str, Any]:
    return {
        "name": name,
        "ours": round(ours),
        "peer": round(peer),
        "ratio": round(ours / peer, 2),
        "unit": "events/s",
        "goal": f"≥ {goal:,.0f}",
        "met": ours >= goal,
    }


def _plain(path: Path, seconds: float, batch: int = 1) -> float:
    """Events per second of an insert loop, as durable as ours: WAL, synchronous FULL, one commit a batch."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE events (id TEXT PRIMARY KEY, user TEXT, item TEXT, kind TEXT, value REAL, at INT)")
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        connection.execute("BEGIN")
        rows = [(uuid.uuid4().hex, "1", "50", "rating", 5.0, count + at) for at in range(batch)]
        connection.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", rows)
        connection.execute("COMMIT")
        count += batch
    taken = time.perf_counter() - began
    connection.close()
    return count / taken


def _posted(port: int, key: str, connections: int, batch: int, seconds: float) -> float:
    """Events acknowledged per second; each connection sends the next request when the last is acknowledged.

    The requests are made before the clock starts: the sender shares the machine with the server.
    """
    room = int(seconds * MOST / connections / batch) + 1
    prepared = [list(islice(_requests(number, batch, key), room)) for number in range(connections)]
    ends, acknowledged, lock = time.perf_counter() + seconds, [0], threading.Lock()

    def post(number: int) -> None:
        accepted = 0
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for request in prepared[number]:
                connection.sendall(request)
                accepted += _accepted(connection)
                if time.perf_counter() >= ends:
                    break
        with lock:
            acknowledged[0] += accepted

    began = time.perf_counter()
    threads = [threading.Thread(target=post, args=(number,)) for number in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return acknowledged[0] / (time.perf_counter() - began)


def _requests(number: int, batch: int, key: str) -> Iterator[bytes]:
    for body in _bodies(number, batch):
        yield (
            b"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (key.encode(), len(body), body)
        )


def _bodies(number: int, batch: int) -> Iterator[bytes]:
    """Ratings by users who come back, of films that are there."""
    run, at = uuid.uuid4().hex[:8], 0
    while True:
        events = [
            {
                "event_id": f"{run}-{number}-{at + place}",
                "user_id": str((number * 31 + at + place) % 900 + 1),
                "item_id": str((at + place) % 1600 + 1),
                "kind": "rating",
                "value": 5,
            }
            for place in range(batch)
        ]
        at += batch
        yield json.dumps(events[0] if batch == 1 else events).encode()


def _accepted(connection: socket.socket) -> int:
    head, body = reply(connection)
    assert head.startswith(b"HTTP/1.1 200"), body
    return int(json.loads(body)["accepted"])
