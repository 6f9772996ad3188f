"""Edges with the same ends and qualifier merged, in one pass over a sorted file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ingest.readers.rows import Bools

_BATCH_ROWS = 100_000


def merge_duplicates(path: Path, merged: Path, *, add_weights: bool) -> int:
    """The number of rows that fell away; ``merged`` holds the first row of each edge.

    With ``add_weights`` the first row has the weights of all.
    """
    with pq.ParquetFile(path) as file:
        # DuckDB declares columns `not null` when it sees none; what is computed here has no such mark.
        layout = pa.schema([field.with_nullable(True) for field in file.schema_arrow])
        return _merge(file, layout, merged, add_weights=add_weights)


def _merge(file: pq.ParquetFile, layout: pa.Schema, merged: Path, *, add_weights: bool) -> int:
    lost = 0
    with pq.ParquetWriter(merged, layout, compression="snappy") as writer:
        pending: pa.Table | None = None
        for batch in file.iter_batches(_BATCH_ROWS, use_threads=False):
            table = pa.Table.from_batches([batch]).cast(layout)
            if pending is not None:
                table = pa.concat_tables([pending, table]).combine_chunks()
            kept = _firsts(table, add_weights=add_weights)
            lost += len(table) - len(kept)
            # The next batch may go on with the last edge.
            pending = kept.slice(len(kept) - 1)
            if len(kept) > 1:
                writer.write_table(kept.slice(0, len(kept) - 1))
        if pending is not None:
            writer.write_table(pending)
    return lost


def _firsts(table: pa.Table, *, add_weights: bool) -> pa.Table:
    new = np.ones(len(table), dtype=np.bool_)
    new[1:] = ~(_same(table, "source_id") & _same(table, "target_id") & _same(table, "qualifier"))
    if new.all():
        return table
    kept = table.filter(pa.array(new))
    if add_weights:
        sums = np.add.reduceat(table["weight"].to_numpy(), np.flatnonzero(new))
        kept = kept.set_column(kept.schema.get_field_index("weight"), kept.schema.field("weight"), pa.array(sums))
    return kept


def _same(table: pa.Table, name: str) -> Bools:
    column = table[name].combine_chunks()
    result: Bools = pc.equal(column[1:], column[:-1]).to_numpy(zero_copy_only=False).astype(np.bool_)
    return result
