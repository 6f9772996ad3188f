"""What is alike one item by several sources, in one compiled call, where each keeps a row of scores an item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gnn import compiled
from gnn.data.histories import FloatArray, IntArray
from gnn.operators import DenseOperator, EmbeddingOperator, Operator, SparseOperator
from gnn.operators.halves import Table

SHORT_NUMBERS = 65_536
"""Up to so many scores Python's lock is kept: some 50 µs, and another thread would have it for longer."""
_NO_FACTOR = np.empty(0, np.float32)


@dataclass(frozen=True, slots=True)
class ItemRows:
    """Where each of S sources keeps its rows, one an item, and what it counts. Shapes: (S, 4), (S,)."""

    places: npt.NDArray[np.int64]
    weights: FloatArray
    num_items: int
    arrays: tuple[npt.NDArray[Any], ...]
    """What lies at the places; it stays for as long as they are read."""

    @classmethod
    def of(cls, operators: Sequence[Operator], weights: FloatArray, num_items: int) -> ItemRows | None:
        """Of operators; ``None`` without compiled loops, or where one of them keeps no rows."""
        if compiled.kernels("alike") is None or not operators:
            return None
        found = [_rows_of(operator, num_items) for operator in operators]
        places: list[list[int]] = []
        arrays: list[npt.NDArray[Any]] = []
        for of_one in found:
            if of_one is None:
                return None
            kind, parts = of_one
            places.append([kind, *(part.ctypes.data for part in parts), *[0] * (3 - len(parts))])
            arrays.extend(parts)
        return cls(np.array(places, np.int64), np.asarray(weights, np.float32), num_items, tuple(arrays))

    def best(
        self, item_index: int, shut: npt.NDArray[np.bool_], k: int, factor: FloatArray | None = None
    ) -> tuple[IntArray, FloatArray, FloatArray]:
        """The items most alike one, best first: rows, likeness and what each source adds, NaN for nothing.

        Like :func:`~gnn.compiled.passes.likeness`, then :func:`~gnn.compiled.passes.best_of_sum`. Shapes: ``shut`` and
        ``factor`` (I,) → (K,), (K,), (K, S).
        """
        loops = compiled.kernels("alike")
        assert loops is not None
        assert shut.size == self.num_items
        assert 0 <= item_index < self.num_items
        width = min(k, shut.size)
        index, value = np.empty(width, np.int32), np.empty(width, np.float32)
        parts = np.empty((width, self.weights.size), np.float32)
        if not width:
            return index, value, parts
        work = loops.best_alike if self.weights.size * self.num_items <= SHORT_NUMBERS else loops.best_alike_of_many
        counts = _NO_FACTOR if factor is None else factor.astype(np.float32, copy=False)
        count = work(self.places, self.weights, item_index, shut, counts, index, value, parts)
        return index[:count], value[:count], parts[:count]


def _rows_of(operator: Operator, num_items: int) -> tuple[int, tuple[npt.NDArray[Any], ...]] | None:
    """How and where an operator keeps the scores of a history of one item, if it does."""
    loops = compiled.kernels("alike")
    assert loops is not None
    if isinstance(operator, SparseOperator):
        matrix = operator.item_item
        if (
            matrix.shape != (num_items, num_items)
            or matrix.indices.dtype != np.int32
            or matrix.data.dtype != np.float32
        ):
            return None
        parts = (np.ascontiguousarray(matrix.indptr, np.int64), matrix.indices, matrix.data)
        return (loops.SPARSE, parts) if all(part.flags.c_contiguous for part in parts) else None
    table: Table | None = None
    if isinstance(operator, DenseOperator):
        table = operator.item_item
    elif isinstance(operator, EmbeddingOperator):
        table = operator.alone
    if table is None or table.shape != (num_items, num_items) or not table.flags.c_contiguous:
        return None
    if table.dtype == np.float16:
        return loops.HALF, (table,)
    return (loops.SINGLE, (table,)) if table.dtype == np.float32 else None
