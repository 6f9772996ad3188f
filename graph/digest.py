"""One hash of a whole graph's content, the same however it was loaded and wherever it is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graph.store import GraphReader


def graph_hash(reader: GraphReader) -> str:
    """64 hex digits over types, ids, qualifiers, weights, times and properties.

    Versions, batches and actors do not count, nor do types without rows. Give it the reader of
    :meth:`~graph.store.GraphStore.reading` when others may be writing.
    """
    schema = reader.schema
    whole = hashlib.sha256(b"kindred graph 1")
    for node in sorted(schema.nodes, key=lambda spec: spec.name):
        _add(whole, (node.name,), reader.export_nodes(node.name))
    for edge in sorted(schema.edges, key=lambda spec: spec.edge_type):
        _add(whole, edge.edge_type, reader.export_edges(edge.edge_type))
    return whole.hexdigest()


def _add(whole: hashlib._Hash, name: tuple[str, ...], batches: Iterable[pa.RecordBatch]) -> None:
    # Each column has a running hash of its own, so that the cut into batches leaves no trace.
    rows = 0
    columns: list[hashlib._Hash] = []
    for batch in batches:
        rows += batch.num_rows
        if not columns:
            columns = [hashlib.sha256(field.name.encode()) for field in batch.schema]
        for running, column in zip(columns, batch.columns, strict=True):
            for part in _contents(column):
                running.update(part)
    if rows:
        whole.update("\0".join((*name, str(rows), "")).encode())
        for running in columns:
            whole.update(running.digest())


def _contents(column: pa.Array) -> Iterable[bytes]:
    """Bytes that stand for the values, one after the other, so that the cut into batches does not matter."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        # UTF-8 never holds this byte, so it keeps neighbouring values apart.
        yield b"".join(text.encode() + b"\xff" for text in column.to_pylist())
        return
    present = pc.is_valid(column).to_numpy(zero_copy_only=False)
    filled = pc.fill_null(column, pa.scalar(0, column.type)).to_numpy(zero_copy_only=False)
    cells = np.empty(len(column), [("present", "u1"), ("value", filled.dtype.newbyteorder("<"))])
    cells["present"], cells["value"] = present, filled
    yield cells.tobytes()
