"""Text search: what is indexed of a node, and any user text as a safe full-text question."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable

from graph.values import text_values
from graph.words import is_open, spaced, words_of

# New nodes with nothing but an ASCII id, most of a load, are indexed without leaving SQLite.
_INDEX_PLAIN = """
    INSERT INTO node_text (rowid, node_id, text) SELECT id, node_id, '' FROM nodes
    WHERE sequence > ? AND (version = 1 AND NOT deleted AND properties IS NULL AND node_id NOT GLOB '*[^ -~]*')
"""
_NOT_PLAIN = """
    SELECT id, node_id, properties, version, deleted FROM nodes
    WHERE sequence > ? AND NOT (version = 1 AND NOT deleted AND properties IS NULL AND node_id NOT GLOB '*[^ -~]*')
"""


def match_expression(text: str) -> str | None:
    """An FTS5 question for nodes with every word of ``text``, the last letters of each left open.

    None when there is no word in it. Only letters and digits reach the question, each word in quotes.
    """
    words = words_of(text)
    if not words:
        return None
    return " AND ".join('"' + spaced(word).strip() + '"' + ("*" if is_open(word) else "") for word in words)


def index_nodes(connection: sqlite3.Connection, since: int) -> None:
    """Nothing; afterwards the text index knows every node changed after the sequence number ``since``."""
    connection.execute(_INDEX_PLAIN, (since,))
    changed = connection.execute(_NOT_PLAIN, (since,))
    while rows := changed.fetchmany(10_000):
        known = [row for row in rows if row[3] > 1 or row[4]]
        stale = _stale(connection, known)
        connection.executemany("DELETE FROM node_text WHERE rowid = ?", ((number,) for number in stale))
        connection.executemany(
            "INSERT INTO node_text (rowid, node_id, text) VALUES (?, ?, ?)",
            (
                (number, *_texts(node_id, properties))
                for number, node_id, properties, version, deleted in rows
                if not deleted and (version == 1 or number in stale)
            ),
        )


def _stale(connection: sqlite3.Connection, rows: Iterable[tuple[int, str, str | None, int, int]]) -> set[int]:
    """The nodes whose indexed text is not what it should be now."""
    stale = set()
    for number, node_id, properties, _, deleted in rows:
        found = connection.execute("SELECT node_id, text FROM node_text WHERE rowid = ?", (number,)).fetchone()
        if found != (None if deleted else _texts(node_id, properties)):
            stale.add(number)
    return stale


def _texts(node_id: str, properties: str | None) -> tuple[str, str]:
    if properties is None:
        return spaced(node_id), ""
    return spaced(node_id), spaced("\n".join(text_values(json.loads(properties))))
