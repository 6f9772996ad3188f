"""Truncated products of sparse matrices: the strongest neighbours of each row, block by block."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

Reweighting: TypeAlias = Callable[
    [npt.NDArray[np.float32], npt.NDArray[np.int32], npt.NDArray[np.int32]], npt.NDArray[np.float32]
]
"""``(value, row, column) -> new value`` for the entries of a product, before the strongest are chosen."""

_BLOCK_ENTRIES = 8_000_000


def strongest(
    left: sp.csr_array, right: sp.csr_array, k: int, *, reweight: Reweighting | None = None, keep_self: bool = False
) -> sp.csr_array:
    """``left @ right`` with the ``k`` highest positive entries of each row, ties by the lower column.

    Shapes: (I, M) @ (M, I) → (I, I). The diagonal is left out unless ``keep_self``.
    """
    effort = np.asarray(left @ np.diff(right.indptr).astype(np.float64)) if left.nnz else np.zeros(left.shape[0])
    bounds = _bounds(np.minimum(effort, right.shape[1]))
    blocks = [_block(left, right, start, stop, k, reweight, keep_self) for start, stop in bounds]
    indptr = np.concatenate([[0], *(np.diff(block.indptr) for block in blocks)]).cumsum()
    data = np.concatenate([np.zeros(0, np.float32), *(block.data for block in blocks)])
    indices = np.concatenate([np.zeros(0, np.int32), *(block.indices for block in blocks)])
    return sp.csr_array((data, indices, indptr), shape=(left.shape[0], right.shape[1]))


def row_strongest(matrix: sp.csr_array, k: int) -> sp.csr_array:
    """The ``k`` highest entries of each row, ties by the lower column; columns sorted within rows."""
    counts = np.diff(matrix.indptr)
    keep = np.ones(matrix.nnz, np.bool_)
    for row in np.flatnonzero(counts > k):
        start, stop = matrix.indptr[row], matrix.indptr[row + 1]
        values = matrix.data[start:stop]
        cut = np.partition(values, values.size - k)[values.size - k] if k > 0 else np.inf
        keep[start:stop] = values > cut
        tied = np.flatnonzero(values == cut)
        room = k - int(np.count_nonzero(values > cut))
        if tied.size > room:
            tied = tied[np.argsort(matrix.indices[start:stop][tied])[:room]]
        keep[start + tied] = True
    indptr = np.zeros(counts.size + 1, np.int64)
    np.cumsum(np.minimum(counts, k), out=indptr[1:])
    chosen = sp.csr_array((matrix.data[keep], matrix.indices[keep], indptr), shape=matrix.shape)
    chosen.sort_indices()
    return chosen


def empty(num_rows: int, num_columns: int) -> sp.csr_array:
    """A matrix of zeros."""
    nothing = (np.zeros(0, np.float32), np.zeros(0, np.int32), np.zeros(num_rows + 1, np.int32))
    return sp.csr_array(nothing, shape=(num_rows, num_columns))


def scaled_rows(matrix: sp.csr_array, factor: npt.NDArray[np.floating]) -> sp.csr_array:
    """The matrix with row i multiplied by ``factor[i]``."""
    data = matrix.data * np.repeat(factor, np.diff(matrix.indptr))
    return sp.csr_array((data.astype(np.float32), matrix.indices, matrix.indptr), shape=matrix.shape)


def scaled_columns(matrix: sp.csr_array, factor: npt.NDArray[np.floating]) -> sp.csr_array:
    """The matrix with column j multiplied by ``factor[j]``."""
    data = matrix.data * factor[matrix.indices]
    return sp.csr_array((data.astype(np.float32), matrix.indices, matrix.indptr), shape=matrix.shape)


def inverse_power(degree: npt.NDArray[np.floating], power: float) -> npt.NDArray[np.float64]:
    """``degree ** -power``, and 0 where the degree is 0."""
    safe = np.maximum(degree, 1e-12).astype(np.float64)
    return np.where(degree > 0, safe**-power, 0.0)


def degrees(matrix: sp.csr_array) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Row sums and column sums. Shapes: (U, I) → (U,), (I,)."""
    rows = np.asarray(matrix.sum(axis=1), np.float64).ravel()
    return rows, np.asarray(matrix.sum(axis=0), np.float64).ravel()


def _bounds(entries: npt.NDArray[np.float64]) -> list[tuple[int, int]]:
    """Row ranges that hold about the same bounded number of entries."""
    number = (np.cumsum(entries) // _BLOCK_ENTRIES).astype(np.int64)
    starts = np.flatnonzero(np.diff(number, prepend=-1))
    return list(zip(starts.tolist(), [*starts[1:].tolist(), entries.size], strict=True)) if entries.size else []


def _block(
    left: sp.csr_array,
    right: sp.csr_array,
    start: int,
    stop: int,
    k: int,
    reweight: Reweighting | None,
    keep_self: bool,
) -> sp.csr_array:
    product = sp.csr_array(left[start:stop] @ right)
    row = np.repeat(np.arange(start, stop, dtype=np.int32), np.diff(product.indptr))
    value = np.asarray(product.data, np.float32)
    if reweight is not None:
        value = reweight(value, row, product.indices)
    usable = value > 0
    if not keep_self:
        usable &= product.indices != row
    indptr = np.zeros(stop - start + 1, np.int64)
    np.cumsum(np.bincount(row[usable] - start, minlength=stop - start), out=indptr[1:])
    cleaned = sp.csr_array((value[usable], product.indices[usable], indptr), shape=product.shape)
    return row_strongest(cleaned, k)
