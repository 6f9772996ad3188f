"""Sums over neighbours, compiled: what a large graph's propagation costs most of on a CPU.

Rows are read as bfloat16 (half the bytes of a gather that waits for memory) and summed in float32. Compiled by
numba on first use and kept on disk; torch's sparse product does the same without it, several times slower.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from numba import get_num_threads, njit, prange, set_num_threads

from graph.compiled.kernel import kernel

if TYPE_CHECKING:
    from gnn.data.histories import FloatArray

Rows16 = npt.NDArray[np.uint16]
"""Rows of bfloat16 values as their bits."""

_CHUNKS_PER_THREAD = 16


def summed(
    indptr: npt.NDArray[np.int64],
    indices: npt.NDArray[np.int32],
    rows: Rows16,
    *,
    scale: FloatArray,
    targets: npt.NDArray[np.int64] | None = None,
    marked: npt.NDArray[np.bool_] | None = None,
    threads: int = 1,
) -> FloatArray:
    """For each target the sum of its sources' rows, times its ``scale``.

    ``targets`` (T,) asks for some targets only; ``marked`` (S,) tells which source rows are not zero, so that the
    others are not read. Shapes: ``rows`` (S, D), ``scale`` (all targets,) → (T, D).
    """
    wanted = np.arange(indptr.size - 1) if targets is None else targets
    out = np.empty((wanted.size, rows.shape[1]), np.float32)
    bounds = _even_chunks(np.diff(indptr)[wanted], threads * _CHUNKS_PER_THREAD)
    before = get_num_threads()
    set_num_threads(min(threads, before))
    try:
        if marked is None:
            _sum(indptr, indices, wanted, rows, scale, out, bounds)
        else:
            _sum_marked(indptr, indices, wanted, rows, marked, scale, out, bounds)
    finally:
        set_num_threads(before)
    return out


def _even_chunks(effort: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    """Where to cut so that every chunk has about the same number of edges."""
    total = np.concatenate([[0], np.cumsum(effort + 1)])
    return np.searchsorted(total, np.linspace(0, total[-1], count + 1)).astype(np.int64)


@njit(inline="always")
def _value(bits: Any) -> Any:
    return np.uint32(np.uint32(bits) << np.uint32(16)).view(np.float32)


@kernel(parallel=True, fastmath=True)
def _sum(indptr: Any, indices: Any, targets: Any, rows: Any, scale: Any, out: Any, bounds: Any) -> None:
    width = rows.shape[1]
    for chunk in prange(bounds.size - 1):
        total = np.zeros(width, np.float32)
        for at in range(bounds[chunk], bounds[chunk + 1]):
            target = targets[at]
            total[:] = 0
            edge, end = indptr[target], indptr[target + 1]
            # Eight rows at once: their loads overlap, and the running sum is read and written once for all of them.
            while edge + 7 < end:
                a, b = rows[indices[edge]], rows[indices[edge + 1]]
                c, d = rows[indices[edge + 2]], rows[indices[edge + 3]]
                e, f = rows[indices[edge + 4]], rows[indices[edge + 5]]
                g, h = rows[indices[edge + 6]], rows[indices[edge + 7]]
                for k in range(width):
                    left = (_value(a[k]) + _value(b[k])) + (_value(c[k]) + _value(d[k]))
                    right = (_value(e[k]) + _value(f[k])) + (_value(g[k]) + _value(h[k]))
                    total[k] += left + right
                edge += 8
            while edge < end:
                a = rows[indices[edge]]
                for k in range(width):
                    total[k] += _value(a[k])
                edge += 1
            factor = scale[target]
            for k in range(width):
                out[at, k] = factor * total[k]


@kernel(parallel=True, fastmath=True)
def _sum_marked(
    indptr: Any, indices: Any, targets: Any, rows: Any, marked: Any, scale: Any, out: Any, bounds: Any
) -> None:
    width = rows.shape[1]
    for chunk in prange(bounds.size - 1):
        total = np.zeros(width, np.float32)
        for at in range(bounds[chunk], bounds[chunk + 1]):
            target = targets[at]
            total[:] = 0
            for edge in range(indptr[target], indptr[target + 1]):
                source = indices[edge]
                if marked[source]:
                    a = rows[source]
                    for k in range(width):
                        total[k] += _value(a[k])
            factor = scale[target]
            for k in range(width):
                out[at, k] = factor * total[k]
