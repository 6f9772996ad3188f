"""The Neo4j store against the forms one writes first: a transaction an edge, a row an edge. Same server, same run.

The raw ceilings say how fast the server itself takes or gives such rows when nothing of ours is in between: one
statement over plain lists, no journal, answers thrown away. Loads are measured on a server that has run ours and the
raw form for a while, except for the row that says otherwise: a server just started compiles its code meanwhile, which
takes more of two cores than the load, and whoever comes first would pay for all.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import neo4j
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from graph.neo4j import Neo4jStore
from graph.neo4j.cypher import statements
from graph.neo4j.cypher.names import Names
from graph.neo4j.first_import.files import ImportFiles
from graph.neo4j.first_import.importing import SHORT_RUN, import_files, import_first
from graph.neo4j.server import LINES, Connection, ServerOrder, admin, start, stop
from graph.neo4j.server.lines import DEFAULT_LINE
from graph.records import UpsertEdges
from graph.snapshot import build_snapshot
from graph.store import FirstLoad, open_store
from tests.benchmarks.shop_log import BATCH_ROWS, EDGE_TYPE, SCHEMA, shop_log
from tests.free_ports import free_port

_MERGE = """
    UNWIND $rows AS row MERGE (u:PlainUser {id: row[0]}) MERGE (i:PlainItem {id: row[1]})
    MERGE (u)-[r:PLAIN]->(i) SET r.timestamp_ms = row[2]
"""
_RAW_NODES = "UNWIND $rows AS row CREATE (n:PlainUser {id: row})", "UNWIND $rows AS row CREATE (n:PlainItem {id: row})"
_RAW_EDGES = """
    UNWIND $rows AS row MATCH (u:PlainUser {id: row[0]}) MATCH (i:PlainItem {id: row[1]})
    CREATE (u)-[:PLAIN {timestamp_ms: row[2]}]->(i)
"""
_EXPORT = "MATCH (u:User)-[r:PURCHASED]->(i:Item) RETURN u.id, i.id, r.timestamp_ms ORDER BY u.id, i.id"
_PLAIN_SHARE = 20
"""The naive loads get one row in so many: at their speed all rows would take an hour."""
_COLD_EDGES = 60_000
_WARM_EDGES = 150_000
_RAW_ROWS, _PART_ROWS = 20_000, 5_000
Rows = list[dict[str, Any]]


def measure(
    edges: int = 500_000, transactions: int = 300, imported: int = 1_000_000, imported_long: int = 5_000_000
) -> Rows:
    """Rows of ``name, ours, peer, ratio, unit, goal, met``: first import, export, load over Bolt, single writes."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "neo4j"
        order = ServerOrder(home, LINES[DEFAULT_LINE], free_port(), free_port())
        connection = start(order, lambda _: None).connection
        url = f"bolt://{connection.user}:{connection.password}@127.0.0.1:{connection.bolt_port}/neo4j?timeout_s=60"
        try:
            steps = _import(url, home, imported)
            with _session(connection) as session, open_store(url) as store:
                assert isinstance(store, Neo4jStore)
                exports = _exports(session, store, Path(folder))
                sizes = _sizes(home, imported)
            _start_empty(order)
            with _session(connection) as session, open_store(url) as store:
                assert isinstance(store, Neo4jStore)
                loads = _loads(connection, session, store, edges, transactions)
        finally:
            stop(home)
        bare = imported / _import_bare(home, Path(folder), imported)
        long = imported_long / _import_long(home, Path(folder) / "long", imported_long)
    loading = loads[0]["ours"]
    whole = sum(steps.values())
    return [
        *loads,
        _row(
            f"first import of {imported:,}, the tool alone, beside Bolt", imported / steps["import"], loading, 200_000
        ),
        _row(
            "first import, the tool alone, beside the tool on the barest files (numbers, no property)",
            imported / steps["import"],
            bare,
            None,
        ),
        _row(f"first import of {imported_long:,}, the tool alone", long, loading, 200_000),
        _row("first import, from rows to indexes and a running server", imported / whole, loading, None),
        *exports,
        *sizes,
    ]


def _row(name: str, ours: float, peer: float | None, goal: float | None, unit: str = "edges/s") -> dict[str, Any]:
    print(f"{name}: {ours:,.0f}, peer {peer or 0:,.0f}", flush=True)
    return {
        "name": f"Neo4j store: {name}",
        "ours": round(ours),
        "peer": None if peer is None else round(peer),
        "ratio": None if peer is None else round(ours / peer, 2),
        "unit": unit,
        "goal": goal,
        "met": goal is None or ours >= goal,
    }


