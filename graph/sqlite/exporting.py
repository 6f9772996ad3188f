"""The graph as Arrow record batches, ordered by id."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from graph.store import EDGE_COLUMNS, NODE_COLUMNS

_BATCH_ROWS = 65_536
_NODES = """
    SELECT node_id, coalesce(properties, '{}') FROM nodes WHERE node_type = ? AND NOT deleted ORDER BY node_id
"""
_EDGES = """
    SELECT source, target, qualifier, weight, timestamp_ms, coalesce(properties, '{}')
    FROM edges WHERE edge_type = ? AND NOT deleted
"""
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
    stored = pa.Table.from_batches(_batches(connection.execute(_EDGES, (edge_type,)), _STORED_EDGES), _STORED_EDGES)
    stored = stored.combine_chunks()
    source_rank, source_ids = _vocabulary(connection, source_type)
    target_rank, target_ids = (
        (source_rank, source_ids) if target_type == source_type else _vocabulary(connection, target_type)
    )
    source = source_rank[stored["source"].to_numpy()]
    target = target_rank[stored["target"].to_numpy()]
    # Rows come in the clustered key's order, so a stable sort leaves parallel edges in qualifier order.
    order = np.lexsort((target, source))
    for start in range(0, order.size, _BATCH_ROWS):
        rows = order[start : start + _BATCH_ROWS]
        rest = stored.take(rows)
        columns = [source_ids.take(pa.array(source[rows])), target_ids.take(pa.array(target[rows]))]
        columns += [rest[field.name].combine_chunks().cast(field.type) for field in list(EDGE_COLUMNS)[2:]]
        yield pa.record_batch(columns, EDGE_COLUMNS)


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
