"""The SQLite store against a plain schema with string keys, in the same run on the same rows."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from graph.records import UpsertEdges
from graph.sqlite import SqliteStore, open_sqlite
from tests.benchmarks.shop_log import BATCH_ROWS, EDGE_TYPE, SCHEMA, shop_log

_PLAIN = """
    CREATE TABLE nodes (type TEXT, id TEXT, properties TEXT, PRIMARY KEY (type, id));
    CREATE TABLE edges (
        source TEXT, relation TEXT, target TEXT, weight REAL, timestamp INTEGER, PRIMARY KEY (source, relation, target)
    );
    CREATE INDEX edges_by_target ON edges (target);
"""
_PLAIN_NODE = "INSERT INTO nodes VALUES (?, ?, '{}') ON CONFLICT DO NOTHING"
_PLAIN_EDGE = """
    INSERT INTO edges VALUES (?, 'PURCHASED', ?, 1.0, ?)
    ON CONFLICT DO UPDATE SET weight = excluded.weight, timestamp = excluded.timestamp
"""


def measure(edges: int = 1_000_000, transactions: int = 1_000) -> list[dict[str, Any]]:
    """Rows of ``name, ours, peer, ratio, unit, goal, met``: bulk load, single durable writes, export."""
    sources, targets, times = shop_log(edges)
    with tempfile.TemporaryDirectory() as directory:
        plain = _plain(Path(directory) / "plain.db")
        with open_sqlite(f"sqlite:{directory}/graph.db") as store:
            store.ensure_schema(SCHEMA)
            rows = [
                _row(
                    "bulk load",
                    edges / _seconds(lambda: _load(store, sources, targets, times)),
                    edges / _seconds(lambda: _load_plain(plain, sources, targets, times)),
                    "edges/s",
                    150_000,
                )
            ]
            stored = store.stats().edges[EDGE_TYPE]
            rows.append(
                _row(
                    "export ordered by id",
                    stored / _seconds(lambda: sum(batch.num_rows for batch in store.export_edges(EDGE_TYPE))),
                    stored / _seconds(lambda: _export_plain(plain)),
                    "edges/s",
                    500_000,
                )
            )
            some = list(zip(sources[:transactions], targets[-transactions:], times[:transactions], strict=True))
            rows.append(
                _row(
                    "single edge, durable",
                    transactions / _seconds(lambda: _write_one_by_one(store, some)),
                    transactions / _seconds(lambda: _write_one_by_one_plain(plain, some)),
                    "transactions/s",
                    None,
                )
            )
        plain.close()
    return rows


def _row(name: str, ours: float, peer: float, unit: str, goal: float | None) -> dict[str, Any]:
    return {
        "name": f"SQLite store: {name}",
        "ours": round(ours),
        "peer": round(peer),
        "ratio": round(ours / peer, 2),
        "unit": unit,
        "goal": goal,
        "met": goal is None or ours >= goal,
    }


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _load(store: SqliteStore, sources: list[str], targets: list[str], times: list[int]) -> None:
    batches = (
        UpsertEdges(
            EDGE_TYPE,
            sources[start : start + BATCH_ROWS],
            targets[start : start + BATCH_ROWS],
            timestamp_ms=times[start : start + BATCH_ROWS],
            create_missing=True,
        )
        for start in range(0, len(sources), BATCH_ROWS)
    )
    store.bulk_load(batches, batch_id="bench", actor="bench")


def _plain(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.executescript(_PLAIN)
    return connection


def _load_plain(connection: sqlite3.Connection, sources: list[str], targets: list[str], times: list[int]) -> None:
    for start in range(0, len(sources), BATCH_ROWS):
        stop = start + BATCH_ROWS
        connection.execute("BEGIN")
        connection.executemany(_PLAIN_NODE, (("User", source) for source in sources[start:stop]))
        connection.executemany(_PLAIN_NODE, (("Item", target) for target in targets[start:stop]))
        connection.executemany(
            _PLAIN_EDGE, zip(sources[start:stop], targets[start:stop], times[start:stop], strict=True)
        )
        connection.execute("COMMIT")


def _export_plain(connection: sqlite3.Connection) -> int:
    return len(connection.execute("SELECT * FROM edges ORDER BY source, target").fetchall())


def _write_one_by_one(store: SqliteStore, rows: list[tuple[str, str, int]]) -> None:
    for source, target, time_ms in rows:
        edge = UpsertEdges(EDGE_TYPE, [source], [target], timestamp_ms=[time_ms + 1])
        store.apply([edge], batch_id="bench", actor="bench")


def _write_one_by_one_plain(connection: sqlite3.Connection, rows: list[tuple[str, str, int]]) -> None:
    for source, target, time_ms in rows:
        connection.execute("BEGIN")
        connection.execute(_PLAIN_EDGE, (source, target, time_ms + 1))
        connection.execute("COMMIT")
