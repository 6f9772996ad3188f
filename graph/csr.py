"""Columns to compressed rows, both ways, in time linear in the number of edges."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

IntArray: TypeAlias = npt.NDArray[np.int32]
LongArray: TypeAlias = npt.NDArray[np.int64]


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
