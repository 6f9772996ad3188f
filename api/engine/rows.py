"""Sets of items as rows of a sparse matrix."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp


def stacked_rows(rows: Sequence[npt.NDArray[np.integer]], num_items: int) -> sp.csr_array:
    """A binary row for each set of items, given in any order and with repetitions. Shape (B, I)."""
    columns = [np.unique(row) for row in rows]
    indptr = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([row.size for row in columns], out=indptr[1:])
    indices = np.concatenate([np.empty(0, np.int32), *columns]).astype(np.int32)
    return sp.csr_array((np.ones(indices.size, np.float32), indices, indptr), shape=(len(rows), num_items))
