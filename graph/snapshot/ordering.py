"""Edges by key to rows both ways, each row in order of time."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from graph.compiled import loops
from graph.csr import counting_sort
from graph.snapshot.edges import LongArray
from graph.snapshot.vocabulary import IntArray
from graph.sorting import stable_order


@dataclass(frozen=True, eq=False)
class Ordered:
    """Where edges that came by (source, target, qualifier) lie in rows of sources and of targets. Shapes: (E,)."""

    out_indptr: LongArray
    out_order: npt.NDArray[np.signedinteger[Any]]
    """Which edge lies at each place of the sources' rows, by (time, target, qualifier) in each."""
    out_rank: IntArray
    """The place of each edge that came, counted from the beginning of its source's row."""
    into_indptr: LongArray
    into_indices: IntArray
    """The source of each edge in the targets' rows, by (time, source, qualifier) in each."""
    into_rank: IntArray
    """``out_rank`` of the same."""


def in_time(source: IntArray, target: IntArray, timestamp_ms: LongArray, sizes: tuple[int, int]) -> Ordered:
    """Edges sorted by (source, target, qualifier) as rows both ways; ``sizes`` is how many sources and targets.

    Compiled, no edge goes far: rows of sources lie together already, and what a target's row needs goes there at once.
    """
    compiled = loops("graph.compiled.ordering")
    if compiled is None:
        return _plainly(source, target, timestamp_ms, sizes)
    return _compiled(compiled, source, target, timestamp_ms, sizes)


def _compiled(
    compiled: ModuleType, source: IntArray, target: IntArray, timestamp_ms: LongArray, sizes: tuple[int, int]
) -> Ordered:
    size = source.size
    out_indptr, into_indptr = np.zeros(sizes[0] + 1, np.int64), np.zeros(sizes[1] + 1, np.int64)
    out_order, out_rank = np.empty(size, _place_type(size)), np.empty(size, np.int32)
    compiled.row_ends(source, out_indptr)
    compiled.order_rows(out_indptr, timestamp_ms, out_order, out_rank)
    compiled.row_ends(target, into_indptr)
    moments, edges = np.empty(size, np.int64), np.empty((size, 2), np.int32)
    compiled.place_edges(source, target, timestamp_ms, out_rank, into_indptr[:-1].copy(), moments, edges)
    into_indices, into_rank = np.empty(size, np.int32), np.empty(size, np.int32)
    compiled.sort_rows(into_indptr, moments, edges, into_indices, into_rank)
    return Ordered(out_indptr, out_order, out_rank, into_indptr, into_indices, into_rank)


def _plainly(source: IntArray, target: IntArray, timestamp_ms: LongArray, sizes: tuple[int, int]) -> Ordered:
    """The same in numpy: one stable sort by time, which two counting sorts keep inside every row."""
    by_time = stable_order(timestamp_ms).astype(_place_type(source.size))
    out_indptr, _, out_order = counting_sort(source[by_time], target[by_time], by_time, *sizes)
    out_rank = np.empty(source.size, np.int32)
    out_rank[out_order] = np.arange(source.size) - np.repeat(out_indptr[:-1], np.diff(out_indptr))
    into_indptr, into_indices, came = counting_sort(target[by_time], source[by_time], by_time, *sizes[::-1])
    return Ordered(out_indptr, out_order, out_rank, into_indptr, into_indices, out_rank[came])


def _place_type(size: int) -> type[np.int32] | type[np.int64]:
    return np.int32 if size < 1 << 31 else np.int64
