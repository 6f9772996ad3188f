"""Operators that are linear in the weights of a history: walks, tables, embeddings, and sums of such."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy.sparse as sp

from gnn.compiled.passes import sparse_scores
from gnn.data.histories import FloatArray, IntArray
from gnn.operators.contexts import add_factor, add_folded, add_products, add_sparse, folded, products
from gnn.operators.halves import Table, weighted_rows
from gnn.operators.operator import Arrays, Operator, add_scores, add_stacked
from gnn.operators.weighed import Weighed


@dataclass(frozen=True)
class SparseOperator:
    """``scores = weights @ item_item``: a walk of fixed length, truncated to its strongest neighbours. Shape (I, I)."""

    kind: ClassVar[str] = "sparse"
    item_item: sp.csr_array

    def score(self, weights: sp.csr_array, user_index: IntArray | None = None) -> FloatArray:
        return sparse_scores(weights, self.item_item)

    def add_scores(self, weighed: Weighed, out: FloatArray, scale: float = 1.0) -> None:
        if not add_sparse(weighed, self.item_item, scale, out):
            add_stacked(self, weighed, out, scale)

    def arrays(self) -> Arrays:
        return {
            "indptr": np.asarray(self.item_item.indptr, np.int64),
            "indices": np.asarray(self.item_item.indices, np.int32),
            "data": np.asarray(self.item_item.data, np.float32),
        }


@dataclass(frozen=True)
class FactorOperator:
    """``scores = weights @ left @ right``: a walk over attributes (items → attributes → items).

    Shapes: ``left`` (I, A), ``right`` (A, I), both CSR.
    """

    kind: ClassVar[str] = "factor"
    left: sp.csr_array
    right: sp.csr_array

    def score(self, weights: sp.csr_array, user_index: IntArray | None = None) -> FloatArray:
        return sparse_scores(sp.csr_array(weights @ self.left), self.right)

    def add_scores(self, weighed: Weighed, out: FloatArray, scale: float = 1.0) -> None:
        if not add_factor(weighed, self.left, self.right, scale, out):
            add_stacked(self, weighed, out, scale)

    def arrays(self) -> Arrays:
        named: Arrays = {}
        for name, matrix in (("left", self.left), ("right", self.right)):
            named[f"{name}_indptr"] = np.asarray(matrix.indptr, np.int64)
            named[f"{name}_indices"] = np.asarray(matrix.indices, np.int32)
            named[f"{name}_data"] = np.asarray(matrix.data, np.float32)
        return named


@dataclass(frozen=True)
class DenseOperator:
    """``scores = weights @ item_item`` with a dense matrix (EASE). Shape (I, I)."""

    kind: ClassVar[str] = "dense"
    item_item: Table

    def score(self, weights: sp.csr_array, user_index: IntArray | None = None) -> FloatArray:
        return weighted_rows(weights, self.item_item)

    def add_scores(self, weighed: Weighed, out: FloatArray, scale: float = 1.0) -> None:
        add_folded(weighed, self.item_item, scale, out)

    def arrays(self) -> Arrays:
        return {"item_item": self.item_item}


@dataclass(frozen=True)
class EmbeddingOperator:
    """``scores = (n(weights) @ fold_in + residual[user]) @ item_embedding.T + item_bias``.

    ``fold_in`` (I, D) turns a history into a user embedding; ``n`` divides each history's weights by its
    sum to the power ``length_power``. ``user_residual`` (U, D) is what the model knows of its training users
    beyond their history, so that for an unchanged history the score is exactly the model's own. ``alone`` (I, I) holds
    the scores of a history of one item, of nobody, where they are kept.
    """

    kind: ClassVar[str] = "embedding"
    item_embedding: Table
    fold_in: Table
    user_residual: FloatArray | None = None
    item_bias: FloatArray | None = None
    length_power: float = 1.0
    alone: Table | None = None

    def embeddings_of(self, item_index: IntArray) -> FloatArray:
        """The embeddings of some items. Shape (N, D)."""
        return np.asarray(self.item_embedding[item_index], np.float32)

    def user_embedding(self, weights: sp.csr_array, user_index: IntArray | None = None) -> FloatArray:
        """Embeddings of the users behind the histories. Shape (B, D)."""
        if weights.shape[0] == 1:  # one answer: scipy's way to it takes longer than the sum
            events = np.asarray(weights.data, np.float32)
            total = np.maximum(events.sum(keepdims=True), np.float32(1e-12))
            embedding = (events @ np.asarray(self.fold_in[weights.indices], np.float32))[None, :]
        else:
            total = np.maximum(np.asarray(weights.sum(axis=1), np.float32).ravel(), 1e-12)
            embedding = weighted_rows(weights, self.fold_in)
        embedding /= (total**self.length_power)[:, None]
        if self.user_residual is not None and user_index is not None:
            known = (user_index >= 0) & (user_index < len(self.user_residual))
            embedding[known] += self.user_residual[user_index[known]]
        return np.asarray(embedding, np.float32)

    def score(self, weights: sp.csr_array, user_index: IntArray | None = None) -> FloatArray:
        users = self.user_embedding(weights, user_index)
        scores = products(self.item_embedding, users)
        return scores if self.item_bias is None else np.asarray(scores + self.item_bias, np.float32)

    def user_embeddings(self, weighed: Weighed, contexts: int) -> FloatArray:
        """:meth:`user_embedding` in the first ``contexts`` readings of the histories at once. Shape (C, B, D)."""
        if weighed.item_index.size == len(weighed) == contexts == 1:  # one item: its row, and nothing to sum
            count = weighed.weight[0, 0]
            of_one = count / np.maximum(count, np.float32(1e-12)) ** self.length_power
            own = np.asarray(self.fold_in[weighed.item_index], np.float32)
            embedding = (own * np.float32(of_one))[None]
        else:
            embedding = self._folded(weighed, contexts)
        if self.user_residual is not None:
            for row, user in enumerate(weighed.user_index.tolist()):
                if 0 <= user < len(self.user_residual):
                    embedding[0, row] += self.user_residual[user]
        return embedding

    def _folded(self, weighed: Weighed, contexts: int) -> FloatArray:
        embedding = folded(weighed, self.fold_in, contexts)
        total = np.maximum(weighed.totals(contexts), np.float32(1e-12))
        embedding /= (total**self.length_power)[:, :, None]
        return embedding

    def add_scores(self, weighed: Weighed, out: FloatArray, scale: float = 1.0) -> None:
        if self.alone is not None and weighed.is_one_item:
            add_folded(weighed, self.alone, scale, out)
            return
        users = self.user_embeddings(weighed, len(out))
        add_products(self.item_embedding, users.reshape(-1, users.shape[2]), scale, out.reshape(-1, out.shape[2]))
        if self.item_bias is not None:
            out += np.float32(scale) * self.item_bias

    def arrays(self) -> Arrays:
        named: Arrays = {
            "item_embedding": self.item_embedding,
            "fold_in": self.fold_in,
            "length_power": np.array([self.length_power], np.float64),
        }
        if self.user_residual is not None:
            named["user_residual"] = self.user_residual
        if self.item_bias is not None:
            named["item_bias"] = self.item_bias
        if self.alone is not None:
            named["alone"] = self.alone
        return named


@dataclass(frozen=True)
class ConstantOperator:
    """The same score for everyone (popularity). Shape (I,); ``late_score`` is that of items that came afterwards."""

    kind: ClassVar[str] = "constant"
    item_score: FloatArray
    late_score: float = 0.0

    def grown(self, count: int) -> ConstantOperator:
        """The same over ``count`` items more."""
        late = np.full(count, self.late_score, np.float32)
        return ConstantOperator(np.concatenate([self.item_score, late]), self.late_score)

    def score(self, weights: sp.csr_array, user_index: IntArray | None = None) -> FloatArray:
        return np.broadcast_to(self.item_score, (weights.shape[0], self.item_score.size)).astype(np.float32)

    def add_scores(self, weighed: Weighed, out: FloatArray, scale: float = 1.0) -> None:
        out += np.float32(scale) * self.item_score

    def arrays(self) -> Arrays:
        late = {"late_score": np.array(self.late_score, np.float32)} if self.late_score else {}
        return {"item_score": self.item_score, **late}


@dataclass(frozen=True)
class SumOperator:
    """``scores = sum of coefficient * part's scores``: several operators that make up one model (a graph filter)."""

    kind: ClassVar[str] = "sum"
    parts: tuple[Operator, ...]
    coefficients: tuple[float, ...]

    def score(self, weights: sp.csr_array, user_index: IntArray | None = None) -> FloatArray:
        total = np.zeros(weights.shape, np.float32)
        for part, coefficient in zip(self.parts, self.coefficients, strict=True):
            total += np.float32(coefficient) * part.score(weights, user_index)
        return total

    def add_scores(self, weighed: Weighed, out: FloatArray, scale: float = 1.0) -> None:
        for part, coefficient in zip(self.parts, self.coefficients, strict=True):
            add_scores(part, weighed, out, scale * coefficient)

    def arrays(self) -> Arrays:
        named: Arrays = {"coefficients": np.array(self.coefficients, np.float64)}
        for number, part in enumerate(self.parts):
            named |= {f"{number}_{part.kind}_{name}": array for name, array in part.arrays().items()}
        return named
