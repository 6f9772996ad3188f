"""How alike items are: what the engine's sources say of every pair among a few items."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from api.engine.connections import Connections
from api.engine.sources.folding import GrownEmbedding, ProxyOperator
from gnn.data.histories import FloatArray, IntArray
from gnn.operators import EmbeddingOperator, Operator, SparseOperator


def likeness(connections: Connections, operators: Mapping[str, Operator], item_index: IntArray) -> FloatArray:
    """The mean of what attributes and what learned sources say, 0 to 1. Shapes: (M,) → (M, M).

    Attributes: the cosine of what two items are connected to, rare things counting more. Learned sources: the mean
    over them of the cosine of two embeddings, or of an item-to-item weight as a share of the larger of the two
    items' strongest weight here. What says nothing of any pair is left out.
    """
    learned = [_of_operator(operator, item_index) for operator in operators.values()]
    said = [matrix for matrix in learned if matrix is not None and _speaks(matrix)]
    parts = [matrix for matrix in (_of_connections(connections, item_index),) if _speaks(matrix)]
    if said:
        parts.append(np.mean(said, axis=0))
    size = item_index.size
    return np.asarray(np.mean(parts, axis=0) if parts else np.zeros((size, size)), np.float32)


def _of_connections(connections: Connections, item_index: IntArray) -> FloatArray:
    chosen = sp.csr_array(connections.matrix[item_index])
    weight = connections.attribute_rarity[chosen.indices]
    chosen = sp.csr_array((weight, chosen.indices, chosen.indptr), shape=chosen.shape)
    length = np.sqrt(np.asarray(chosen.multiply(chosen).sum(axis=1)).ravel())
    dots = np.asarray((chosen @ chosen.T).toarray(), np.float32)
    return np.asarray(dots / np.maximum(np.outer(length, length), 1e-12), np.float32)


def _of_operator(operator: Operator, item_index: IntArray) -> FloatArray | None:
    if isinstance(operator, ProxyOperator):
        rows = np.flatnonzero(item_index < operator.proxies.shape[1])
        known = _of_operator(operator.inner, item_index[rows])
        return None if known is None else _spread(known, rows, item_index.size)
    if isinstance(operator, EmbeddingOperator | GrownEmbedding):
        vectors = np.asarray(operator.embeddings_of(item_index), np.float32)
        vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return np.asarray(np.maximum(vectors @ vectors.T, 0.0), np.float32)
    if isinstance(operator, SparseOperator):
        chosen = sp.csr_array(operator.item_item[item_index])[:, item_index].toarray()
        np.fill_diagonal(chosen, 0.0)
        both = np.maximum(chosen, chosen.T)
        strongest = both.max(axis=1, initial=0.0)
        return np.asarray(both / np.maximum(np.maximum.outer(strongest, strongest), 1e-12), np.float32)
    return None


def _spread(matrix: FloatArray, rows: npt.NDArray[np.int64], size: int) -> FloatArray:
    """The matrix of some of the items as one of all; nothing is said of the others."""
    whole = np.zeros((size, size), np.float32)
    whole[np.ix_(rows, rows)] = matrix
    return whole


def _speaks(matrix: FloatArray) -> bool:
    """Whether anything is said of any two different items."""
    return bool(np.count_nonzero(matrix) > np.count_nonzero(matrix.diagonal()))
