"""The nearest of many vectors, exactly: a scan over bytes says which rows can be among them, floats say which are.

A byte is a quarter of what a float takes to read, and reading is what a scan costs. How far a sum of bytes can be
off is known, so no row that could be among the best is left out: the answer is that of the plain product.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType

import numpy as np
import numpy.typing as npt

from gnn import compiled
from gnn.compiled import passes
from gnn.data.histories import FloatArray, IntArray

_GROUP = 4
"""Values whose products the processor adds in one step."""
_CHUNKS = 64
_ONE_CORE_BYTES = 16 << 20
_FEW_SHARE = 0.05
"""From this share of the rows on, a filter is laid over the scan instead of gathering what passes it."""
_SMALL = 20_000
"""Below so many rows the plain product is as fast."""


@cache
def codes_kernel() -> ModuleType | None:
    """The scan over bytes; ``None`` without numba, or on a processor that has no such step."""
    if compiled.kernels() is None:
        return None
    from gnn.compiled import codes

    return codes if codes.has_vnni() else None


class Vectors:
    """Vectors to search by inner product. Shape: ``values`` (N, D), float32; they stay where they are.

    Beside them it keeps N · D bytes, where the machine has use for them.
    """

    def __init__(self, values: FloatArray) -> None:
        self.values = values
        self._kernel = codes_kernel() if len(values) >= _SMALL else None
        if self._kernel is not None:
            self._scale = max(float(np.abs(values).max(initial=0.0)) / 127.0, 1e-12)
            self._codes = self._encoded(self._kernel.LANES)
            self._rounding, self._length = self._off_by()

    def __len__(self) -> int:
        return len(self.values)

    def nearest(
        self, query: FloatArray, k: int, allowed: npt.NDArray[np.bool_] | None = None
    ) -> tuple[IntArray, FloatArray]:
        """The rows of the ``k`` highest inner products, best first, ties by the lower row, and the products.

        Shapes: ``query`` (D,); ``allowed`` (N,) False for rows that are left out. Fewer than k where fewer are left.
        """
        query = np.ascontiguousarray(query, np.float32)
        if allowed is not None:
            rows = np.flatnonzero(allowed)
            if self._kernel is None or rows.size <= _FEW_SHARE * len(self):
                return _best_of(rows, self._products(rows, query), k)
        if self._kernel is None:
            return _best_of(np.arange(len(self)), self.values @ query, k)
        rows = self._candidates(query, k, allowed)
        return _best_of(rows, self._products(rows, query), k)

    def _candidates(self, query: FloatArray, k: int, allowed: npt.NDArray[np.bool_] | None) -> npt.NDArray[np.int64]:
        """Rows that hold the best ``k``: those of every block that could hold one."""
        assert self._kernel is not None
        lanes: int = self._kernel.LANES
        scale = max(float(np.abs(query).max(initial=0.0)) / 127.0, 1e-12)
        small = np.zeros(-(-query.size // _GROUP) * _GROUP, np.int8)
        small[: query.size] = np.rint(query / scale)
        maxima = np.empty(self._codes.shape[0], np.int32)
        asked, groups = small.view(np.int32), self._codes.shape[1]
        if self._codes.nbytes < _ONE_CORE_BYTES:
            self._kernel.block_maxima_alone(self._codes, asked, groups, maxima)
        else:
            self._kernel.block_maxima(self._codes, asked, groups, maxima, _CHUNKS)
        # With bytes b ≈ x and c ≈ q: |q·x - c·b| ≤ |q|·|x - b| + |q - c|·|b|, by Cauchy and Schwarz.
        mine = scale * small[: query.size].astype(np.float32)
        off = float(np.linalg.norm(query)) * self._rounding + float(np.linalg.norm(query - mine)) * self._length
        margin = 2.0001 * off / (scale * self._scale) + 1
        if allowed is None:
            seats = min(k, maxima.size)
            floor = np.partition(maxima, maxima.size - seats)[maxima.size - seats]
        else:  # a block's best may be left out: let the floor come from rows that are not
            order = np.argsort(-maxima)[: max(2 * k, 64)]
            rows = (order[:, None] * lanes + np.arange(lanes)).ravel()
            rows = rows[rows < len(self)]
            rows = rows[allowed[rows]]
            if rows.size < k:
                return np.flatnonzero(allowed)
            exact = np.partition(self._products(rows, query), rows.size - k)[rows.size - k]
            floor = exact / (scale * self._scale) + 128 * int(small.astype(np.int32).sum())
        blocks = np.flatnonzero(maxima >= floor - margin)
        found = (blocks[:, None] * lanes + np.arange(lanes)).ravel()
        found = found[found < len(self)]
        return found if allowed is None else found[allowed[found]]

    def _products(self, rows: npt.NDArray[np.int64], query: FloatArray) -> FloatArray:
        if self._kernel is None:
            return np.asarray(self.values[rows] @ query, np.float32)
        out = np.empty(rows.size, np.float32)
        self._kernel.dots(self.values, rows, query, out)
        return out

    def _off_by(self) -> tuple[float, float]:
        """How far the bytes of a row are from its values, at most; and how long a row of bytes is, at most."""
        rounding = length = 0.0
        for first in range(0, len(self), 65_536):
            rows = self.values[first : first + 65_536]
            mine = np.float32(self._scale) * np.rint(rows / np.float32(self._scale))
            rounding = max(rounding, float(np.linalg.norm(rows - mine, axis=1).max()))
            length = max(length, float(np.linalg.norm(mine, axis=1).max()))
        return rounding, length

    def _encoded(self, lanes: int) -> npt.NDArray[np.uint8]:
        """Bytes in blocks of sixteen rows: four values of each row side by side. Shape (blocks, D / 4, 16 · 4)."""
        count, width = self.values.shape
        blocks, groups = -(-count // lanes), -(-width // _GROUP)
        codes = np.full((blocks, groups, lanes * _GROUP), 128, np.uint8)
        step = 4096
        for first in range(0, blocks, step):
            rows = self.values[first * lanes : (first + step) * lanes]
            part = np.zeros((-(-len(rows) // lanes) * lanes, groups * _GROUP), np.int16)
            part[: len(rows), :width] = np.rint(rows / np.float32(self._scale))
            by_group = (part + 128).astype(np.uint8).reshape(-1, lanes, groups, _GROUP).transpose(0, 2, 1, 3)
            codes[first : first + len(by_group)] = by_group.reshape(-1, groups, lanes * _GROUP)
        return codes


def _best_of(rows: npt.NDArray[np.int64], products: FloatArray, k: int) -> tuple[IntArray, FloatArray]:
    place, value = passes.best(np.ascontiguousarray(products, np.float32)[None, :], k)
    kept = place[0] >= 0
    return rows[place[0][kept]].astype(np.int32), value[0][kept]
