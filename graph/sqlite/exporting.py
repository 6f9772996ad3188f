"""The graph as Arrow record batches, ordered by id."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from graph.sorting import stable_order
from graph.store import EDGE_COLUMNS, NODE_COLUMNS

_BATCH_ROWS = 65_536
_END = 2**63 - 1
_NODES = """
    SELECT node_id, coalesce(properties, '{}') FROM nodes WHERE node_type = ? AND NOT deleted ORDER BY node_id
"""
_EDGES = """
    SELECT source, target, qualifier, weight, timestamp_ms, coalesce(properties, '{}') FROM edges
    WHERE edge_type = ? AND source >= ? AND source < ? AND NOT deleted
    ORDER BY source, target, qualifier
"""
# To hand rows to Python cell by cell takes several times as long as a text of all their numbers. That is enough
# when nothing but whole numbers differs between the rows; the counts say whether it is so.
_NUMBERS = """
    SELECT count(*), total(qualifier <> ''), count(properties), count(timestamp_ms),
           total(weight <> CAST(weight AS INTEGER) OR abs(weight) > 9e15),
           group_concat(source), group_concat(target), group_concat(CAST(weight AS INTEGER)), group_concat(timestamp_ms)
    FROM edges WHERE edge_type = ? AND source >= ? AND source < ? AND NOT deleted
"""
_NEXT_START = "SELECT source FROM edges WHERE edge_type = ? AND source >= ? ORDER BY source LIMIT 1 OFFSET ?"
_VOCABULARY = "SELECT id, node_id FROM nodes WHERE node_type = ? AND NOT deleted ORDER BY node_id"
_STORED_EDGES = pa.schema(
    [
        ("source", pa.int64()),
        ("target", pa.int64()),
        ("qualifier", pa.large_string()),
        ("weight", pa.float64()),
        ("timestamp_ms", pa.int64()),
        ("properties", pa.large_string()),
    ]
)


def node_batches(connection: sqlite3.Connection, node_type: int) -> Iterator[pa.RecordBatch]:
    """Live nodes ordered by id, in :data:`~graph.store.NODE_COLUMNS`."""
    return _batches(connection.execute(_NODES, (node_type,)), NODE_COLUMNS)


def edge_batches(
    connection: sqlite3.Connection, edge_type: int, source_type: int, target_type: int
) -> Iterator[pa.RecordBatch]:
    """Live edges ordered by (source, target, qualifier), in :data:`~graph.store.EDGE_COLUMNS`."""
    stored = pa.Table.from_batches(_stored(connection, edge_type), _STORED_EDGES).combine_chunks()
    source_rank, source_ids = _vocabulary(connection, source_type)
    target_rank, target_ids = (
        (source_rank, source_ids) if target_type == source_type else _vocabulary(connection, target_type)
    )
    source = source_rank[stored["source"].to_numpy()]
    target = target_rank[stored["target"].to_numpy()]
    # Rows come in the clustered key's order, so a stable sort leaves parallel edges in qualifier order.
    order = stable_order(target, source)
    for start in range(0, order.size, _BATCH_ROWS):
        rows = order[start : start + _BATCH_ROWS]
        rest = stored.take(rows)
        columns = [source_ids.take(pa.array(source[rows])), target_ids.take(pa.array(target[rows]))]
        columns += [rest[field.name].combine_chunks().cast(field.type) for field in list(EDGE_COLUMNS)[2:]]
        yield pa.record_batch(columns, EDGE_COLUMNS)


def _stored(connection: sqlite3.Connection, edge_type: int) -> Iterator[pa.RecordBatch]:
    """Live edges in the order of the clustered key, a block of sources at a time."""
    start, numbers_only = 0, True
    while start < _END:
        row = connection.execute(_NEXT_START, (edge_type, start, _BATCH_ROWS)).fetchone()
        end = _END if row is None else max(row[0], start + 1)
        block = (edge_type, start, end)
        numbers = _numbers(connection.execute(_NUMBERS, block).fetchone()) if numbers_only else None
        if numbers is not None:
            yield numbers
        else:
            numbers_only = False
            yield from _batches(connection.execute(_EDGES, block), _STORED_EDGES)
        start = end


def _numbers(summary: tuple[Any, ...]) -> pa.RecordBatch | None:
    """The rows that a row of the numbers query describes; None when it does not say everything about them."""
    rows, qualified, described, timed, fractional, source, target, weight, timestamp_ms = summary
    if qualified or described or fractional or timed not in (0, rows):
        return None
    columns = [
        pa.array(_parsed(source)),
        pa.array(_parsed(target)),
        pa.repeat(pa.scalar("", pa.large_string()), rows),
        pa.array(_parsed(weight).astype(np.float64)),
        pa.array(_parsed(timestamp_ms)) if timed else pa.nulls(rows, pa.int64()),
        pa.repeat(pa.scalar("{}", pa.large_string()), rows),
    ]
    return pa.record_batch(columns, _STORED_EDGES)


def _parsed(text: str | None) -> npt.NDArray[np.int64]:
    return np.fromstring(text or "", np.int64, sep=",")


def _batches(cursor: sqlite3.Cursor, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    while rows := cursor.fetchmany(_BATCH_ROWS):
        columns = zip(zip(*rows, strict=True), schema, strict=True)
        yield pa.record_batch([pa.array(column, field.type) for column, field in columns], schema)


def _vocabulary(connection: sqlite3.Connection, node_type: int) -> tuple[npt.NDArray[np.int32], pa.Array]:
    """Each live node's rank among the ids of its type, by its number; and the ids in that order."""
    rows = connection.execute(_VOCABULARY, (node_type,)).fetchall()
    if not rows:
        return np.empty(0, np.int32), pa.array([], pa.string())
    numbers, ids = zip(*rows, strict=True)
    number = np.array(numbers, np.int64)
    rank = np.full(number.max() + 1, -1, np.int32)
    rank[number] = np.arange(number.size, dtype=np.int32)
    return rank, pa.array(ids, pa.string())
