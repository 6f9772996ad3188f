"""Many edits by hand while events are written, and what a consumer of the feed has seen of them in the end."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass
from typing import Any

from graph.neo4j import CuratedStore
from graph.records import Node, UpsertEdges
from graph.store import GraphStore
from tests.api.corner_shop import COMPLEMENTS, PURCHASED, TEA
from tests.neo4j.curated_shop import Hand


class Events:
    """Writes events as the API does, all the time, beside what is tested."""

    def __init__(self, store: GraphStore, per_second: float) -> None:
        self._store = store
        self._pause_s = 1 / per_second
        self._stop = threading.Event()
        self.count = 0
        self._thread = threading.Thread(target=self._write, daemon=True)

    def _write(self) -> None:
        while not self._stop.wait(self._pause_s):
            event = UpsertEdges(PURCHASED, [f"t{self.count % 20:02}"], ["duck"], qualifiers=[f"event-{self.count}"])
            self._store.apply([event], batch_id=f"event-{self.count}", actor="events")
            self.count += 1

    def __enter__(self) -> Events:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join(60)


@dataclass(frozen=True)
class Found:
    """What came of the edits."""

    missed: dict[str, Any]
    events: int
    comparisons: int


def edits_among_events(store: CuratedStore, writing: GraphStore, hand: Hand, edits: int) -> Found:
    """Makes ``edits`` changes, additions and deletions of nodes and relations while 100 events a second are written."""
    rng = random.Random(3)
    expected: dict[str, Any] = {}
    consumer = Consumer(store)
    store.reconcile()
    with Events(writing, per_second=100) as events:
        for number in range(edits):
            name, value = one_edit(hand, rng, number)
            expected[name] = value
            if rng.random() < 0.5:
                store.reconcile()
                consumer.follow()
        time.sleep(0.1)
        store.reconcile()
        consumer.follow()
    missed = {name: value for name, value in expected.items() if consumer.seen.get(name) != value}
    return Found(missed, events.count, store.hand_edits.diffs)


def one_edit(hand: Hand, rng: random.Random, number: int) -> tuple[str, Any]:
    """Something edited: its name, and what a consumer should have of it afterwards; None when it is gone."""
    product, other = rng.sample(TEA, 2)
    kind = rng.randrange(5)
    if kind == 0:
        hand("MATCH (p:Product {id: $id}) SET p.title = $title", id=product, title=f"title {number}")
        return product, f"title {number}"
    if kind == 1:
        hand("CREATE (:Brand {id: $id, name: $id})", id=f"brand {number % 7} {number}")
        return f"brand {number % 7} {number}", f"brand {number % 7} {number}"
    if kind == 2:
        gone = hand("MATCH (b:Brand) WHERE b.id STARTS WITH $some WITH b LIMIT 1 WITH b, b.id AS id DETACH DELETE b "
                    "RETURN id", some=f"brand {number % 7}")  # fmt: skip
        return (gone[0]["id"], None) if gone else ("nothing", None)
    if kind == 3:
        hand(
            "MATCH (a:Product {id: $a}), (b:Product {id: $b}) MERGE (a)-[r:COMPLEMENTS]->(b) SET r.weight = $weight",
            a=product, b=other, weight=float(number + 2),
        )  # fmt: skip
        return f"{product}-{other}", float(number + 2)
    hand("MATCH (:Product {id: $a})-[r:COMPLEMENTS]->(:Product {id: $b}) DELETE r", a=product, b=other)
    return f"{product}-{other}", None


class Consumer:
    """Follows the feed and keeps the latest title, name or weight of what it was handed."""

    def __init__(self, store: CuratedStore) -> None:
        self._store = store
        self._at = store.watermark()
        self.seen: dict[str, Any] = {}

    def follow(self) -> None:
        for change in self._store.changes_since(self._at):
            record, gone = change.record, change.operation == "delete"
            self._at = change.watermark
            if isinstance(record, Node):
                name = record.properties.get("title", record.properties.get("name"))
                self.seen[record.node_id] = None if gone else name
            elif record.edge_type == COMPLEMENTS:
                self.seen[f"{record.source_id}-{record.target_id}"] = None if gone else record.weight
