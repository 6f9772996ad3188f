"""Whole types as Arrow tables, in the order the protocol promises."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from neo4j import Transaction

from graph.neo4j.cypher import statements
from graph.neo4j.cypher.names import Names
from graph.neo4j.reading.parts import edge_parts, in_parts, node_parts
from graph.neo4j.rows import read_cells, read_properties
from graph.neo4j.wire.line import Line
from graph.schema import EdgeSpec, NodeSpec
from graph.store import EDGE_COLUMNS, NODE_COLUMNS
from graph.values import canonical_json

BATCH_ROWS = 65_536
VERSION = pa.field("version", pa.int64())
NODE_TABLE = pa.schema([*NODE_COLUMNS, VERSION])
EDGE_TABLE = pa.schema([*EDGE_COLUMNS, VERSION])
"""What a store exports, and the version beside it."""


def node_table(line: Line, names: Names, spec: NodeSpec) -> pa.Table:
    """Every node of a type that has an id, ordered by it, in :data:`NODE_TABLE`."""

    def read(transaction: Transaction, first: str | None, after: str | None) -> pa.Table:
        statement = statements.export_nodes(names, spec, first, after)
        ((ids, rows),) = transaction.run(statement, first=first, after=after).values()
        kept = [
            (node_id, _document(spec, cells), version if isinstance(version, int) else 1)
            for node_id, (version, cells) in zip(ids, rows, strict=True)
            if isinstance(node_id, str)
        ]
        return table_of(kept, NODE_TABLE)

    tables = in_parts(line, node_parts(line, names, spec), read)
    return in_order(pa.concat_tables(tables), ("node_id",))


def _document(spec: NodeSpec | EdgeSpec, cells: Sequence[Any]) -> str:
    if not spec.properties:
        return "{}"
    return canonical_json(read_properties(spec.properties, cells)) or "{}"


def edge_table(line: Line, names: Names, spec: EdgeSpec) -> pa.Table:
    """Every edge of a type, ordered by (source, target, qualifier), in :data:`EDGE_TABLE`.

    Of relationships that were made twice by hand one stays.
    """

    def read(transaction: Transaction, first: str | None, after: str | None) -> pa.Table:
        statement = statements.export_edges(names, spec, first, after)
        ((sources, *columns),) = transaction.run(statement, first=first, after=after).values()
        if not sources:
            return EDGE_TABLE.empty_table()
        try:
            return _plain_columns(spec, sources, columns)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError, TypeError):
            return _read_columns(spec, sources, columns)  # something was written by hand that does not fit

    tables = in_parts(line, edge_parts(line, names, spec), read)
    return in_order(pa.concat_tables(tables), ("source_id", "target_id", "qualifier"))


def _plain_columns(spec: EdgeSpec, sources: list[Any], columns: Sequence[list[Any] | None]) -> pa.Table:
    """The columns when every value is of its kind; an Arrow error otherwise."""
    target, qualifier, weight, timestamp_ms, version, *properties = columns
    count = len(sources)

    def column(values: list[Any] | None, kind: pa.DataType, default: object = None) -> pa.Array:
        if values is None:
            return pa.nulls(count, kind) if default is None else pa.repeat(pa.scalar(default, kind), count)
        filled = pa.array(values, kind)
        return filled if default is None else pc.fill_null(filled, default)

    weights = column(weight, pa.float64(), 1.0)
    if not pc.all(pc.is_finite(weights)).as_py():
        raise pa.ArrowInvalid("a weight is not finite")
    if any(cells is not None for cells in properties):
        rows = zip(*_filled(properties, count), strict=True)
        documents: pa.Array = pa.array([_document(spec, cells) for cells in rows], pa.string())
    else:
        documents = pa.repeat(pa.scalar("{}", pa.string()), count)
    return pa.table(
        [
            pa.array(sources, pa.string()),
            pa.array(target, pa.string()),
            column(qualifier, pa.string(), ""),
            weights,
            column(timestamp_ms, pa.int64()),
            documents,
            column(version, pa.int64(), 1),
        ],
        EDGE_TABLE,
    )


def _filled(columns: Sequence[list[Any] | None], count: int) -> list[Sequence[Any]]:
    """The columns with Nones for one that no row has a value in."""
    return [[None] * count if column is None else column for column in columns]


def _read_columns(spec: EdgeSpec, sources: list[Any], columns: Sequence[list[Any] | None]) -> pa.Table:
    """The columns, row by row: values of another kind are left out, and edges to nodes without an id."""
    read = []
    for source_id, target_id, *cells in zip(sources, *_filled(columns, len(sources)), strict=True):
        if isinstance(source_id, str) and isinstance(target_id, str):
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
    ranks = [rank for rank in key_ranks(table[key].combine_chunks() for key in keys) if rank.any()]
    order = np.lexsort(ranks[::-1]) if ranks else np.zeros(1, np.int64)
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
