"""One step along the edges of a graph, on cached CSR rows both ways: what every GNN here is made of."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cached_property
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch
from torch import Tensor


class Adjacency:
    """A weighted adjacency (targets × sources) that is multiplied with features, and passes gradients back.

    The transpose is built once, because torch would otherwise rebuild it in every backward pass, and rows of a
    CSR are 20 times faster on a CPU than an ``edge_index``.
    """

    def __init__(self, matrix: sp.csr_array, device: torch.device | str = "cpu") -> None:
        self.shape: tuple[int, int] = matrix.shape
        self.num_edges = int(matrix.nnz)
        self._rows = _tensor(matrix, device)
        self._columns = _tensor(sp.csr_array(matrix.T), device)

    @classmethod
    def mean(cls, matrix: sp.csr_array, device: torch.device | str = "cpu") -> Adjacency:
        """Each target takes the mean over its sources; one without sources gets zeros."""
        return cls(scaled(matrix, row_power=1.0), device)

    @classmethod
    def symmetric(cls, matrix: sp.csr_array, device: torch.device | str = "cpu") -> Adjacency:
        """Each edge weighs 1 / sqrt(degree of its target · degree of its source)."""
        return cls(scaled(matrix, row_power=0.5, column_power=0.5), device)

    @property
    def transposed(self) -> Adjacency:
        """The same edges the other way, sharing memory."""
        other = Adjacency.__new__(Adjacency)
        other.shape = (self.shape[1], self.shape[0])
        other.num_edges = self.num_edges
        other._rows, other._columns = self._columns, self._rows
        return other

    @property
    def edge_sources(self) -> Tensor:
        """The source of every edge, in the order of the rows. Shape (E,)."""
        return self._rows.col_indices()

    @cached_property
    def edge_targets(self) -> Tensor:
        """The target of every edge, in the order of the rows. Shape (E,)."""
        lengths = self._rows.crow_indices().diff()
        return torch.repeat_interleave(torch.arange(self.shape[0], device=lengths.device), lengths)

    def reweighted(self, weight: Tensor) -> Adjacency:
        """The same edges with other weights (E,), in the order of the rows; gradients do not reach the weights."""
        other = Adjacency.__new__(Adjacency)
        other.shape, other.num_edges = self.shape, self.num_edges
        other._rows = _with_values(self._rows, weight)
        other._columns = _with_values(self._columns, weight[self._column_order])
        return other

    @cached_property
    def _column_order(self) -> Tensor:
        """Where each edge of the columns stands in the rows."""
        return torch.argsort(self.edge_sources, stable=True)

    def __matmul__(self, features: Tensor) -> Tensor:
        """What every target receives. Shapes: (sources, D) → (targets, D)."""
        multiply = cast(Callable[[Tensor, Tensor, Tensor], Tensor], _Multiply.apply)
        return multiply(features, self._rows, self._columns)


def scaled(matrix: sp.csr_array, *, row_power: float = 0.0, column_power: float = 0.0) -> sp.csr_array:
    """The matrix with every row and column divided by its sum to a power; empty ones stay empty. Float32."""
    result: sp.csr_array = sp.csr_array(matrix.astype(np.float32))
    result.data = result.data.copy()
    of_row = _inverse_power(matrix.sum(axis=1), row_power)
    of_column = _inverse_power(matrix.sum(axis=0), column_power)
    result.data *= np.repeat(of_row, np.diff(result.indptr)) * of_column[result.indices]
    return result


def _inverse_power(total: npt.NDArray[Any], power: float) -> npt.NDArray[np.float32]:
    positive = np.maximum(np.asarray(total, np.float64).ravel(), 1e-12)
    return np.where(np.asarray(total).ravel() > 0, positive**-power, 0.0).astype(np.float32)


class _Multiply(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        ctx.columns = columns
        return _product(rows, features)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return _product(ctx.columns, gradients[0]), None, None


def _product(rows: Tensor, features: Tensor) -> Tensor:
    # Sparse kernels want both sides in one precision, and sums over many neighbours want float32.
    with torch.autocast(features.device.type, enabled=False):
        return (rows @ features.float()).to(features.dtype)


def _with_values(pattern: Tensor, values: Tensor) -> Tensor:
    return torch.sparse_csr_tensor(
        pattern.crow_indices(), pattern.col_indices(), values, size=pattern.shape, check_invariants=False
    )


def _tensor(matrix: sp.csr_array, device: torch.device | str) -> Tensor:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta state", UserWarning)
        return torch.sparse_csr_tensor(
            torch.from_numpy(np.asarray(matrix.indptr, np.int64)),
            torch.from_numpy(np.asarray(matrix.indices, np.int64)),
            torch.from_numpy(np.asarray(matrix.data, np.float32)),
            size=matrix.shape,
            check_invariants=False,
            device=device,
        )
