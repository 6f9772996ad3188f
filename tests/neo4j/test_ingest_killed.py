"""An ingest over Neo4j killed while it writes: run again, it gives the same snapshot, and nothing is there twice."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest

from graph.snapshot import build_snapshot
from graph.store import GraphStore, open_store
from tests.ingest.killed_ingest import ingested, started, write_files
from tests.neo4j.curated_shop import Hand, slow_url
from tests.neo4j_servers import TestServer

CYCLES = 10


def digest(store: GraphStore, folder: Path) -> str:
    with build_snapshot(store, folder) as snapshot:
        return snapshot.digest


def rows(hand: Hand) -> tuple[int, int]:
    """Nodes and relationships as the database counts them: an export would hide one that is there twice."""
    (nodes,) = hand("MATCH (n:User|Item) RETURN count(n) AS count")
    (edges,) = hand("MATCH (:User|Item)-[r]->() RETURN count(r) AS count")
    return nodes["count"], edges["count"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_killed_ingest_runs_again_to_the_same_snapshot(empty_neo4j: TestServer, tmp_path: Path) -> None:
    rng = random.Random(11)
    write_files(tmp_path, items=300, users=500, sales=6_000)
    with open_store(f"sqlite:{tmp_path}/twin.db") as twin:
        ingested(tmp_path, twin, "twin")
        expected = digest(twin, tmp_path / "expected")
        stats = twin.stats()
    whole = sum(stats.nodes.values()), sum(stats.edges.values())
    url, hand = slow_url(empty_neo4j), Hand(empty_neo4j)
    process = started(tmp_path, url, "killed", awaited="writing", block_rows=1_000)
    began = time.monotonic()
    process.communicate(timeout=240)
    seconds = time.monotonic() - began  # from where it begins to write, as the kills below
    assert rows(hand) == whole

    half_written = 0
    for cycle in range(2 * CYCLES):
        if cycle >= CYCLES and half_written >= CYCLES // 3:
            break
        empty_neo4j.empty()
        process = started(tmp_path, url, "killed", awaited="writing", block_rows=1_000)
        time.sleep(rng.random() * seconds * 0.7)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        half_written += 0 < sum(rows(hand)) < sum(whole)
        with open_store(url) as store:
            ingested(tmp_path, store, "again")
            assert digest(store, tmp_path / "got") == expected
            assert store.drift() == []  # type: ignore[attr-defined]  # what a first load defers is there again
        assert rows(hand) == whole
    hand.close()
    assert half_written >= CYCLES // 3, "the kills came too early or too late to prove anything"
