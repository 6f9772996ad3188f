"""Columns to compressed rows, both ways, in time linear in the number of edges."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse as sp

from graph.errors import InputError

IntArray: TypeAlias = npt.NDArray[np.int32]
LongArray: TypeAlias = npt.NDArray[np.int64]
Column: TypeAlias = Any
"""A numpy integer array, or an Arrow array or chunked array of strings or integers."""
_CODE_BYTES = 4


@dataclass(frozen=True, eq=False)
class Rows:
    """Compressed rows: those of r are ``indices[indptr[r]:indptr[r + 1]]``, in the order of the input."""

    indptr: LongArray
    indices: IntArray
    timestamp: LongArray | None


@dataclass(frozen=True, eq=False)
class BothWays:
    """Edges from sources to targets and back. Ids are numbered in order of first sight; parallel edges are kept."""

    source_ids: pa.Array
    target_ids: pa.Array
    out: Rows
    into: Rows


def csr_from_parquet(path: Path, source: str, target: str, timestamp: str | None = None) -> BothWays:
    """The rows of a Parquet file as edges: one column of source ids, one of target ids, one of times.

    A file whose pages are dictionaries is never spelled out: each distinct id of a row group is looked at once.

    Raises:
        InputError: for a column that is missing or has empty cells.
    """
    with pq.ParquetFile(path) as file:
        present = file.schema_arrow.names
    for name in filter(None, (source, target, timestamp)):
        if name not in present:
            raise InputError("no such column", expected="one of " + ", ".join(present), got=name, where=str(path))
    with ThreadPoolExecutor(2) as pool:  # Arrow and scipy work without Python's lock
        left = pool.submit(_read_codes, path, source)
        right = pool.submit(_read_codes, path, target)
        times = None if timestamp is None else _times(pq.read_table(path, columns=[timestamp]).column(0), timestamp)
        (source_ids, sources), (target_ids, targets) = left.result(), right.result()
    return _both_ways(source_ids, sources, target_ids, targets, times)


def csr_from_columns(source: Column, target: Column, timestamp: Column | None = None) -> BothWays:
    """Columns in memory as edges.

    Raises:
        InputError: for columns of different lengths or with empty cells.
    """
    if len({len(column) for column in (source, target, timestamp) if column is not None}) > 1:
        raise InputError("columns differ in length", got=[len(source), len(target)])
    source_ids, sources = codes_of(source, "source")
    target_ids, targets = codes_of(target, "target")
    times = None if timestamp is None else _times(timestamp, "timestamp")
    return _both_ways(source_ids, sources, target_ids, targets, times)


def codes_of(column: Column, name: str) -> tuple[pa.Array, IntArray]:
    """The distinct values in order of first sight, and which of them each row has. Shapes: (V,), (N,)."""
    array = pa.array(column) if isinstance(column, np.ndarray) else column
    chunked = array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])
    if chunked.null_count:
        raise InputError("a column of ids has empty cells", got=f"{chunked.null_count} of {len(chunked)}", where=name)
    if pa.types.is_dictionary(chunked.type):
        return _united(chunked)
    encoded = chunked.dictionary_encode()
    codes = [chunk.indices.to_numpy(zero_copy_only=False) for chunk in encoded.chunks]
    if not codes:
        return pa.array([], chunked.type), np.zeros(0, np.int32)
    # Chunks share one dictionary that grew: the last chunk has all of it.
    return encoded.chunk(encoded.num_chunks - 1).dictionary, _joined(codes)


def _united(chunked: pa.ChunkedArray) -> tuple[pa.Array, IntArray]:
    """Codes over one dictionary; each chunk's own is looked at once, whatever the number of rows."""
    dictionaries: list[pa.Array] = []
    place: list[int] = []
    for chunk in chunked.chunks:
        if not dictionaries or not _same(dictionaries[-1], chunk.dictionary):
            dictionaries.append(chunk.dictionary)
        place.append(len(dictionaries) - 1)
    if not dictionaries:
        return pa.array([], chunked.type.value_type), np.zeros(0, np.int32)
    ids, renamed = codes_of(pa.chunked_array(dictionaries), "dictionary")
    starts = np.cumsum([0, *map(len, dictionaries)])
    codes = np.empty(len(chunked), np.int32)
    at = 0
    for which, chunk in zip(place, chunked.chunks, strict=True):
        table = renamed[starts[which] : starts[which + 1]]
        np.take(table, chunk.indices.to_numpy(zero_copy_only=False), out=codes[at : at + len(chunk)], mode="clip")
        at += len(chunk)
    return ids, codes


