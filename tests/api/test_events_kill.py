"""The server killed while it writes events: what was acknowledged is there, and nothing is there twice."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from pathlib import Path

import pytest

from graph.store import open_store
from tests.api.corner_shop import PRODUCTS, PURCHASED
from tests.api.http_server import Launcher, exchange, open_for_business, status_of
from tests.free_ports import free_port
from tests.neo4j_servers import TestServer

CYCLES = 25
WRITERS = 4
BATCH = 5


class Writers:
    """Clients that send batches of events until the server dies, and send again what was not acknowledged."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.acknowledged: set[str] = set()
        self.sent: dict[str, tuple[str, str, int]] = {}
        self.again: list[list[dict[str, object]]] = []
        self.repeated = 0

    def next_batch(self) -> list[dict[str, object]]:
        with self.lock:
            if self.again:
                self.repeated += 1
                return self.again.pop()
            batch = []
            for _ in range(BATCH):
                number = len(self.sent)
                event_id = f"e{number}"
                self.sent[event_id] = (f"user{number % 7}", PRODUCTS[number % 6], 1_700_000_000 + number)
                user_id, item_id, stamp = self.sent[event_id]
                batch.append(
                    {
                        "user_id": user_id,
                        "item_id": item_id,
                        "kind": "purchase",
                        "event_id": event_id,
                        "timestamp": stamp,
                    }
                )
            return batch

    def run(self, port: int) -> None:
        while True:
            batch = self.next_batch()
            if not self.send(port, batch):
                with self.lock:
                    self.again.append(batch)
                return

    def send(self, port: int, batch: list[dict[str, object]]) -> bool:
        body = json.dumps(batch).encode()
        head = (
            "POST /v1/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        try:
            reply = exchange(port, head.encode() + body)
        except OSError:
            return False
        if reply[9:12] != b"200":
            return False
        with self.lock:
            self.acknowledged.update(str(event["event_id"]) for event in batch)
        return True


@pytest.fixture(params=["sqlite", "neo4j"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store."""
    if request.param == "neo4j":
        server: TestServer = request.getfixturevalue("empty_neo4j")
        return server.patient_url
    return f"sqlite:{tmp_path / 'graph.db'}"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_25_times_it_loses_and_doubles_nothing(tmp_path: Path, store_url: str) -> None:
    dice = random.Random(25)
    writers = Writers()
    open_for_business(tmp_path, store_url)
    launcher = Launcher(tmp_path, store_url)
    for _ in range(CYCLES):
        port = free_port()
        group = launcher.start(port)
        ends = time.monotonic() + 60
        while status_of(port, "/live") != 200:
            assert time.monotonic() < ends, (tmp_path / "server.log").read_text()
            time.sleep(0.02)
        threads = [threading.Thread(target=writers.run, args=(port,)) for _ in range(WRITERS)]
        for thread in threads:
            thread.start()
        enough = len(writers.acknowledged) + BATCH * dice.randrange(2, 30)
        while len(writers.acknowledged) < enough:
            assert time.monotonic() < ends, (tmp_path / "server.log").read_text()
            time.sleep(dice.uniform(0.0, 0.004))  # the kill may come at any point of a write
        os.killpg(group, signal.SIGKILL)
        for thread in threads:
            thread.join()
    launcher.close()
    stored = stored_events(store_url)
    ids = [event_id for event_id, _ in stored]
    assert len(writers.acknowledged) >= 2 * CYCLES * BATCH
    assert writers.repeated > 0
    assert len(ids) == len(set(ids)), "an event is there twice"
    assert writers.acknowledged <= set(ids), "an acknowledged event is lost"
    for event_id, row in stored:
        assert row == writers.sent[event_id], "an event is half-written"


def stored_events(url: str) -> list[tuple[str, tuple[str, str, int]]]:
    with open_store(url) as store:
        rows = [row for batch in store.export_edges(PURCHASED) for row in batch.to_pylist()]
    return [
        (row["qualifier"], (row["source_id"], row["target_id"], row["timestamp_ms"] // 1000))
        for row in rows
        if row["source_id"].startswith("user")
    ]
