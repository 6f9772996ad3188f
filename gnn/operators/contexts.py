"""Scores of histories in all their readings at once: compiled loops, or numpy where there are none."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp

from gnn import compiled
from gnn.data.histories import FloatArray, IntArray
from gnn.operators.halves import Table, bits, floats, weighted_rows
from gnn.operators.weighed import CONTEXTS, Weighed

SHARED_BYTES = 8 << 20
"""Sums side by side take no more than this, or they would not stay near the processor."""
WIDE_ROWS = 8_192
"""Rows of half precision that a library is given at once, widened."""
FEW_VECTORS = 48
"""Up to so many vectors the compiled loop multiplies faster than a library that packs both sides first."""


def add_sparse(weighed: Weighed, matrix: sp.csr_array, scale: float, out: FloatArray) -> bool:
    """Adds ``scale`` times the weighted rows of an (I, I) matrix to ``out`` (C, B, I); False without compiled loops."""
    loops, of_rows = compiled.kernels("contexts"), compiled.kernels()
    if loops is None or of_rows is None:
        return False
    parts = (matrix.indptr, matrix.indices, matrix.data)
    if len(out) == 1:
        of_rows.spread(weighed.indptr, weighed.item_index, np.float32(scale) * weighed.weight[0], *parts, out[0])
        return True
    shared = _shared(weighed, out.shape[2])
    if shared is None:
        loops.spread_contexts(weighed.indptr, weighed.item_index, weighed.weight, *parts, np.float32(scale), out)
    else:
        loops.spread_shared(*shared, *parts, np.float32(scale), out.reshape(-1, out.shape[2]))
    return True


def add_factor(weighed: Weighed, left: sp.csr_array, right: sp.csr_array, scale: float, out: FloatArray) -> bool:
    """The same over ``left`` (I, A), then ``right`` (A, I)."""
    loops = compiled.kernels("contexts")
    if loops is None:
        return False
    sides = (left.indptr, left.indices, left.data, right.indptr, right.indices, right.data)
    loops.spread_twice(weighed.indptr, weighed.item_index, weighed.weight, *sides, np.float32(scale), out)
    return True


def folded(weighed: Weighed, table: Table, contexts: int) -> FloatArray:
    """The sums of the weighted rows of a table in the first contexts. Shape: ``table`` (I, D) → (C, B, D)."""
    out = np.zeros((contexts, len(weighed), table.shape[1]), np.float32)
    add_folded(weighed, table, 1.0, out)
    return out


def add_folded(weighed: Weighed, table: Table, scale: float, out: FloatArray) -> None:
    """Adds ``scale`` times the sums of the weighted rows of a table to ``out`` (C, B, D)."""
    loops = compiled.kernels("contexts")
    if loops is None or not _in_rows(table):
        out += np.float32(scale) * weighted_rows(weighed.stacked(len(out)), table).reshape(out.shape)
    else:
        loops.fold(weighed.indptr, weighed.item_index, weighed.weight, bits(table), np.float32(scale), out)


def add_products(table: Table, vectors: FloatArray, scale: float, out: FloatArray) -> None:
    """Adds ``scale`` times every product of vectors and rows to ``out``. Shapes: (I, D), (V, D), (V, I)."""
    loops = compiled.kernels("contexts")
    factor = np.float32(scale)
    if loops is None or len(vectors) > FEW_VECTORS or not _in_rows(table):
        for rows, wide in _wide_parts(table):
            # A library packs both sides of a product of matrices; one with a single vector reads the table once.
            out[:, rows] += factor * (wide @ vectors[0]) if len(vectors) == 1 else (vectors * factor) @ wide.T
    elif len(vectors) == 1:
        loops.one_dots(bits(table), vectors[0], factor, out[0])
    elif len(vectors) <= 3:
        loops.few_dots(bits(table), vectors, factor, out)
    else:
        distinct, of_vector = _distinct(vectors)
        if len(distinct) == len(vectors):
            loops.dots(bits(table), vectors, factor, out)
        else:
            once = np.zeros((len(distinct), len(table)), np.float32)
            loops.dots(bits(table), distinct, factor, once)
            out += once[of_vector]


def products(table: Table, vectors: FloatArray) -> FloatArray:
    """Every product of vectors and rows. Shapes: (I, D), (V, D) → (V, I)."""
    if len(vectors) > FEW_VECTORS and table.dtype == np.float32:
        return np.asarray(vectors @ table.T, np.float32)
    out = np.zeros((len(vectors), len(table)), np.float32)
    add_products(table, vectors, 1.0, out)
    return out


def _distinct(vectors: FloatArray) -> tuple[FloatArray, list[int]]:
    """The vectors that differ, and of each vector which of them it is.

    A history without one of its items mostly has the same last item, and so the same vector in that reading.
    """
    place: dict[bytes, int] = {}
    of_vector = [place.setdefault(vector.tobytes(), len(place)) for vector in vectors]
    first = np.unique(of_vector, return_index=True)[1]
    return vectors[first], of_vector


def _in_rows(table: Table) -> bool:
    return table.dtype in (np.float32, np.float16) and table.flags.c_contiguous


def _wide_parts(table: Table) -> Iterator[tuple[slice, FloatArray]]:
    """A table in single precision, a part after the other where it is not so already: a copy of all may be large."""
    step = len(table) if table.dtype == np.float32 else WIDE_ROWS
    for first in range(0, len(table), max(step, 1)):
        rows = slice(first, first + step)
        yield rows, floats(table[rows])


def _shared(weighed: Weighed, num_items: int) -> tuple[IntArray, FloatArray] | None:
    """The distinct items of a block with their weights in every row and context, where rows are of about one history.

    Then each row of a matrix is read once for all of them, as when a history is asked without one of its items.
    Shapes: (M,), (M · V,), V rounded up to whole lanes. ``None`` where it would not pay.
    """
    loops = compiled.kernels("contexts")
    rows, ways = len(weighed), CONTEXTS * len(weighed)
    if loops is None or rows < 2 or rows > 32:
        return None
    width = -(-ways // loops.LANES) * loops.LANES
    if 4 * num_items * width > SHARED_BYTES:
        return None
    if "shared" not in weighed.kept:
        weighed.kept["shared"] = _side_by_side(weighed, width)
    items, weights = weighed.kept["shared"]
    return None if items.size * (width // loops.LANES) > weighed.item_index.size else (items, weights)


def _side_by_side(weighed: Weighed, width: int) -> tuple[IntArray, FloatArray]:
    """The distinct items of a block, and their weights in every way to weigh them, one item after the other."""
    items, place = np.unique(weighed.item_index, return_inverse=True)
    weights = np.zeros((items.size, width), np.float32)
    row = np.repeat(np.arange(len(weighed)), np.diff(weighed.indptr))
    for context in range(CONTEXTS):
        weights[place, context * len(weighed) + row] = weighed.weight[context]
    return items.astype(np.int32), weights.ravel()
