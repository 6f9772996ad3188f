"""Whole types as Arrow tables, in the order the protocol promises."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from neo4j import Transaction

from graph.neo4j import cypher
from graph.neo4j.names import Names
from graph.neo4j.rows import read_cells, read_properties
from graph.schema import EdgeSpec, NodeSpec
from graph.store import EDGE_COLUMNS, NODE_COLUMNS
from graph.values import canonical_json

BATCH_ROWS = 65_536
VERSION = pa.field("version", pa.int64())
NODE_TABLE = pa.schema([*NODE_COLUMNS, VERSION])
EDGE_TABLE = pa.schema([*EDGE_COLUMNS, VERSION])
"""What a store exports, and the version beside it."""


def node_table(transaction: Transaction, names: Names, spec: NodeSpec) -> pa.Table:
    """Every node of a type that has an id, ordered by it, in :data:`NODE_TABLE`."""
    ids: list[str] = []
    documents: list[str] = []
    versions: list[int] = []
    for node_id, version, cells in transaction.run(cypher.export_nodes(names, spec)):
        if isinstance(node_id, str):
            ids.append(node_id)
            documents.append(_document(spec, cells))
            versions.append(version if isinstance(version, int) else 1)
    table = pa.table([pa.array(ids, pa.string()), pa.array(documents, pa.string()), pa.array(versions)], NODE_TABLE)
    return in_order(table, ("node_id",))


def _document(spec: NodeSpec | EdgeSpec, cells: Sequence[Any]) -> str:
    return canonical_json(read_properties(spec.properties, cells)) or "{}"


def edge_table(transaction: Transaction, names: Names, spec: EdgeSpec) -> pa.Table:
    """Every edge of a type, ordered by (source, target, qualifier), in :data:`EDGE_TABLE`.

    Of relationships that were made twice by hand one stays.
    """
    sources: list[str] = []
    counts: list[int] = []
    rows: list[list[Any]] = []
    for source, edges in transaction.run(cypher.export_edges(names, spec)):
        if isinstance(source, str):
            sources.append(source)
            counts.append(len(edges))
            rows.extend(edges)
    if not rows:
        return EDGE_TABLE.empty_table()
    source_ids = pa.array(sources, pa.string()).take(pa.array(np.repeat(np.arange(len(sources)), counts)))
    try:
        table = _plain_columns(spec, source_ids, rows)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError, TypeError):
        table = _read_columns(spec, source_ids, rows)  # something was written by hand that does not fit
    return in_order(table, ("source_id", "target_id", "qualifier"))


def _plain_columns(spec: EdgeSpec, source_ids: pa.Array, rows: list[list[Any]]) -> pa.Table:
    """The columns when every value is of its kind; an Arrow error otherwise."""
    target, qualifier, weight, timestamp_ms, version, *properties = zip(*rows, strict=True)
    count = len(rows)
    weights = pc.fill_null(pa.array(weight, pa.float64()), 1.0)
    if not pc.all(pc.is_finite(weights)).as_py():
        raise pa.ArrowInvalid("a weight is not finite")
    if properties:
        documents: pa.Array = pa.array([_document(spec, cells) for cells in zip(*properties, strict=True)], pa.string())
    else:
        documents = pa.repeat(pa.scalar("{}", pa.string()), count)
    targets = pa.array(target, pa.string())
    if targets.null_count:
        raise pa.ArrowInvalid("an end without an id")
    columns = [
        source_ids,
        targets,
        pc.fill_null(pa.array(qualifier, pa.string()), ""),
        weights,
        pa.array(timestamp_ms, pa.int64()),
        documents,
        pc.fill_null(pa.array(version, pa.int64()), 1),
    ]
    return pa.table(columns, EDGE_TABLE)


def _read_columns(spec: EdgeSpec, source_ids: pa.Array, rows: list[list[Any]]) -> pa.Table:
    """The columns, row by row: values of another kind are left out, and edges to nodes without an id."""
    read = []
    for source_id, (target_id, *cells) in zip(source_ids.to_pylist(), rows, strict=True):
        if isinstance(target_id, str):
            edge = read_cells(spec, cells)
            document = canonical_json(edge.properties) or "{}"
            read.append((source_id, target_id, edge.qualifier, edge.weight, edge.timestamp_ms, document, edge.version))
    return table_of(read, EDGE_TABLE)


def table_of(rows: Sequence[Sequence[Any]], schema: pa.Schema) -> pa.Table:
    """The rows as a table."""
    if not rows:
        return schema.empty_table()
    columns = zip(zip(*rows, strict=True), schema, strict=True)
    return pa.table([pa.array(column, field.type) for column, field in columns], schema)


def in_order(table: pa.Table, keys: Sequence[str]) -> pa.Table:
    """The rows by the UTF-8 bytes of their keys, each key once."""
    if table.num_rows < 2:
        return table
    ranks = key_ranks(table[key].combine_chunks() for key in keys)
    order = np.lexsort(ranks[::-1])
    repeated = np.zeros(order.size, bool)
    repeated[1:] = np.logical_and.reduce([rank[order[1:]] == rank[order[:-1]] for rank in ranks])
    return table.take(pa.array(order[~repeated]))


def key_ranks(columns: Iterable[pa.Array]) -> list[npt.NDArray[np.int64]]:
    """For each column its values' ranks by their UTF-8 bytes."""
    return [_ranks(column) for column in columns]


def _ranks(column: pa.Array) -> npt.NDArray[np.int64]:
    """Each value's rank among the distinct ones."""
    encoded = column.dictionary_encode()
    order = pc.sort_indices(encoded.dictionary.cast(pa.binary())).to_numpy()
    rank = np.empty(order.size, np.int64)
    rank[order] = np.arange(order.size)
    return np.asarray(rank[encoded.indices.to_numpy()])


def batches(table: pa.Table, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The table's columns of ``schema`` in batches."""
    chosen: Iterable[pa.RecordBatch] = (
        table.select(schema.names).combine_chunks().cast(schema).to_batches(max_chunksize=BATCH_ROWS)
    )
    return (batch for batch in chosen if batch.num_rows)
