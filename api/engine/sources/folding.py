"""Items that came after the release, folded into its sources by their text and attributes, without training.

A source with weights for it (GraphSAGE, the flagship) computes a new item's embedding; the text source takes its text
vector; for every other one a new item is seen through its nearest known items, by text and attributes.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from api.engine.finding.live import LiveState
from api.engine.finding.meaning import Meanings
from api.engine.sources.grown_sequence import GrownSequence
from gnn.data import ItemKnowledge
from gnn.data.histories import FloatArray, Histories, IntArray
from gnn.operators import (
    Arrays,
    ConstantOperator,
    EmbeddingOperator,
    Operator,
    OrderedOperator,
    add_scores,
    add_stacked,
)
from gnn.operators.contexts import products
from gnn.operators.foldin import FoldedItems, ItemFoldIn
from gnn.operators.sequences import SequenceOperator
from gnn.operators.weighed import Weighed
from gnn.ranker import top_k
from graph.release import Release

NEIGHBORS = 10
"""Known items that stand for a new one."""
CONFIDENCE = 0.9
"""What a score read off neighbours counts: a known item with the same score goes before a guess."""
_ATTRIBUTES = 0.5
"""What shared attributes count beside the cosine of texts."""
TEXT = "text"
FOLD_IN = "fold_in"
"""Prefix of the arrays in a release."""


@dataclass(frozen=True)
class ProxyOperator:
    """An operator over more items than it was fitted on, each new one seen through known ones.

    Shape: ``proxies`` (N, I), what each known item counts for a new one: rows sum to 1, or to 0 for an item of which
    nothing is known, which scores as low as the lowest.
    """

    kind: ClassVar[str] = "proxy"
    inner: Operator
    proxies: sp.csr_array

    def score(self, weights: sp.csr_array, user_index: IntArray | None = None) -> FloatArray:
        known = self.proxies.shape[1]
        history = sp.csr_array(weights[:, :known])
        late = sp.csr_array(weights[:, known:])
        if late.nnz:
            history = sp.csr_array(history + late @ self.proxies)
        return self._with_late(self.inner.score(history, user_index))

    def add_scores(self, weighed: Weighed, out: FloatArray, scale: float = 1.0) -> None:
        known = self.proxies.shape[1]
        if (weighed.item_index >= known).any():
            add_stacked(self, weighed, out, scale)
            return
        scores = np.zeros((*out.shape[:2], known), np.float32)
        add_scores(self.inner, replace(weighed, num_items=known), scores)
        out += np.float32(scale) * self._with_late(scores.reshape(-1, known)).reshape(out.shape)

    def arrays(self) -> Arrays:
        return self.inner.arrays()

    def _with_late(self, scores: FloatArray) -> FloatArray:
        """The scores of known items, then those of new ones. Shape (B, I) → (B, I + N)."""
        lowest = scores.min(axis=1, keepdims=True, initial=np.inf)
        seen = np.diff(self.proxies.indptr) > 0
        likely = np.asarray((self.proxies @ scores.T).T, np.float32)
        late_scores = np.where(seen, lowest + CONFIDENCE * (likely - lowest), lowest)
        return np.concatenate([scores, late_scores.astype(np.float32)], axis=1)


@dataclass(frozen=True)
class ProxyOrderedOperator(ProxyOperator):
    """The same over an operator that reads events in order: one with a new item reads as its nearest known item."""

    inner: OrderedOperator

    def score_ordered(self, histories: Histories) -> FloatArray:
        known = self.proxies.shape[1]
        nearest = np.full(self.proxies.shape[0], known, np.int32)  # of which nothing is known: passed over
        for row in np.flatnonzero(np.diff(self.proxies.indptr)).tolist():
            span = slice(self.proxies.indptr[row], self.proxies.indptr[row + 1])
            nearest[row] = self.proxies.indices[span][np.argmax(self.proxies.data[span])]
        items = histories.item_index.copy()
        late = items >= known
        items[late] = nearest[items[late] - known]
        read = replace(histories, item_index=items, num_items=known + 1).among(known)
        return self._with_late(self.inner.score_ordered(read))


@dataclass(frozen=True)
class GrownEmbedding:
    """An embedding operator with rows for new items. Shapes: ``folded`` (N, D) each.

    ``known`` (N,): False for an item of which nothing is known, which scores as low as the lowest.
    """

    kind: ClassVar[str] = "grown_embedding"
    inner: EmbeddingOperator
    folded: FoldedItems
    known: npt.NDArray[np.bool_]

    def embeddings_of(self, item_index: IntArray) -> FloatArray:
        """The embeddings of some items, old or new. Shape (N, D)."""
        num_known = len(self.inner.item_embedding)
        rows = np.asarray(self.inner.item_embedding[np.minimum(item_index, num_known - 1)], np.float32)
        late = item_index >= num_known
        rows[late] = self.folded.item_embedding[item_index[late] - num_known]
        return rows

    def score(self, weights: sp.csr_array, user_index: IntArray | None = None) -> FloatArray:
        inner, num_known = self.inner, len(self.inner.item_embedding)
        total = np.maximum(np.asarray(weights.sum(axis=1), np.float32).ravel(), 1e-12) ** inner.length_power
        users = inner.user_embedding(sp.csr_array(weights[:, :num_known]), user_index)
        late = sp.csr_array(weights[:, num_known:])
        if late.nnz:
            share = np.maximum(np.asarray(weights[:, :num_known].sum(axis=1), np.float32).ravel(), 1e-12)
            residual = _residual(inner, user_index, len(users))
            folded = (users - residual) * (share**inner.length_power / total)[:, None] + residual
            users = np.asarray(folded + late @ self.folded.fold_in / total[:, None], np.float32)
        return self._of_users(users)

    def add_scores(self, weighed: Weighed, out: FloatArray, scale: float = 1.0) -> None:
        if (weighed.item_index >= len(self.inner.item_embedding)).any():
            add_stacked(self, weighed, out, scale)
            return
        users = self.inner.user_embeddings(weighed, len(out))
        out += np.float32(scale) * self._of_users(users.reshape(-1, users.shape[2])).reshape(out.shape)

    def _of_users(self, users: FloatArray) -> FloatArray:
        """The scores of known items, then of new ones. Shape (B, D) → (B, I + N)."""
        inner = self.inner
        scores, late_scores = products(inner.item_embedding, users), products(self.folded.item_embedding, users)
        if inner.item_bias is not None:
            scores = scores + inner.item_bias
            late_scores = late_scores + np.float32(np.median(inner.item_bias))
        lowest = scores.min(axis=1, keepdims=True, initial=np.inf)
        return np.concatenate([scores, np.where(self.known, late_scores, lowest)], axis=1).astype(np.float32)

    def arrays(self) -> Arrays:
        return self.inner.arrays()


def _nothing(rows: int, columns: int) -> sp.csr_array:
    nothing: tuple[FloatArray, IntArray, npt.NDArray[np.int64]]
    nothing = (np.empty(0, np.float32), np.empty(0, np.int32), np.zeros(rows + 1, np.int64))
    return sp.csr_array(nothing, shape=(rows, columns))


def _residual(inner: EmbeddingOperator, user_index: IntArray | None, rows: int) -> FloatArray:
    nobody = np.zeros((rows, inner.item_embedding.shape[1]), np.float32)
    if inner.user_residual is not None and user_index is not None:
        known = (user_index >= 0) & (user_index < len(inner.user_residual))
        nobody[known] = inner.user_residual[user_index[known]]
    return nobody


def fold_ins_of(release: Release) -> dict[str, ItemFoldIn]:
    """The fold-in weights that a release holds, by source.

    Raises:
        ReleaseError: when some are damaged.
    """
    by_source: dict[str, dict[str, npt.NDArray[np.generic]]] = {}
    for name, array in release.arrays(f"{FOLD_IN}/").items():
        _, source, part = name.split("/", 2)
        by_source.setdefault(source, {})[part] = array
    return {source: ItemFoldIn.from_arrays(arrays) for source, arrays in by_source.items()}


class Folding:
    """Folds new items into operators. ``fold_ins`` by source. What was found for an item is kept until it changes."""

    def __init__(self, num_known: int, meanings: Meanings | None, fold_ins: Mapping[str, ItemFoldIn]) -> None:
        self._num_known = num_known
        self._meanings = meanings
        self._fold_ins = fold_ins
        self._neighbors: dict[int, tuple[bytes, IntArray, FloatArray]] = {}

    def copied(self) -> Folding:
        """The same, to go on with other items."""
        other = copy(self)
        other._neighbors = dict(self._neighbors)
        return other

    def folded(
        self, operators: Mapping[str, Operator], knowledge: ItemKnowledge, live: LiveState, num_items: int
    ) -> dict[str, Operator]:
        """The operators over ``num_items`` items, those that came since the release among them."""
        late = np.arange(self._num_known, num_items)
        vectors = self._vectors(live, late)
        attributes = {
            edge_type: sp.csr_array(matrix[self._num_known : num_items])
            for edge_type, matrix in knowledge.attributes.items()
        }
        proxies = self._proxies(vectors, attributes, knowledge, late.size)
        return {
            name: self._one(name, operator, vectors, attributes, proxies, late.size)
            for name, operator in operators.items()
        }

    def _one(
        self,
        name: str,
        operator: Operator,
        vectors: FloatArray | None,
        attributes: Mapping[tuple[str, str, str], sp.csr_array],
        proxies: sp.csr_array,
        count: int,
    ) -> Operator:
        if isinstance(operator, ConstantOperator):
            return operator.grown(count)
        if isinstance(operator, EmbeddingOperator):
            if name == TEXT and vectors is not None and self._meanings is not None:
                rows = self._meanings.around_mean(vectors)
                if rows.shape[1] == operator.item_embedding.shape[1]:
                    return GrownEmbedding(operator, FoldedItems(rows, rows), (rows != 0).any(axis=1))
            if (grown := self._by_weights(name, vectors, attributes, count)) is not None:
                return GrownEmbedding(operator, *grown)
        if isinstance(operator, OrderedOperator):
            own = self._by_weights(name, vectors, attributes, count)
            if own is not None and isinstance(operator, SequenceOperator):
                return GrownSequence(operator, *own)
            return ProxyOrderedOperator(operator, proxies)
        return ProxyOperator(operator, proxies)

    def _by_weights(
        self,
        name: str,
        vectors: FloatArray | None,
        attributes: Mapping[tuple[str, str, str], sp.csr_array],
        count: int,
    ) -> tuple[FoldedItems, npt.NDArray[np.bool_]] | None:
        """New items by a source's own weights, and of which of them anything is known; None where it has none."""
        fold_in = self._fold_ins.get(name)
        if fold_in is None:
            return None
        width = None if fold_in.text_weight is None else fold_in.text_weight.shape[0]
        text = vectors if vectors is not None and vectors.shape[1] == width else None
        described = {kind: matrix for kind, matrix in attributes.items() if kind in fold_in.attributes}
        if text is None and not described:
            return None
        known = np.zeros(count, bool) if text is None else (text != 0).any(axis=1)
        for matrix in described.values():
            known |= np.diff(matrix.indptr) > 0
        return fold_in.apply(text, described), known

    def _vectors(self, live: LiveState, late: npt.NDArray[np.int64]) -> FloatArray | None:
        if self._meanings is None:
            return None
        rows = np.zeros((late.size, self._meanings.vectors.shape[1]), np.float32)
        for at, row in enumerate(late.tolist()):
            if row in live.vectors:
                rows[at] = live.vectors[row]
        return rows

    def _proxies(
        self,
        vectors: FloatArray | None,
        attributes: Mapping[tuple[str, str, str], sp.csr_array],
        knowledge: ItemKnowledge,
        count: int,
    ) -> sp.csr_array:
        around = None if vectors is None or self._meanings is None else self._meanings.around_mean(vectors)
        stacked = sp.csr_array(sp.hstack([_nothing(count, 0), *attributes.values()], format="csr"))
        keys = [
            (b"" if around is None else around[at].tobytes())
            + stacked.indices[stacked.indptr[at] : stacked.indptr[at + 1]].tobytes()
            for at in range(count)
        ]
        asked = [at for at in range(count) if at not in self._neighbors or self._neighbors[at][0] != keys[at]]
        if asked:
            likeness = self._likeness(None if around is None else around[asked], stacked, knowledge, asked)
            best = top_k(likeness, min(NEIGHBORS, self._num_known))
            for row, at in enumerate(asked):
                found = best[row][best[row] >= 0]
                found = found[likeness[row, found] > 0]
                weight = likeness[row, found]
                self._neighbors[at] = (keys[at], found.astype(np.int32), weight / max(float(weight.sum()), 1e-9))
        kept = [self._neighbors[at] for at in range(count)]
        indptr = np.cumsum([0, *(rows.size for _, rows, _ in kept)])
        indices = np.concatenate([np.empty(0, np.int32), *(rows for _, rows, _ in kept)])
        data = np.concatenate([np.empty(0, np.float32), *(weight for _, _, weight in kept)])
        return sp.csr_array((data.astype(np.float32), indices, indptr), shape=(count, self._num_known))

    def _likeness(
        self, around: FloatArray | None, stacked: sp.csr_array, knowledge: ItemKnowledge, asked: list[int]
    ) -> FloatArray:
        """How like some new items are to every known one. Shape (N, I)."""
        total = np.zeros((len(asked), self._num_known), np.float32)
        if around is not None and self._meanings is not None:
            total += np.maximum((around @ self._meanings.projection) @ self._meanings.projected.T, 0.0)
        if stacked.nnz:
            known = sp.csr_array(
                sp.hstack([sp.csr_array(matrix[: self._num_known]) for matrix in knowledge.attributes.values()])
            )
            degree = np.bincount(known.indices, minlength=known.shape[1])
            rarity = np.log1p(self._num_known / np.maximum(degree, 1)).astype(np.float32)
            mine = sp.csr_array(stacked[asked])
            shared = np.asarray((mine.multiply(rarity[None, :]).tocsr() @ known.T).toarray(), np.float32)
            whole = np.asarray(mine @ rarity, np.float32).reshape(-1, 1)
            total += _ATTRIBUTES * shared / np.maximum(whole, 1e-9)
        return np.asarray(total, np.float32)
