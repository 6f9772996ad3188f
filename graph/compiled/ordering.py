"""Rows of edges put in order of time, compiled by numba: each row is sorted where it lies.

Import it through :mod:`graph.compiled`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graph.compiled.csr import row_ends
from graph.compiled.kernel import kernel

__all__ = ["order_rows", "place_edges", "row_ends", "sort_rows"]

_SHORT = 64
"""Up to this many a row is sorted by insertion, which costs least where it is nearly in order."""


@kernel(nogil=True)
def order_rows(indptr: Any, moments: Any, order: Any, rank: Any) -> None:  # pragma: no cover
    """Which edge lies at each place when every row is in order of its moments, and the place of each in its row."""
    for row in range(indptr.size - 1):
        start, end = indptr[row], indptr[row + 1]
        _order_row(moments, start, end, order)
        for at in range(start, end):
            rank[order[at]] = at - start


@kernel(nogil=True)
def _order_row(moments: Any, start: Any, end: Any, order: Any) -> None:  # pragma: no cover
    """Writes the places ``start`` to ``end`` into ``order``, stably by their moments."""
    if end - start > _SHORT:
        sorted_ = np.argsort(moments[start:end], kind="mergesort")
        for at in range(start, end):
            order[at] = start + sorted_[at - start]
        return
    for at in range(start, end):
        moment, place = moments[at], at
        while place > start and moments[order[place - 1]] > moment:
            order[place] = order[place - 1]
            place -= 1
        order[place] = at


@kernel(nogil=True)
def place_edges(
    source: Any, target: Any, moment: Any, rank: Any, heads: Any, moments: Any, edges: Any
) -> None:  # pragma: no cover
    """Writes each edge behind those that its target has; ``heads`` is where each row goes on. ``edges``: (E, 2)."""
    for edge in range(target.size):
        row = target[edge]
        at = heads[row]
        heads[row] = at + 1
        moments[at] = moment[edge]
        edges[at, 0] = source[edge]
        edges[at, 1] = rank[edge]


@kernel(nogil=True)
def sort_rows(indptr: Any, moments: Any, edges: Any, indices: Any, ranks: Any) -> None:  # pragma: no cover
    """The two columns of ``edges``, every row in order of its moments."""
    longest = 0
    for row in range(indptr.size - 1):
        longest = max(longest, indptr[row + 1] - indptr[row])
    order = np.empty(longest, np.int32)
    for row in range(indptr.size - 1):
        start, end = indptr[row], indptr[row + 1]
        _order_row(moments[start:end], 0, end - start, order)
        for at in range(start, end):
            indices[at], ranks[at] = edges[start + order[at - start]]
