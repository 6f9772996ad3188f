"""A binary matrix with some of its rows replaced."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from graph.snapshot import IntArray
from graph.sorting import distinct


def patched(base: sp.csr_array, rows: IntArray, targets: list[IntArray], shape: tuple[int, int]) -> sp.csr_array:
    """``base`` grown to ``shape`` with the columns ``targets[i]`` in row ``rows[i]``; the other rows are copied whole.

    ``rows`` ascending; targets may repeat and come in any order.
    """
    columns = [distinct(row) for row in targets]
    num_base = base.shape[0]
    old_lengths = np.diff(base.indptr)
    lengths = np.zeros(shape[0], np.int64)
    lengths[:num_base] = old_lengths
    lengths[rows] = [row.size for row in columns]
    indptr = np.zeros(shape[0] + 1, np.int64)
    np.cumsum(lengths, out=indptr[1:])
    replaced = np.zeros(shape[0], bool)
    replaced[rows] = True
    indices = np.empty(int(indptr[-1]), np.int32)
    indices[~np.repeat(replaced, lengths)] = base.indices[~np.repeat(replaced[:num_base], old_lengths)]
    for row, chosen in zip(rows.tolist(), columns, strict=True):
        indices[indptr[row] : indptr[row + 1]] = chosen
    return sp.csr_array((np.ones(indices.size, np.float32), indices, indptr), shape=shape)
