"""How well lists of related items are told: by later baskets, and by what others say belongs together.

A target asks about single items: for each query item the items that turned out to be related. Lists are made per
distinct item, so that any maker of lists is measured by the same lines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from gnn.data.histories import FloatArray, IntArray
from gnn.evaluation.metrics import hits, parse_metrics
from gnn.ranker import top_k
from graph.sorting import distinct

METRICS = ("hr@10", "recall@10", "ndcg@10", "mrr@10")
K = 10


@dataclass(frozen=True)
class RelatedTarget:
    """Q questions: a query item each, and what is related to it. Shapes: ``query`` (Q,), ``relevant`` (Q, I)."""

    name: str
    query: IntArray
    relevant: sp.csr_array

    @property
    def items(self) -> IntArray:
        """The distinct query items, ascending."""
        return distinct(self.query)


def of_baskets(
    name: str, baskets: sp.csr_array, known: npt.NDArray[np.bool_], *, questions: int, seed: int = 42
) -> RelatedTarget:
    """An item of a basket asks for the others; up to ``questions`` of them, drawn by chance.

    Shapes: ``baskets`` (N, I) binary; ``known`` (I,), what lists can hold: other items are taken out.
    """
    kept = sp.csr_array(baskets.multiply(known[None, :]))
    kept.eliminate_zeros()
    large = np.flatnonzero(np.diff(kept.indptr) > 1)
    kept = sp.csr_array(kept[large])
    rows = np.repeat(np.arange(kept.shape[0]), np.diff(kept.indptr))
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.permutation(rows.size)[:questions])
    query = kept.indices[chosen].astype(np.int32)
    return RelatedTarget(name, query, _without(sp.csr_array(kept[rows[chosen]]), query))


def of_relation(
    name: str, pairs: sp.csr_array, known: npt.NDArray[np.bool_], *, questions: int, seed: int = 42
) -> RelatedTarget:
    """An item asks for those it is joined to. Shapes: ``pairs`` (I, I) binary, ``known`` (I,)."""
    kept = sp.csr_array(pairs.multiply(known[None, :]).multiply(known[:, None]))
    kept.eliminate_zeros()
    asked = np.flatnonzero(np.diff(kept.indptr))
    chosen = np.sort(np.random.default_rng(seed).permutation(asked)[:questions]).astype(np.int32)
    return RelatedTarget(name, chosen, _without(sp.csr_array(kept[chosen]), chosen))


def measure(target: RelatedTarget, lists: Mapping[int, Sequence[int]]) -> dict[str, float]:
    """The mean of each metric over the questions, for lists by query item."""
    ranked = np.full((target.query.size, K), -1, np.int32)
    for row, item in enumerate(target.query.tolist()):
        best = lists[item][:K]
        ranked[row, : len(best)] = best
    hit = hits(ranked, target.relevant)
    num_relevant = np.diff(target.relevant.indptr).astype(np.int64)
    return {metric.name: float(metric(hit, num_relevant).mean()) for metric in parse_metrics(METRICS)}


def popular_lists(count: npt.NDArray[np.integer], items: IntArray) -> dict[int, list[int]]:
    """The most chosen items for every query alike, the item itself left out. Shape: ``count`` (I,)."""
    best = np.argsort(-count, kind="stable")[: K + 1].tolist()
    return {item: [other for other in best if other != item][:K] for item in items.tolist()}


def counted_lists(baskets: sp.csr_array, items: IntArray) -> dict[int, list[int]]:
    """The items most often in one basket with the query: the plain co-count. Shape: ``baskets`` (N, I)."""
    together = sp.csr_array(baskets.T.tocsr()[items] @ baskets)
    lists = {}
    for row, item in enumerate(items.tolist()):
        counts: FloatArray = np.asarray(together[[row]].toarray(), np.float32)
        counts[0, item] = 0.0
        counts[counts <= 0] = -np.inf
        best = top_k(counts, K)[0]
        lists[item] = best[best >= 0].tolist()
    return lists


def overlap(one: Mapping[int, Sequence[int]], other: Mapping[int, Sequence[int]]) -> float:
    """The mean share of items that two makers of lists have in common for the same query."""
    shares = [len(set(one[item]) & set(other[item])) / max(len(one[item]), 1) for item in one if item in other]
    return float(np.mean(shares)) if shares else 0.0


def _without(relevant: sp.csr_array, query: IntArray) -> sp.csr_array:
    """The relevant items without the query items themselves."""
    rows = np.repeat(np.arange(query.size), np.diff(relevant.indptr))
    keep = relevant.indices != query[rows]
    indptr = np.zeros(query.size + 1, np.int64)
    np.cumsum(np.bincount(rows[keep], minlength=query.size), out=indptr[1:])
    return sp.csr_array((np.ones(int(keep.sum()), np.float32), relevant.indices[keep], indptr), shape=relevant.shape)
