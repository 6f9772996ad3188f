"""The file: its tables, the marks that say it is ours, and how it is created or recognised."""

from __future__ import annotations

import sqlite3
import time
from typing import Literal

from graph.errors import StoreError

APPLICATION_ID = 0x4B494E44
"""``KIND``: what ``file`` and other tools see in the header."""

FORMAT = 1
"""``user_version`` of the files this code writes; a higher one is refused."""

# Ids of nodes are interned: an edge is four small numbers, clustered by its source, so that neighbours
# lie together and an export reads the file once from front to back. Nothing is ever removed from `nodes` and
# `edges`: a deleted row stays as a tombstone, so that `sequence` never runs backwards and readers of the
# change feed learn of the delete.
_TABLES = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE TABLE node_types (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT",
    """
    CREATE TABLE edge_types (
        id INTEGER PRIMARY KEY, source TEXT NOT NULL, relation TEXT NOT NULL, target TEXT NOT NULL,
        UNIQUE (source, relation, target)
    ) STRICT
    """,
    """
    CREATE TABLE batches (
        id INTEGER PRIMARY KEY, batch_id TEXT NOT NULL, actor TEXT NOT NULL, UNIQUE (batch_id, actor)
    ) STRICT
    """,
    """
    CREATE TABLE nodes (
        id INTEGER PRIMARY KEY, node_type INTEGER NOT NULL, node_id TEXT NOT NULL, properties TEXT,
        version INTEGER NOT NULL, deleted INTEGER NOT NULL, sequence INTEGER NOT NULL, batch INTEGER NOT NULL,
        UNIQUE (node_type, node_id)
    ) STRICT
    """,
    """
    CREATE TABLE edges (
        edge_type INTEGER NOT NULL, source INTEGER NOT NULL, target INTEGER NOT NULL, qualifier TEXT NOT NULL,
        weight REAL NOT NULL, timestamp_ms INTEGER, properties TEXT,
        version INTEGER NOT NULL, deleted INTEGER NOT NULL, sequence INTEGER NOT NULL, batch INTEGER NOT NULL,
        PRIMARY KEY (edge_type, source, target, qualifier)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE VIRTUAL TABLE node_text USING fts5(node_id, text, tokenize = 'unicode61 remove_diacritics 2')",
    "CREATE INDEX nodes_by_sequence ON nodes (sequence)",
)

_EDGE_INDEXES = {
    "edges_by_target": "CREATE INDEX IF NOT EXISTS edges_by_target ON edges (edge_type, target, source, qualifier)",
    "edges_by_sequence": "CREATE INDEX IF NOT EXISTS edges_by_sequence ON edges (sequence)",
}


def prepare_file(connection: sqlite3.Connection, where: str, timeout_s: float) -> None:
    """Nothing; afterwards the file is a graph of this format.

    Raises:
        StoreError: when the file is another program's, or of another format; it is left untouched.
    """
    connection.execute("BEGIN")  # one look: another process may be making the tables right now
    try:
        state = _state(connection, where)
    finally:
        connection.execute("ROLLBACK")
    # Readers beside a writer; set before the tables, because it cannot change inside a transaction.
    _write_ahead(connection, timeout_s)
    if state == "complete":
        return
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        if state == "unindexed":
            return  # another process holds it: the bulk load that will build them
        raise
    try:
        if _state(connection, where) == "empty":  # another process may have been faster
            for statement in _TABLES:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {FORMAT}")
        create_edge_indexes(connection)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _write_ahead(connection: sqlite3.Connection, timeout_s: float) -> None:
    """Switches to a write-ahead log. Several processes may try at once, and SQLite does not wait for its turn here."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def create_edge_indexes(connection: sqlite3.Connection) -> None:
    """Nothing; afterwards the edges have their secondary indexes."""
    for statement in _EDGE_INDEXES.values():
        connection.execute(statement)


def drop_edge_indexes(connection: sqlite3.Connection) -> None:
    """Nothing; afterwards loading is fast, and everything but the clustered key is a scan."""
    for name in _EDGE_INDEXES:
        connection.execute(f"DROP INDEX IF EXISTS {name}")


def _application_id(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA application_id").fetchone()[0])


def _state(connection: sqlite3.Connection, where: str) -> Literal["empty", "unindexed", "complete"]:
    """How far the file is: ``unindexed`` while a bulk load runs, and after one was killed."""
    application = _application_id(connection)
    user_version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if application == APPLICATION_ID:
        if user_version != FORMAT:
            raise StoreError(
                "the graph file cannot be used",
                expected=f"format {FORMAT}",
                got=f"format {user_version}",
                where=where,
                remedy="Use the Kindred that wrote it, or ingest into a new file.",
            )
        indexes = "SELECT count(*) FROM sqlite_master WHERE type = 'index' AND name IN (?, ?)"
        found = connection.execute(indexes, tuple(_EDGE_INDEXES)).fetchone()[0]
        return "complete" if found == len(_EDGE_INDEXES) else "unindexed"
    if application or user_version or connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise StoreError(
            "the file is another program's database",
            expected=f"application id {APPLICATION_ID:#x}",
            got=f"{application:#x}",
            where=where,
            remedy="Name another file in KINDRED_STORE.",
        )
    return "empty"
