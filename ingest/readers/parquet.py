"""Parquet files as batches of their own types."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from graph.errors import InputError, NotFound
from ingest.mapping.tables import Parquet
from ingest.readers.lines import Advance
from ingest.readers.rows import Rows

BATCH_ROWS = 50_000


def read_parquet(path: Path, shape: Parquet, advance: Advance | None = None) -> Iterator[Rows]:
    """The rows of a Parquet file; a row's line is its number, from 1.

    Raises:
        InputError: when the file is not usable Parquet or lacks a column.
    """
    if not path.is_file():
        raise NotFound("the file is not there", got=str(path))
    size = path.stat().st_size
    try:
        with pq.ParquetFile(path, memory_map=True) as file:
            names = list(shape.columns) or [field.name for field in file.schema_arrow if _usable(field.type)]
            missing = [name for name in names if name not in file.schema_arrow.names]
            if missing:
                raise InputError(
                    f"the file has no column {missing[0]!r}",
                    expected="one of " + ", ".join(file.schema_arrow.names),
                    where=str(path),
                )
            total = max(file.metadata.num_rows, 1)
            first = 1
            for batch in file.iter_batches(BATCH_ROWS, columns=names, use_threads=False):
                lines = np.arange(first, first + len(batch), dtype=np.int64)
                first += len(batch)
                columns = {name: _plain(batch.column(place)) for place, name in enumerate(batch.schema.names)}
                yield Rows(columns, lines)
                if advance is not None:
                    advance(size * len(batch) // total)
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"the file is not usable Parquet: {str(error).splitlines()[0]}",
            where=str(path),
            remedy="Fetch it again; nothing was committed.",
        ) from error


def _usable(kind: pa.DataType) -> bool:
    inner = kind.value_type if pa.types.is_list(kind) or pa.types.is_large_list(kind) else kind
    return not pa.types.is_nested(inner)


def _plain(column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type):
        return column.cast(pa.string())
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        return column.cast(pa.list_(pa.string()))
    return column
