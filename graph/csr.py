"""Columns to compressed rows, both ways, in time linear in the number of edges."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse as sp

from graph.compiled import loops
from graph.errors import InputError
from graph.numbering import Column, IntArray, Numbering, codes_of, refuse_empty_cells

LongArray: TypeAlias = npt.NDArray[np.int64]
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
    with ThreadPoolExecutor(2) as pool:  # Arrow, scipy and compiled loops work without Python's lock
        left = pool.submit(_read_codes, path, source)
        right = pool.submit(_read_codes, path, target)
        (source_ids, sources), (target_ids, targets) = left.result(), right.result()
        times = None if timestamp is None else _ahead(pool, _read_times(path, timestamp))
        return _both_ways(pool, source_ids, sources, target_ids, targets, times)


def csr_from_columns(source: Column, target: Column, timestamp: Column | None = None) -> BothWays:
    """Columns in memory as edges.

    Raises:
        InputError: for columns of different lengths or with empty cells.
    """
    if len({len(column) for column in (source, target, timestamp) if column is not None}) > 1:
        raise InputError("columns differ in length", got=[len(source), len(target)])
    source_ids, sources = codes_of(source, "source")
    target_ids, targets = codes_of(target, "target")
    times = None if timestamp is None else iter([_times(timestamp, "timestamp")])
    with ThreadPoolExecutor(2) as pool:
        return _both_ways(pool, source_ids, sources, target_ids, targets, times)


def _read_codes(path: Path, name: str) -> tuple[pa.Array, IntArray]:
    by_dictionary = [name] if _has_dictionaries(path, name) else None
    with pq.ParquetFile(path, read_dictionary=by_dictionary) as file:
        numbering = Numbering.of(file.schema_arrow.field(name).type)
        if numbering is None:
            return codes_of(file.read(columns=[name], use_threads=False).column(0), name)
        codes = np.empty(file.metadata.num_rows, np.int32)
        at = empty = 0
        for column in _row_groups(file, name):
            empty += column.null_count
            for chunk in () if empty else column.chunks:
                numbering.write(chunk, codes[at : at + len(chunk)])
                at += len(chunk)
        refuse_empty_cells(empty, codes.size, name)
        return numbering.names(), codes


def _read_times(path: Path, name: str) -> Iterator[LongArray]:
    with pq.ParquetFile(path) as file:
        for column in _row_groups(file, name):
            yield _times(column, name)


def _row_groups(file: pq.ParquetFile, name: str) -> Iterator[pa.ChunkedArray]:
    """One column, as much at a time as the file keeps together: small enough to be used while it is near."""
    for group in range(file.num_row_groups):
        yield file.read_row_group(group, columns=[name], use_threads=False).column(0)


def _ahead(pool: ThreadPoolExecutor, arrays: Iterator[LongArray]) -> Iterator[LongArray]:
    """The same, each made in another thread while the one before it is used."""
    coming = pool.submit(next, arrays, None)
    while (array := coming.result()) is not None:
        coming = pool.submit(next, arrays, None)
        yield array


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


def _both_ways(
    pool: ThreadPoolExecutor,
    source_ids: pa.Array,
    sources: IntArray,
    target_ids: pa.Array,
    targets: IntArray,
    times: Iterator[LongArray] | None,
) -> BothWays:
    """``times`` come in parts, in the order of the edges."""
    compiled = loops("graph.compiled.csr")
    if compiled is None:
        joined = None if times is None else np.concatenate([np.zeros(0, np.int64), *times])
        out = pool.submit(_sorted, sources, targets, joined, len(source_ids), len(target_ids))
        into = pool.submit(_sorted, targets, sources, joined, len(target_ids), len(source_ids))
        return BothWays(source_ids, target_ids, out.result(), into.result())
    there = pool.submit(_Filling, compiled, sources, targets, len(source_ids), times is not None)
    back = _Filling(compiled, targets, sources, len(target_ids), times is not None)
    for part in (None,) if times is None else times:
        placed = pool.submit(there.result().place, part)
        back.place(part)
        placed.result()
    return BothWays(source_ids, target_ids, there.result().rows, back.rows)


class _Filling:
    """Rows that are filled from one end of the input to the other."""

    def __init__(self, compiled: ModuleType, near: IntArray, far: IntArray, num_near: int, timed: bool) -> None:
        self._loops, self._near, self._far, self._done = compiled, near, far, 0
        indptr = np.zeros(num_near + 1, np.int64)
        compiled.row_ends(near, indptr)
        self._heads = indptr[:-1].copy()
        self.rows = Rows(indptr, np.empty(far.size, np.int32), np.empty(far.size, np.int64) if timed else None)

    def place(self, times: LongArray | None) -> None:
        """The next edges, as many as there are times; all of them if they have none."""
        if times is None:
            self._loops.place_timeless(self._near, self._far, self._heads, self.rows.indices)
            return
        part = slice(self._done, self._done + times.size)
        self._done = part.stop
        self._loops.place(self._near[part], self._far[part], times, self._heads, self.rows.indices, self.rows.timestamp)


def _sorted(near: IntArray, far: IntArray, times: LongArray | None, num_near: int, num_far: int) -> Rows:
    offset, payload = (0, np.zeros(near.size, np.int8)) if times is None else _narrow(times)
    indptr, indices, moved = counting_sort(near, far, payload, num_near, num_far)
    return Rows(indptr, indices, None if times is None else np.add(moved, offset, dtype=np.int64))


def _narrow(times: LongArray) -> tuple[int, npt.NDArray[Any]]:
    """An offset and what is left, in half the bytes where that fits: the sorts are bound by memory."""
    low, high = (int(times.min()), int(times.max())) if times.size else (0, 0)
    return (low, (times - low).astype(np.uint32)) if high - low < 1 << 32 else (0, times)


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
