"""LightGCN's propagation for a block: the mean over layers of some users and items, and its gradient, on fast kernels.

The last layer is computed for the rows that are asked for, and the first product of the backward pass reads only
their gradients; with 2,048 of 70,000 rows asked for, two of six products nearly vanish.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch
from torch import Tensor

from gnn.data.histories import FloatArray

WORTH_COMPILING = 200_000
"""Edges from which compiled kernels pay for their compilation."""

Pair = tuple[Tensor, Tensor]


def can_smooth_fast(matrix: sp.csr_array, device: torch.device) -> bool:
    """Whether the kernels are there and the graph is worth them."""
    return device.type == "cpu" and matrix.nnz >= WORTH_COMPILING and find_spec("numba") is not None


class Smoothing:
    """The mean of layers 0 … L of symmetric propagation over a users × items matrix, row by row on demand."""

    def __init__(self, matrix: sp.csr_array, layers: int) -> None:
        self.layers = layers
        columns = sp.csr_array(matrix.T)
        self._edges = [
            (np.asarray(side.indptr, np.int64), np.asarray(side.indices, np.int32)) for side in (matrix, columns)
        ]
        self._root = [_inverse_root(np.diff(indptr)) for indptr, _ in self._edges]
        self._square = [root * root for root in self._root]
        degree = [np.maximum(np.diff(indptr), 0).astype(np.float32) for indptr, _ in self._edges]
        self._undo = [torch.from_numpy(np.sqrt(one))[:, None] for one in degree]

    def __call__(self, user: Tensor, item: Tensor, users: Tensor, items: Tensor) -> Pair:
        """Smoothed embeddings of the rows asked for. Shapes: (U, D), (I, D), (B,), (C,) → (B, D), (C, D)."""
        smooth = cast(Callable[[Tensor, Tensor, Tensor, Tensor, Smoothing], Pair], _Smooth.apply)
        return smooth(user, item, users, items, self)

    def forward(self, start: Pair, wanted: Pair) -> Pair:
        """The mean over layers of the wanted rows; both pairs are users, then items."""
        scaled = [part * self._column(side) for side, part in enumerate(start)]
        total = [part[rows] for part, rows in zip(start, wanted, strict=True)]
        for layer in range(1, self.layers + 1):
            bits = [_bits(part) for part in scaled]
            if layer == self.layers:
                for side in (0, 1):
                    rows = wanted[side].numpy()
                    found = self._sum(side, bits[1 - side], self._square, rows)
                    total[side] = total[side] + found * self._undo[side][wanted[side]]
                break
            scaled = [self._sum(side, bits[1 - side], self._square) for side in (0, 1)]
            for side in (0, 1):
                total[side] = total[side] + scaled[side][wanted[side]] * self._undo[side][wanted[side]]
        share = 1.0 / (self.layers + 1)
        return total[0] * share, total[1] * share

    def backward(self, gradient: Pair, wanted: Pair) -> Pair:
        """Gradients of the embeddings from gradients of the wanted rows, by Horner's rule on the layers."""
        share = 1.0 / (self.layers + 1)
        own = [
            torch.zeros(self._root[side].size, part.shape[1]).index_add_(0, wanted[side], part * share)
            for side, part in enumerate(gradient)
        ]
        if not self.layers:
            return own[0], own[1]
        scaled_own = [part * self._column(side) for side, part in enumerate(own)]
        marked: list[npt.NDArray[np.bool_] | None] = [self._marks(side, wanted[side]) for side in (0, 1)]
        current = scaled_own
        for _ in range(self.layers - 1):
            bits = [_bits(part) for part in current]
            current = [
                self._sum(side, bits[1 - side], self._square, None, marked[1 - side]).add_(scaled_own[side])
                for side in (0, 1)
            ]
            marked = [None, None]
        bits = [_bits(part) for part in current]
        users, items = (
            self._sum(side, bits[1 - side], self._root, None, marked[1 - side]).add_(own[side]) for side in (0, 1)
        )
        return users, items

    def _sum(
        self,
        side: int,
        bits: npt.NDArray[np.uint16],
        scale: list[FloatArray],
        targets: npt.NDArray[np.int64] | None = None,
        marked: npt.NDArray[np.bool_] | None = None,
    ) -> Tensor:
        from gnn.compiled.sums import summed  # numba is optional

        indptr, indices = self._edges[side]
        threads = torch.get_num_threads()
        return torch.from_numpy(
            summed(indptr, indices, bits, scale=scale[side], targets=targets, marked=marked, threads=threads)
        )

    def _column(self, side: int) -> Tensor:
        return torch.from_numpy(self._root[side])[:, None]

    def _marks(self, side: int, rows: Tensor) -> npt.NDArray[np.bool_]:
        marks = np.zeros(self._root[side].size, np.bool_)
        marks[rows.numpy()] = True
        return marks


class _Smooth(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, user: Tensor, item: Tensor, users: Tensor, items: Tensor, smoothing: Smoothing) -> Pair:
        ctx.wanted, ctx.smoothing = (users, items), smoothing
        return smoothing.forward((user, item), (users, items))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        users, items = ctx.smoothing.backward((gradients[0], gradients[1]), ctx.wanted)
        return users, items, None, None, None


def _inverse_root(degree: npt.NDArray[np.int64]) -> FloatArray:
    return np.where(degree > 0, 1.0 / np.sqrt(np.maximum(degree, 1)), 0.0).astype(np.float32)


def _bits(rows: Tensor) -> npt.NDArray[np.uint16]:
    found: npt.NDArray[np.uint16] = rows.to(torch.bfloat16).contiguous().view(torch.uint16).numpy()
    return found
