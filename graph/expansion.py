"""The rows of many nodes gathered at once: the step every walk is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from graph.overlay.rows import EdgeRow, edge_row
from graph.overlay.state import EdgeChanges
from graph.snapshot import EdgeTable, IntArray
from graph.snapshot.edges import LongArray


class Expansion(NamedTuple):
    """The edges at R nodes, one row after the other, each oldest first. Shapes: (R,), then (N,) each."""

    lengths: LongArray
    indices: IntArray
    """Rows at the other end."""
    timestamp_ms: LongArray | None
    """``NO_TIME`` where unknown; None when columns were not asked for."""
    qualifier: IntArray | None

    @property
    def owner(self) -> LongArray:
        """Which of the R nodes each edge belongs to. Shape (N,)."""
        return np.repeat(np.arange(self.lengths.size), self.lengths)


def expand(
    table: EdgeTable,
    changes: EdgeChanges | None,
    rows: IntArray,
    side: Literal["out", "in"],
    *,
    distinct: bool = False,
    columns: bool = False,
) -> Expansion:
    """The edges at the nodes ``rows``; with ``distinct`` only the first of parallel ones."""
    base = _from_snapshot(table, rows, side, distinct, columns)
    changed_rows = None if changes is None else (changes.out_rows if side == "out" else changes.into_rows)
    if changes is None or changed_rows is None or not changed_rows.size:
        return base
    side_changes = changes.out if side == "out" else changes.into
    replaced = {}
    for at in np.flatnonzero(np.isin(rows, changed_rows)).tolist():
        row = int(rows[at])
        now = edge_row(table, side_changes.get(row), row, side)
        replaced[at] = _first_of_each(now) if distinct else now
    return _with_rows(base, replaced) if replaced else base


def gather(indptr: LongArray, rows: IntArray) -> tuple[LongArray, LongArray]:
    """Lengths of some rows, and the positions of their entries one row after the other."""
    starts = indptr[rows]
    lengths = indptr[rows + 1] - starts
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if ends.size else 0
    return lengths, np.repeat(starts - (ends - lengths), lengths) + np.arange(total)


def _from_snapshot(table: EdgeTable, rows: IntArray, side: str, distinct: bool, columns: bool) -> Expansion:
    csr = table.out if side == "out" else table.into
    first_of_pair = table.columns.first_of_pair if distinct else None
    inside = rows < csr.indptr.size - 1
    if inside.all():
        lengths, at = gather(csr.indptr, rows)
    else:
        lengths = np.zeros(rows.size, np.int64)
        lengths[inside], at = gather(csr.indptr, rows[inside])
    if first_of_pair is None and not columns:
        return Expansion(lengths, csr.indices[at], None, None)
    position = at if side == "out" else table.into_positions(at)
    if first_of_pair is not None:
        first = first_of_pair[position]
        lengths = np.bincount(np.repeat(np.arange(rows.size), lengths)[first], minlength=rows.size)
        at, position = at[first], position[first]
    if not columns:
        return Expansion(lengths, csr.indices[at], None, None)
    return Expansion(lengths, csr.indices[at], table.timestamp_ms_at(position), table.qualifier_at(position))


def _first_of_each(row: EdgeRow) -> EdgeRow:
    _, first = np.unique(row.indices, return_index=True)
    first.sort()
    return EdgeRow(row.indices[first], row.weight[first], row.timestamp_ms[first], row.qualifier[first])


def _with_rows(base: Expansion, replaced: Mapping[int, EdgeRow]) -> Expansion:
    """The expansion with some of its rows put in place of what the snapshot has."""
    is_replaced = np.zeros(base.lengths.size, bool)
    is_replaced[list(replaced)] = True
    lengths = base.lengths.copy()
    lengths[list(replaced)] = [row.indices.size for row in replaced.values()]
    stops = np.cumsum(lengths)
    kept, places = ~np.repeat(is_replaced, base.lengths), ~np.repeat(is_replaced, lengths)

    def put(column: npt.NDArray[Any], parts: Iterable[npt.NDArray[Any]]) -> npt.NDArray[Any]:
        filled = np.empty(places.size, column.dtype)
        filled[places] = column[kept]
        for at, part in zip(replaced, parts, strict=True):
            filled[stops[at] - part.size : stops[at]] = part
        return filled

    rows = replaced.values()
    return Expansion(
        lengths,
        put(base.indices, (row.indices for row in rows)),
        None if base.timestamp_ms is None else put(base.timestamp_ms, (row.timestamp_ms for row in rows)),
        None if base.qualifier is None else put(base.qualifier, (row.qualifier for row in rows)),
    )
