"""From a hand edit in Neo4j to the HTTP answer that shows it: 100,000 curated edges, 100 events a second."""

from __future__ import annotations

import http.client
import json
import os
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from api.engine import engine_payload
from gnn.data import TrainingData
from gnn.data.knowledge import interactions_from, knowledge_from
from gnn.fusion import FeatureSpace, FusionWeights
from gnn.models import MODELS
from graph.neo4j import CuratedStore
from graph.records import UpsertEdges, UpsertNodes
from graph.release import activate, write_release
from graph.snapshot import build_snapshot
from graph.store import open_store
from tests.api.corner_shop import COMPLEMENTS, HAS_BRAND, IN_CATEGORY, PURCHASED, SCHEMA
from tests.neo4j.curated_shop import Hand, asked, kindred_serve, shop_in, slow_url
from tests.neo4j.many_edits import edits_among_events
from tests.neo4j_servers import REQUIRED_LINE, TestServer, TestServers

ITEMS, BRANDS, CATEGORIES, USERS = 20_000, 2_000, 250, 2_000
COMPLEMENTS_PER_ITEM = 3
BOUND_S = 2.0
USED = ("popularity", "itemknn", "attributes", "relations")


def measure(edits: int = 50, interleaved: int = 500) -> list[dict[str, Any]]:
    """Rows of ``name, ours, peer, ratio, unit, goal, met``. No peer: nothing else sees a hand edit without a plugin."""
    with server() as neo4j, tempfile.TemporaryDirectory() as folder:
        seen, seconds = edit_to_answer(neo4j, Path(folder), edits)
        neo4j.empty()
        found = missed_among_events(neo4j, Path(folder) / "small", interleaved)
    return [
        _row(f"edit to the graph served, p50 of {edits}", statistics.median(seen), "s", None),
        _row(f"edit to the graph served, p95 of {edits}", p95(seen), "s", None),
        _row(f"edit to an engine's answer, p50 of {edits}", statistics.median(seconds), "s", None),
        _row(f"edit to an engine's answer, p95 of {edits}", p95(seconds), "s", BOUND_S),
        _row(f"edits missed of {interleaved} among events", len(found.missed), "edits", 0),
        _row("comparisons for them", found.comparisons, "diffs", None),
    ]


def p95(seconds: list[float]) -> float:
    """The time that one in twenty takes longer than."""
    return sorted(seconds)[int(0.95 * (len(seconds) - 1))]


def _row(name: str, ours: float, unit: str, goal: float | None) -> dict[str, Any]:
    met = goal is None or ours <= goal
    shown = round(ours, 3) if isinstance(ours, float) else ours
    figures = {"ours": shown, "peer": None, "ratio": None, "unit": unit, "goal": goal, "met": met}
    return {"name": f"Hand edits: {name}", **figures}


@contextmanager
def server() -> Iterator[TestServer]:
    """A server of its own, or the one that KINDRED_TEST_NEO4J_HOME names, emptied."""
    with tempfile.TemporaryDirectory() as folder:
        servers = TestServers(lambda name: Path(folder))
        try:
            found = servers.of(REQUIRED_LINE)
            found.empty()
            yield found
        finally:
            servers.end()


def missed_among_events(neo4j: TestServer, folder: Path, edits: int) -> Any:
    shop = shop_in(neo4j, folder)
    hand = Hand(neo4j)
    assert isinstance(shop.store, CuratedStore)
    try:
        with open_store(slow_url(neo4j)) as writing:
            return edits_among_events(shop.store, writing, hand, edits)
    finally:
        hand.close()
        shop.store.close()
        shop.snapshot.close()


def edit_to_answer(neo4j: TestServer, folder: Path, edits: int) -> tuple[list[float], list[float]]:
    """Seconds from the commit of each edit until the graph that is served has it, and until an engine's answer."""
    big_shop(neo4j, folder)
    hand = Hand(neo4j)
    rng = random.Random(11)
    shown_s: list[float] = []
    seconds: list[float] = []
    with kindred_serve(folder, slow_url(neo4j)) as port, events(port):
        asked(port, "/v1/items/i0/related?n=10")
        time.sleep(5)  # the first look, which reads everything, is over
        for number in range(edits):
            seen, page, item = edit(hand, rng, number)
            began = time.monotonic()
            while not seen(str(asked(port, page))):
                assert time.monotonic() - began < 60, f"edit {number} was missed"
                time.sleep(0.02)
            shown_s.append(time.monotonic() - began)
            asked(port, f"/v1/items/{item}/related?n=10")  # the engine too has taken it in
            seconds.append(time.monotonic() - began)
            print(f"edit {number}: served after {shown_s[-1]:.2f} s, answered after {seconds[-1]:.2f} s", flush=True)
            time.sleep(rng.random() * 0.5)
    hand.close()
    return shown_s, seconds


