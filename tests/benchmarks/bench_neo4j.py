"""The Neo4j store against the forms one writes first: a transaction an edge, a row an edge. Same server, same run."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import neo4j

from graph.neo4j import Neo4jStore
from graph.neo4j.first_import import import_first
from graph.neo4j.server import LINES, Connection, ServerOrder, start, stop
from graph.neo4j.server.lines import DEFAULT_LINE
from graph.records import UpsertEdges
from graph.store import FirstLoad, open_store
from tests.benchmarks.shop_log import BATCH_ROWS, EDGE_TYPE, SCHEMA, shop_log
from tests.free_ports import free_port

_MERGE = """
    UNWIND $rows AS row MERGE (u:PlainUser {id: row[0]}) MERGE (i:PlainItem {id: row[1]})
    MERGE (u)-[r:PLAIN]->(i) SET r.timestamp_ms = row[2]
"""
_EXPORT = "MATCH (u:User)-[r:PURCHASED]->(i:Item) RETURN u.id, i.id, r.timestamp_ms ORDER BY u.id, i.id"
_PLAIN_SHARE = 20
"""The naive loads get one row in so many: at their speed all rows would take an hour."""


def measure(edges: int = 300_000, transactions: int = 300, imported: int = 1_000_000) -> list[dict[str, Any]]:
    """Rows of ``name, ours, peer, ratio, unit, goal, met``: load over Bolt, first import, export, single writes."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "neo4j"
        order = ServerOrder(home, LINES[DEFAULT_LINE], free_port(), free_port(), heap="1g", page_cache="256m")
        connection = start(order, lambda _: None).connection
        try:
            return _measured(connection, home, edges, transactions, imported)
        finally:
            stop(home)


def _measured(connection: Connection, home: Path, edges: int, transactions: int, imported: int) -> list[dict[str, Any]]:
    url = f"bolt://{connection.user}:{connection.password}@127.0.0.1:{connection.bolt_port}/neo4j?timeout_s=60"
    driver = neo4j.GraphDatabase.driver(connection.uri, auth=(connection.user, connection.password))
    sources, targets, times = shop_log(edges)
    rows = [list(row) for row in zip(sources, targets, times, strict=True)]
    with driver, driver.session(database="neo4j") as session, open_store(url) as store:
        assert isinstance(store, Neo4jStore)
        store.ensure_schema(SCHEMA)
        for label in ("PlainUser", "PlainItem"):
            session.run(f"CREATE CONSTRAINT IF NOT EXISTS FOR (n:{label}) REQUIRE n.id IS UNIQUE").consume()
        single = [lambda row=row: session.run(_MERGE, rows=[row]).consume() for row in rows[:transactions]]
        naive = transactions / _seconds(lambda: [write() for write in single])
        some = rows[::_PLAIN_SHARE]
        batched = len(some) / _seconds(lambda: _merge(session, some))
        loading = edges / _seconds(lambda: _load(store, sources, targets, times))
        again = edges / _seconds(lambda: _load(store, sources, targets, times))
        stored = store.stats().edges[EDGE_TYPE]
        exporting = stored / _seconds(lambda: sum(batch.num_rows for batch in store.export_edges(EDGE_TYPE)))
        plain_export = stored / _seconds(lambda: len(session.run(_EXPORT).values()))
        ours = transactions / _seconds(lambda: _write_one_by_one(store, rows[-transactions:]))
        session.run("MATCH (n) CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 10000 ROWS").consume()
    steps = _import(url, home, imported)
    return [
        _row("bulk load over Bolt, beside a transaction an edge", loading, naive, "edges/s", 35_000),
        _row("bulk load over Bolt, beside batched MERGE", loading, batched, "edges/s", 35_000),
        _row("the same load again", again, batched, "edges/s", None),
        _row("first import, the import tool alone", imported / steps["import"], loading, "edges/s", 200_000),
        _row(
            "first import, from rows to indexes and a running server",
            imported / sum(steps.values()),
            loading,
            "edges/s",
            None,
        ),
        _row("export ordered by id, beside row by row", exporting, plain_export, "edges/s", 200_000),
        _row("single edge with journal, beside a bare MERGE", ours, naive, "transactions/s", None),
    ]


def _row(name: str, ours: float, peer: float, unit: str, goal: float | None) -> dict[str, Any]:
    return {
        "name": f"Neo4j store: {name}",
        "ours": round(ours),
        "peer": round(peer),
        "ratio": round(ours / peer, 2),
        "unit": unit,
        "goal": goal,
        "met": goal is None or ours >= goal,
    }


def _seconds(work: Callable[[], object]) -> float:
    start_s = time.perf_counter()
    work()
    return time.perf_counter() - start_s


def _merge(session: neo4j.Session, rows: list[list[Any]]) -> None:
    for first in range(0, len(rows), 10_000):
        session.run(_MERGE, rows=rows[first : first + 10_000]).consume()


def _load(store: FirstLoad, sources: list[str], targets: list[str], times: list[int]) -> None:
    batches = (
        UpsertEdges(
            EDGE_TYPE,
            sources[first : first + BATCH_ROWS],
            targets[first : first + BATCH_ROWS],
            timestamp_ms=times[first : first + BATCH_ROWS],
            create_missing=True,
        )
        for first in range(0, len(sources), BATCH_ROWS)
    )
    store.bulk_load(batches, batch_id="bench", actor="bench")


def _import(url: str, home: Path, edges: int) -> Mapping[str, float]:
    """Seconds of each step."""
    log = shop_log(edges)

    def fill(target: FirstLoad) -> None:
        target.ensure_schema(SCHEMA)
        _load(target, *log)

    return import_first(url, home, home.parent / "files", fill, lambda _: None)[1].seconds


def _write_one_by_one(store: Neo4jStore, rows: list[list[Any]]) -> None:
    for source, target, time_ms in rows:
        edge = UpsertEdges(EDGE_TYPE, [source], [target], timestamp_ms=[time_ms + 1])
        store.apply([edge], batch_id="bench", actor="bench")
