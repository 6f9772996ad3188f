"""Sets of items, stacked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gnn.histories import ItemSets


def stacked_rows(rows: Sequence[npt.NDArray[np.integer]]) -> ItemSets:
    """Sets of items, given in any order and with repetitions."""
    columns = [np.unique(row) for row in rows]
    indptr = np.zeros(len(rows) + 1, np.int32)
    np.cumsum([row.size for row in columns], out=indptr[1:])
    return ItemSets(indptr, np.concatenate([np.empty(0, np.int32), *columns]).astype(np.int32))
