"""The graph as Parquet files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from graph.store import EDGE_COLUMNS, NODE_COLUMNS, GraphStore


def export_parquet(graph: GraphStore, folder: Path) -> list[tuple[Path, int]]:
    """Every node and edge type as one file, all of one moment; the paths and their row counts."""
    folder.mkdir(parents=True, exist_ok=True)
    with graph.reading() as reader:
        schema = reader.schema
        written = [
            _write(folder / f"{spec.name}.parquet", NODE_COLUMNS, reader.export_nodes(spec.name))
            for spec in schema.nodes
        ]
        written += [
            _write(folder / f"{'-'.join(spec.edge_type)}.parquet", EDGE_COLUMNS, reader.export_edges(spec.edge_type))
            for spec in schema.edges
        ]
    return written


def _write(path: Path, columns: pa.Schema, batches: Iterator[pa.RecordBatch]) -> tuple[Path, int]:
    rows = 0
    with pq.ParquetWriter(path, columns) as writer:
        for batch in batches:
            writer.write_batch(batch)
            rows += batch.num_rows
    return path, rows
