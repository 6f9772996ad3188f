"""Different values and stable orders of columns of integers, by numpy's fast sorting of plain numbers."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Scalar = TypeVar("Scalar", bound=np.generic)


def distinct(values: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
    """The different values of a column of numbers, ascending. Shapes: (N,) → (D,).

    As ``np.unique``, which hashes since numpy 2.3: 590 ms where this takes 6 for a million that hardly repeat, and
    half of that time nobody else may run Python.
    """
    ordered = np.sort(values)
    first = np.ones(ordered.size, bool)
    first[1:] = ordered[1:] != ordered[:-1]
    return ordered[first]


def stable_order(*columns: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.int64]:
    """Positions in the order of the last column, then of the one before it, as ``np.lexsort``. Shapes: (N,)."""
    order = _order(columns[0])
    for column in columns[1:]:
        order = order[_order(column[order])]
    return order


def _order(values: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.int64]:
    """As ``np.argsort(kind="stable")``.

    Value and position are one number where both fit into 63 bits: plain numbers are sorted some ten times as fast as
    positions.
    """
    if values.size == 0:
        return np.zeros(0, np.int64)
    lowest, bits = int(values.min()), int(values.size - 1).bit_length()
    if (int(values.max()) - lowest).bit_length() + bits > 63:
        return np.argsort(values, kind="stable")
    above = values.astype(np.uint64) - np.uint64(lowest % 2**64)  # modulo 2^64, so right for every kind of integer
    keys = above.view(np.int64) << bits
    keys |= np.arange(values.size)
    keys.sort()
    keys &= (1 << bits) - 1
    return keys