@contextmanager
def _session(connection: Connection) -> Iterator[neo4j.Session]:
    """A plain session of the driver, as someone without Kindred has it."""
    driver = neo4j.GraphDatabase.driver(
        f"bolt://127.0.0.1:{connection.bolt_port}",
        auth=(connection.user, connection.password),
        notifications_min_severity="OFF",
    )
    with driver, driver.session(database="neo4j", fetch_size=5_000) as session:
        yield session


def _seconds(work: Callable[[], object]) -> float:
    start_s = time.perf_counter()
    work()
    return time.perf_counter() - start_s


# Into the database


def _start_empty(order: ServerOrder) -> None:
    """Nothing; the server has an empty database. Deleting a million relations would take a minute."""
    stop(order.home)
    for kind in ("databases", "transactions"):
        shutil.rmtree(order.home / "data" / kind / "neo4j")
    start(order, lambda _: None)


def _loads(connection: Connection, session: neo4j.Session, store: Neo4jStore, edges: int, transactions: int) -> Rows:
    log = shop_log(edges)
    rows = [list(row) for row in zip(*log, strict=True)]
    _prepare(session, store)
    cold = _COLD_EDGES / _seconds(lambda: _load(store, *(column[:_COLD_EDGES] for column in log)))
    _merge(session, rows[:_COLD_EDGES:4])
    _empty(session)
    _prepare(session, store)
    _load(store, *(column[:_WARM_EDGES] for column in log))
    _raw(session, rows[:_WARM_EDGES])
    _empty(session)
    _prepare(session, store)
    naive = transactions / _seconds(lambda: [session.run(_MERGE, rows=[row]).consume() for row in rows[:transactions]])
    some = rows[::_PLAIN_SHARE]
    batched = len(some) / _seconds(lambda: _merge(session, some))
    _forget_plain(session)
    loading = edges / _seconds(lambda: _load(store, *log))
    again = edges / 4 / _seconds(lambda: _load(store, *(column[: edges // 4] for column in log)))
    ceiling = edges / _seconds(lambda: _raw(session, rows))
    _forget_plain(session)
    with _session(connection) as second:
        two = edges / _seconds(lambda: _raw_of_two(session, second, rows))
    ours = transactions / _seconds(lambda: _write_one_by_one(store, rows[-transactions:]))
    return [
        _row(f"bulk load of {edges:,} over Bolt, beside a transaction an edge", loading, naive, 35_000),
        _row("bulk load over Bolt, beside batched MERGE", loading, batched, 35_000),
        _row("bulk load over Bolt, beside the raw ceiling (no journal, no checks)", loading, ceiling, None),
        _row("bulk load over Bolt, beside the raw ceiling of two sessions, commits in order", loading, two, None),
        _row(f"bulk load of {_COLD_EDGES:,} into a server just started", cold, None, None),
        _row("a quarter of it again", again, batched, None),
        _row("single edge with journal, beside a bare MERGE", ours, naive, None, "transactions/s"),
    ]


def _prepare(session: neo4j.Session, store: Neo4jStore) -> None:
    store.ensure_schema(SCHEMA)
    for label in ("PlainUser", "PlainItem"):
        session.run(f"CREATE CONSTRAINT IF NOT EXISTS FOR (n:{label}) REQUIRE n.id IS UNIQUE").consume()


def _empty(session: neo4j.Session) -> None:
    session.run("MATCH (n) CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 10000 ROWS").consume()


def _forget_plain(session: neo4j.Session) -> None:
    session.run("MATCH (n:PlainUser|PlainItem) CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 10000 ROWS").consume()


def _merge(session: neo4j.Session, rows: list[list[Any]]) -> None:
    for first in range(0, len(rows), 10_000):
        session.run(_MERGE, rows=rows[first : first + 10_000]).consume()


def _raw(session: neo4j.Session, rows: list[list[Any]]) -> None:
    """A plain form: nodes once, then edges by their target, in large transactions."""
    _raw_nodes(session, rows)
    for first in range(0, len(rows), BATCH_ROWS):
        block = sorted(rows[first : first + BATCH_ROWS], key=_target)
        for at in range(0, len(block), _RAW_ROWS):
            session.run(_RAW_EDGES, rows=block[at : at + _RAW_ROWS]).consume()


def _raw_nodes(session: neo4j.Session, rows: list[list[Any]]) -> None:
    for at, statement in enumerate(_RAW_NODES):
        ids = list(dict.fromkeys(row[at] for row in rows))
        for first in range(0, len(ids), _RAW_ROWS):
            session.run(statement, rows=ids[first : first + _RAW_ROWS]).consume()


def _raw_of_two(first: neo4j.Session, second: neo4j.Session, rows: list[list[Any]]) -> None:
    """The same in transactions as large as the store's, one worked out while the one before is committed."""
    _raw_nodes(first, rows)
    rows = [row for at in range(0, len(rows), BATCH_ROWS) for row in sorted(rows[at : at + BATCH_ROWS], key=_target)]
    sessions = (first, second)
    before: Future[None] | None = None

    def part(at: int, some: list[list[Any]], before: Future[None] | None) -> None:
        with sessions[at % 2].begin_transaction() as transaction:
            transaction.run(_RAW_EDGES, rows=some).consume()
            if before is not None:
                before.result()
            transaction.commit()

    with ThreadPoolExecutor(2) as pool:
        for at, start_row in enumerate(range(0, len(rows), _PART_ROWS)):
            before = pool.submit(part, at, rows[start_row : start_row + _PART_ROWS], before)
    assert before is not None
    before.result()


def _target(row: list[Any]) -> str:
    return str(row[1])


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


def _write_one_by_one(store: Neo4jStore, rows: list[list[Any]]) -> None:
    for source, target, time_ms in rows:
        edge = UpsertEdges(EDGE_TYPE, [source], [target], timestamp_ms=[time_ms + 1])
        store.apply([edge], batch_id="bench", actor="bench")


def _import(url: str, home: Path, edges: int) -> dict[str, float]:
    """Seconds of each step."""
    log = shop_log(edges)

    def fill(target: FirstLoad) -> None:
        target.ensure_schema(SCHEMA)
        _load(target, *log)

    return dict(import_first(url, home, home.parent / "files", fill, lambda _: None)[1].seconds)


def _import_bare(home: Path, folder: Path, edges: int) -> float:
    """Seconds that the tool takes for the same relationships without a property, between nodes that are numbers."""
    log = shop_log(edges)
    users, items = (pa.array(column).dictionary_encode() for column in log[:2])
    sources, targets = users.indices, pc.add(items.indices, len(users.dictionary))
    csv.write_csv(pa.table({":START_ID": sources, ":END_ID": targets}), folder / "edges.csv")
    csv.write_csv(pa.table({":ID": range(len(users.dictionary) + len(items.dictionary))}), folder / "nodes.csv")
    arguments = [f"--nodes=Node={folder}/nodes.csv", f"--relationships=EDGE={folder}/edges.csv", "--id-type=actual"]
    arguments.append(f"--report-file={folder}/import.report")
    arguments = ["database", "import", "full", "neo4j", "--overwrite-destination=true", *arguments]
    return _seconds(lambda: admin(home, arguments, lambda _: None, jvm_options=SHORT_RUN))


def _import_long(home: Path, folder: Path, edges: int) -> float:
    """Seconds that the tool takes where its start weighs little; the server is stopped."""
    files = ImportFiles(folder, Names())
    files.ensure_schema(SCHEMA)
    _load(files, *shop_log(edges))
    return _seconds(lambda: import_files(home, "neo4j", folder, files, lambda _: None))


# Out of the database


def _exports(session: neo4j.Session, store: Neo4jStore, folder: Path) -> Rows:
    stored = store.stats().edges[EDGE_TYPE]

    def rate(work: Callable[[], object], times: int = 3) -> float:
        return stored / statistics.median(_seconds(work) for _ in range(times))

    exporting = rate(lambda: sum(batch.num_rows for batch in store.export_edges(EDGE_TYPE)))
    ceiling = rate(lambda: _raw_export(session, store))
    plain = rate(lambda: len(session.run(_EXPORT).values()), 1)
    snapshot = rate(lambda: build_snapshot(store, folder / "snapshot").close(), 1)
    return [
        _row(f"export of {stored:,} ordered by id, beside row by row", exporting, plain, 200_000),
        _row(
            "export, beside the raw ceiling (the same statement, one session, answers dropped)",
            exporting,
            ceiling,
            None,
        ),
        _row("snapshot on disk, nodes and all", snapshot, None, None),
    ]


def _raw_export(session: neo4j.Session, store: Neo4jStore) -> None:
    """The store's own statement in ten parts, by the first digit of the users."""
    statement = statements.export_edges(Names(), store.schema.edge(EDGE_TYPE), "a", "b")
    for digit in range(10):
        session.run(statement, first=f"user-{digit}", after=f"user-{chr(ord('1') + digit)}").consume()


# What it takes


def _sizes(home: Path, edges: int) -> Rows:
    total = sum(at.stat().st_size for at in (home / "data" / "databases" / "neo4j").rglob("*") if at.is_file())
    return [_row("the graph on disk, for a million edges", total / edges, None, None, "MB")]
