"""What leads to one item: the column of an item-to-item operator, without making the matrix."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from api.engine.sources.folding import CONFIDENCE, GrownEmbedding, ProxyOperator
from gnn.data.histories import FloatArray
from gnn.operators import (
    DenseOperator,
    EmbeddingOperator,
    FactorOperator,
    Operator,
    SparseOperator,
    SumOperator,
)
from gnn.operators.contexts import products


def item_column(operator: Operator, item: int) -> FloatArray | None:
    """How much every item of a history speaks for ``item``, apart from what depends on the rest of the history.

    Shape (I,). ``None`` for an operator that no history moves, or whose pull is not a sum over the history.
    """
    if isinstance(operator, ProxyOperator):
        return _through_proxies(operator, item)
    if isinstance(operator, GrownEmbedding):
        vector = operator.embeddings_of(np.array([item], np.int32))
        return np.concatenate([products(part.fold_in, vector)[0] for part in (operator.inner, operator.folded)])
    if isinstance(operator, SparseOperator):
        return _column(operator.item_item, item)
    if isinstance(operator, FactorOperator):
        return np.asarray(operator.left @ _column(operator.right, item), np.float32)
    if isinstance(operator, DenseOperator):
        return np.asarray(operator.item_item[:, item], np.float32)
    if isinstance(operator, EmbeddingOperator):
        return np.asarray(products(operator.fold_in, operator.embeddings_of(np.array([item], np.int32)))[0])
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
    """The column of an item, old or new; new items of a history speak through the known ones that stand for them."""
    known = operator.proxies.shape[1]
    if item < known:
        inner = item_column(operator.inner, item)
    else:
        span = slice(operator.proxies.indptr[item - known], operator.proxies.indptr[item - known + 1])
        shares = zip(operator.proxies.indices[span].tolist(), operator.proxies.data[span].tolist(), strict=True)
        columns = [(share, item_column(operator.inner, place)) for place, share in shares]
        parts = [np.float32(CONFIDENCE * share) * column for share, column in columns if column is not None]
        inner = np.asarray(np.sum(parts, axis=0), np.float32) if parts else None
    if inner is None:
        return None
    return np.concatenate([inner, np.asarray(operator.proxies @ inner, np.float32)])


def _column(matrix: sp.csr_array, column: int) -> FloatArray:
    """One column of a CSR matrix, dense; one pass over its entries."""
    dense = np.zeros(matrix.shape[0], np.float32)
    at = np.flatnonzero(matrix.indices == column)
    rows = np.searchsorted(matrix.indptr, at, side="right") - 1
    np.add.at(dense, rows, matrix.data[at])
    return dense
