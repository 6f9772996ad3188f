"""What leads to one item: the column of an item-to-item operator, without making the matrix."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from api.engine.folding import GrownEmbedding, ProxyOperator
from gnn.histories import FloatArray
from gnn.operators import (
    DenseOperator,
    EmbeddingOperator,
    FactorOperator,
    Operator,
    SparseOperator,
    SumOperator,
)


def item_column(operator: Operator, item: int) -> FloatArray | None:
    """How much every item of a history speaks for ``item``, apart from what depends on the rest of the history.

    Shape (I,). ``None`` for an operator that no history moves, or whose pull is not a sum over the history.
    """
    if isinstance(operator, ProxyOperator):
        return _through_proxies(operator, item)
    if isinstance(operator, GrownEmbedding):
        embedding = operator.embeddings_of(np.array([item], np.int32))[0]
        return np.concatenate([operator.inner.fold_in @ embedding, operator.folded.fold_in @ embedding])
    if isinstance(operator, SparseOperator):
        return _column(operator.item_item, item)
    if isinstance(operator, FactorOperator):
        return np.asarray(operator.left @ _column(operator.right, item), np.float32)
    if isinstance(operator, DenseOperator):
        return np.asarray(operator.item_item[:, item], np.float32)
    if isinstance(operator, EmbeddingOperator):
        return np.asarray(operator.fold_in @ operator.item_embedding[item], np.float32)
    if isinstance(operator, SumOperator):
        columns = [item_column(part, item) for part in operator.parts]
        known = [
            np.float32(coefficient) * column
            for coefficient, column in zip(operator.coefficients, columns, strict=True)
            if column is not None
        ]
        return np.asarray(np.sum(known, axis=0), np.float32) if known else None
    return None


def _through_proxies(operator: ProxyOperator, item: int) -> FloatArray | None:
    """New items speak, and are spoken for, through the known items that stand for them."""
    proxies = operator.proxies
    if item < proxies.shape[1]:
        known = item_column(operator.inner, item)
    else:
        row = item - proxies.shape[1]
        standing = slice(int(proxies.indptr[row]), int(proxies.indptr[row + 1]))
        pairs = zip(proxies.indices[standing].tolist(), proxies.data[standing].tolist(), strict=True)
        columns = [(item_column(operator.inner, near), share) for near, share in pairs]
        parts = [np.float32(share) * column for column, share in columns if column is not None]
        known = np.asarray(np.sum(parts, axis=0), np.float32) if parts else None
    return None if known is None else np.concatenate([known, proxies @ known]).astype(np.float32)


def _column(matrix: sp.csr_array, column: int) -> FloatArray:
    """One column of a CSR matrix, dense; one pass over its entries."""
    dense = np.zeros(matrix.shape[0], np.float32)
    at = np.flatnonzero(matrix.indices == column)
    rows = np.searchsorted(matrix.indptr, at, side="right") - 1
    np.add.at(dense, rows, matrix.data[at])
    return dense