def _same(left: pa.Array, right: pa.Array) -> bool:
    """Whether two dictionaries are the same memory."""
    ours, theirs = ((len(a), a.offset, [b and b.address for b in a.buffers()]) for a in (left, right))
    return ours == theirs


def _read_codes(path: Path, name: str) -> tuple[pa.Array, IntArray]:
    by_dictionary = _has_dictionaries(path, name)
    table = pq.read_table(path, columns=[name], use_threads=False, read_dictionary=[name] if by_dictionary else None)
    return codes_of(table.column(0), name)


def _has_dictionaries(path: Path, name: str) -> bool:
    """Whether a string column is stored as codes of dictionaries rather than spelled out.

    A writer names the dictionary encoding also where it gave up on it half-way, so the size decides: codes take
    at most four bytes a row, and a dictionary that weighs more than its rows saves nothing.
    """
    with pq.ParquetFile(path) as file:
        if file.schema_arrow.field(name).type not in (pa.string(), pa.large_string(), pa.binary()):
            return False
        groups = file.metadata
        if not groups.num_row_groups:
            return False
        at = next(n for n in range(groups.num_columns) if groups.row_group(0).column(n).path_in_schema == name)
        chunks = [groups.row_group(number).column(at) for number in range(groups.num_row_groups)]
        return all(chunk.has_dictionary_page for chunk in chunks) and (
            sum(chunk.total_uncompressed_size for chunk in chunks) <= _CODE_BYTES * groups.num_rows
        )


def _times(column: Column, name: str) -> LongArray:
    array = pa.array(column) if isinstance(column, np.ndarray) else column
    if array.null_count:
        raise InputError("a column of times has empty cells", got=array.null_count, where=name)
    return np.asarray(array.cast(pa.int64()).to_numpy(), np.int64)


def _joined(parts: list[npt.NDArray[Any]]) -> IntArray:
    joined = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return np.asarray(joined, np.int32)


def _both_ways(
    source_ids: pa.Array, sources: IntArray, target_ids: pa.Array, targets: IntArray, times: LongArray | None
) -> BothWays:
    offset, payload = (0, np.zeros(sources.size, np.int8)) if times is None else _narrow(times)

    def rows(near: IntArray, far: IntArray, num_near: int, num_far: int) -> Rows:
        indptr, indices, moved = counting_sort(near, far, payload, num_near, num_far)
        return Rows(indptr, indices, None if times is None else np.add(moved, offset, dtype=np.int64))

    with ThreadPoolExecutor(2) as pool:
        out = pool.submit(rows, sources, targets, len(source_ids), len(target_ids))
        into = pool.submit(rows, targets, sources, len(target_ids), len(source_ids))
        return BothWays(source_ids, target_ids, out.result(), into.result())


def _narrow(times: LongArray) -> tuple[int, npt.NDArray[Any]]:
    """An offset and what is left, in half the bytes where that fits: the sorts are bound by memory."""
    low, high = (int(times.min()), int(times.max())) if times.size else (0, 0)
    return (low, (times - low).astype(np.uint32)) if high - low < 1 << 32 else (0, times)


def by_row(row: IntArray, column: IntArray, num_rows: int, num_columns: int) -> tuple[LongArray, IntArray, LongArray]:
    """Row pointers, columns, and the position each entry came from; entries of a row keep their order.

    A counting sort: O(E). Shapes: ``row``, ``column`` (E,) → (num_rows + 1,), (E,), (E,).
    """
    positions = np.arange(row.size, dtype=np.int32 if row.size < 1 << 31 else np.int64)
    indptr, indices, order = counting_sort(row, column, positions, num_rows, num_columns)
    return indptr, indices, order.astype(np.int64)


def counting_sort(
    row: IntArray, column: IntArray, payload: npt.NDArray[Any], num_rows: int, num_columns: int
) -> tuple[LongArray, IntArray, npt.NDArray[Any]]:
    """Row pointers, columns and payload by row; entries of a row keep their order, and parallel ones stay."""
    if row.size == 0:
        return np.zeros(num_rows + 1, np.int64), column.astype(np.int32), payload.copy()
    matrix = sp.coo_array((payload, (row, column)), shape=(num_rows, num_columns))
    matrix.has_canonical_format = True  # said so that scipy keeps parallel entries instead of summing them
    compressed = matrix.tocsr()
    return compressed.indptr.astype(np.int64), compressed.indices.astype(np.int32, copy=False), compressed.data
