"""Sets of items, stacked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gnn.data.histories import ItemSets


def stacked_rows(rows: Sequence[npt.NDArray[np.integer]]) -> ItemSets:
    """Sets of items, given in any order and with repetitions."""
    if len(rows) == 1:
        return ItemSets(np.array([0, rows[0].size], np.int32), rows[0].astype(np.int32, copy=False))
    indptr = np.zeros(len(rows) + 1, np.int32)
    np.cumsum([row.size for row in rows], out=indptr[1:])
    return ItemSets(indptr, np.concatenate(rows).astype(np.int32, copy=False))
