"""Text search: what is indexed of a node, and any user text as a safe full-text question."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable

from graph.values import text_values

# unicode61 takes a run of letters as one word. Chinese, Japanese and Korean put no spaces between words, so
# each of their characters is indexed as a word of its own, and a run of them is asked for as a phrase: exact
# substring search at half the trigram tokenizer's size, down to one character.
_UNSPACED = (
    "\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
_CHARACTER = re.compile(f"([{_UNSPACED}])")
_WORD = re.compile(f"[{_UNSPACED}]+|[^\\W{_UNSPACED}]+")
_MAX_WORDS = 32

# New nodes with nothing but an ASCII id, most of a load, are indexed without leaving SQLite.
_INDEX_PLAIN = """
    INSERT INTO node_text (rowid, node_id, text) SELECT id, node_id, '' FROM nodes
    WHERE sequence > ? AND (version = 1 AND NOT deleted AND properties IS NULL AND node_id NOT GLOB '*[^ -~]*')
"""
_NOT_PLAIN = """
    SELECT id, node_id, properties, version, deleted FROM nodes
    WHERE sequence > ? AND NOT (version = 1 AND NOT deleted AND properties IS NULL AND node_id NOT GLOB '*[^ -~]*')
"""


def indexed_text(text: str) -> str:
    """The text as it is given to the index: characters of unspaced scripts set apart."""
    return text if text.isascii() else _CHARACTER.sub(r" \1 ", text)


def match_expression(text: str) -> str | None:
    """An FTS5 question for nodes with every word of ``text``, the last letters of each left open.

    None when there is no word in it. Only letters and digits reach the question, each word in quotes.
    """
    words = _WORD.findall(text.replace("_", " "))[:_MAX_WORDS]
    if not words:
        return None
    return " AND ".join(
        '"' + indexed_text(word).strip() + '"' + ("*" if len(word) > 1 and not _CHARACTER.match(word) else "")
        for word in words
    )


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
        return indexed_text(node_id), ""
    return indexed_text(node_id), indexed_text("\n".join(text_values(json.loads(properties))))