def edit(hand: Hand, rng: random.Random, number: int) -> tuple[Callable[[str], bool], str, str]:
    """One edit of the next kind: how the page shows it, the page, and an item to ask about."""
    item, other = (f"i{at}" for at in rng.sample(range(ITEMS), 2))
    page = f"/v1/graph/nodes/Product/{item}/neighbors?limit=500"
    new = f"new-{number}"
    kind = number % 6
    if kind == 0:  # a property is changed
        hand("MATCH (b:Product {id: $id})-[:HAS_BRAND]->(x) SET x.name = $name", id=item, name=f"Brand {new}")
        return (lambda text: f"Brand {new}" in text), page, item
    if kind == 1:  # a relation is added
        hand("MATCH (a:Product {id: $a}), (b:Product {id: $b}) CREATE (a)-[:COMPLEMENTS]->(b)", a=item, b=other)
        return (lambda text: f"'{other}'" in text), page, item
    if kind == 2:  # a relation is taken away
        hand("MATCH (:Product {id: $a})-[r:HAS_BRAND]->() DELETE r", a=item)
        return (lambda text: "HAS_BRAND" not in text), page, item
    if kind == 3:  # a node is added, with a relation
        hand("MATCH (a:Product {id: $a}) CREATE (a)-[:IN_CATEGORY]->(:Category {id: $id})", a=item, id=new)
        return (lambda text: new in text), page, item
    if kind == 4:  # a relation's property is changed
        hand("MATCH (:Product {id: $a})-[r:IN_CATEGORY]->() SET r.weight = $w", a=item, w=1000.5 + number)
        return (lambda text: str(1000.5 + number) in text), page, item
    hand("MATCH (p:Product {id: $a})-[:COMPLEMENTS]->(b) WITH b LIMIT 1 DETACH DELETE b", a=item)  # a node is deleted
    left = {row["id"] for row in hand("MATCH (:Product {id: $a})-[:COMPLEMENTS]-(b) RETURN b.id AS id", a=item)}
    direction = f"/v1/graph/nodes/Product/{quote(item)}/neighbors?edge=COMPLEMENTS&limit=500"
    return (lambda text: text.count("'node'") == len(left)), direction, item


@contextmanager
def events(port: int, per_second: float = 100) -> Iterator[None]:
    """Events posted over HTTP, one by one, all the time."""
    stop = threading.Event()

    def post() -> None:
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        number, began = 0, time.monotonic()
        while not stop.is_set():
            body = {"user_id": f"u{number % USERS}", "item_id": f"i{number % ITEMS}", "kind": "purchase"}
            line.request("POST", "/v1/events", json.dumps(body), {"content-type": "application/json"})
            line.getresponse().read()
            number += 1
            time.sleep(max(0.0, began + number / per_second - time.monotonic()))

    threads = [threading.Thread(target=post, daemon=True)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)


def big_shop(neo4j: TestServer, folder: Path) -> None:
    """A shop with 100,000 curated edges in the server, and its release in the folder."""
    rng = random.Random(5)
    items = [f"i{at}" for at in range(ITEMS)]
    complements = sorted({(rng.choice(items), rng.choice(items)) for _ in range(ITEMS * COMPLEMENTS_PER_ITEM)})
    buyers = [f"u{rng.randrange(USERS)}" for _ in range(ITEMS)]
    with open_store(slow_url(neo4j)) as store:
        assert isinstance(store, CuratedStore)
        store.ensure_schema(SCHEMA)
        store.bulk_load(
            [
                UpsertNodes("Product", items, [{"title": f"Title of {item}"} for item in items]),
                UpsertNodes("Brand", [f"b{at}" for at in range(BRANDS)], [{"name": f"B {at}"} for at in range(BRANDS)]),
                UpsertNodes("Category", [f"c{at}" for at in range(CATEGORIES)]),
                UpsertEdges(HAS_BRAND, items, [f"b{rng.randrange(BRANDS)}" for _ in items]),
                UpsertEdges(IN_CATEGORY, items, [f"c{rng.randrange(CATEGORIES)}" for _ in items]),
                UpsertEdges(COMPLEMENTS, *map(list, zip(*complements, strict=True))),
                UpsertEdges(PURCHASED, buyers, items, create_missing=True),
            ],
            batch_id="big",
            actor="bench",
        )
        store.reconcile()
        snapshot = build_snapshot(store, folder / "snapshot")
    data = TrainingData(interactions_from(snapshot), knowledge_from(snapshot))
    operators = {name: MODELS[name].build().fit(data) for name in USED}
    arrays, documents = engine_payload(operators, FusionWeights.prior(FeatureSpace.over(operators)))
    release = write_release(
        folder / "releases", snapshot=snapshot.directory, arrays=arrays, documents=documents, now=datetime.now(UTC)
    )
    activate(folder / "releases", release.id)
    snapshot.close()


if __name__ == "__main__":
    for figure in measure(int(os.environ.get("EDITS", "50")), int(os.environ.get("INTERLEAVED", "500"))):
        print(figure)
