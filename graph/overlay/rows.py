"""One row of edges: the snapshot's, with an overlay's changes put over it."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from graph.overlay.grown import GrownRow
from graph.snapshot import EdgeTable, IntArray
from graph.snapshot.edges import FloatArray, LongArray

Side: TypeAlias = Literal["out", "in"]


class EdgeRow(NamedTuple):
    """The edges at one node, oldest first. Shapes: (N,)."""

    indices: IntArray
    """Rows at the other end."""
    weight: FloatArray
    timestamp_ms: LongArray
    """``NO_TIME`` where unknown."""
    qualifier: IntArray
    """Codes, -1 for the empty one."""


_NONE = EdgeRow(np.zeros(0, np.int32), np.zeros(0, np.float32), np.zeros(0, np.int64), np.zeros(0, np.int32))


def snapshot_row(table: EdgeTable, index: int, side: Side) -> EdgeRow:
    """A row as the snapshot has it; empty for a node that came later."""
    csr = table.out if side == "out" else table.into
    if index >= csr.indptr.size - 1:
        return _NONE
    start, stop = int(csr.indptr[index]), int(csr.indptr[index + 1])
    row = slice(start, stop)
    at = row if side == "out" else table.into_positions(row)
    return EdgeRow(csr.indices[row], table.weight_at(at), table.timestamp_ms_at(at), table.qualifier_at(at))


def edge_row(table: EdgeTable, changed: GrownRow | None, index: int, side: Side) -> EdgeRow:
    """A row as it is now, with the changes of that row."""
    base = snapshot_row(table, index, side)
    return base if changed is None else _merged(base, changed)


def _merged(base: EdgeRow, changed: GrownRow) -> EdgeRow:
    keys = base.indices.astype(np.int64) << 32 | (base.qualifier.astype(np.int64) + 1)
    replaced = np.fromiter((end << 32 | (code + 1) for end, code in changed), np.int64, len(changed))
    keep = ~np.isin(keys, replaced)
    now = [(end, code, state) for (end, code), state in changed.items() if state is not None]
    indices = np.concatenate([base.indices[keep], np.asarray([end for end, _, _ in now], np.int32)])
    weight = np.concatenate([base.weight[keep], np.asarray([state.weight for _, _, state in now], np.float32)])
    times = np.concatenate([base.timestamp_ms[keep], np.asarray([s.timestamp_ms for _, _, s in now], np.int64)])
    qualifier = np.concatenate([base.qualifier[keep], np.asarray([code for _, code, _ in now], np.int32)])
    order = np.lexsort((qualifier, indices, times))
    return EdgeRow(indices[order], weight[order], times[order], qualifier[order])
