"""Metrics against loops, and against two independent libraries."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from gnn.evaluation.metrics import Metric, exposure, hits, parse_metrics
from graph.errors import InputError


def naive(kind: str, ranked: list[int], relevant: set[int], k: int) -> float:
    first_k = [item for item in ranked[:k] if item >= 0]
    found = [item in relevant for item in first_k]
    if kind == "recall":
        return sum(found) / len(relevant)
    if kind == "precision":
        return sum(found) / k
    if kind in ("hr", "phr"):
        return float(any(found))
    if kind == "mrr":
        return next((1 / (place + 1) for place, hit in enumerate(found) if hit), 0.0)
    gain = sum(1 / math.log2(place + 2) for place, hit in enumerate(found) if hit)
    best = sum(1 / math.log2(place + 2) for place in range(min(k, len(relevant))))
    return gain / best


def random_lists(seed: int, num_users: int = 30, num_items: int = 50, width: int = 12):
    rng = np.random.default_rng(seed)
    ranked = np.stack([rng.permutation(num_items)[:width] for _ in range(num_users)]).astype(np.int32)
    ranked[rng.random(num_users) < 0.2, width // 2 :] = -1
    relevant = (rng.random((num_users, num_items)) < 0.1).astype(np.float32)
    relevant[np.arange(num_users), rng.integers(0, num_items, num_users)] = 1
    return ranked, sp.csr_array(relevant)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    kind=st.sampled_from(["recall", "precision", "hr", "phr", "mrr", "ndcg"]),
    k=st.sampled_from([1, 3, 10, 12, 20]),
)
def test_agrees_with_the_naive_twin(seed: int, kind: str, k: int) -> None:
    ranked, relevant = random_lists(seed)
    counts = np.diff(relevant.indptr)
    got = Metric(kind, k)(hits(ranked, relevant), counts)
    wanted = [set(relevant[[row]].indices.tolist()) for row in range(len(ranked))]
    expected = [naive(kind, ranked[row].tolist(), wanted[row], k) for row in range(len(ranked))]
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_agrees_with_ir_measures() -> None:
    ir_measures = pytest.importorskip("ir_measures", reason="NOT CROSS-CHECKED: pip install ir-measures")
    ranked, relevant = random_lists(4)
    run = [
        ir_measures.ScoredDoc(str(row), str(item), float(100 - place))
        for row in range(len(ranked))
        for place, item in enumerate(ranked[row].tolist())
        if item >= 0
    ]
    judged = [
        ir_measures.Qrel(str(row), str(item), 1) for row in range(len(ranked)) for item in relevant[[row]].indices
    ]
    measures = {
        "ndcg@10": ir_measures.nDCG @ 10,
        "recall@10": ir_measures.R @ 10,
        "precision@10": ir_measures.P @ 10,
        "mrr@10": ir_measures.RR @ 10,
        "hr@10": ir_measures.Success @ 10,
    }
    theirs = ir_measures.calc_aggregate(list(measures.values()), judged, run)
    hit, counts = hits(ranked, relevant), np.diff(relevant.indptr)
    for name, measure in measures.items():
        assert Metric.parse(name)(hit, counts).mean() == pytest.approx(theirs[measure], abs=1e-6), name


def test_agrees_with_pytorch_geometric() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of its own deprecations while it is imported
        torch = pytest.importorskip("torch", reason="NOT CROSS-CHECKED: pip install 'kindred[train]'")
        metrics = pytest.importorskip("torch_geometric.metrics", reason="NOT CROSS-CHECKED: needs torch-geometric")
    ranked, relevant = random_lists(5)
    ranked = np.maximum(ranked, 0)  # PyG knows no empty places
    hit, counts = hits(ranked, relevant), np.diff(relevant.indptr)
    rows = np.repeat(np.arange(len(ranked)), counts)
    label = torch.from_numpy(np.stack([rows, relevant.indices]).astype(np.int64))
    theirs = {
        "ndcg@10": metrics.LinkPredNDCG(10),
        "recall@10": metrics.LinkPredRecall(10),
        "precision@10": metrics.LinkPredPrecision(10),
        "mrr@10": metrics.LinkPredMRR(10),
        "hr@10": metrics.LinkPredHitRatio(10),
    }
    for name, metric in theirs.items():
        metric.update(torch.from_numpy(ranked[:, :10].astype(np.int64)), label)
        assert Metric.parse(name)(hit, counts).mean() == pytest.approx(float(metric.compute()), abs=1e-5), name


def test_ndcg_divides_by_the_best_list_of_all_relevant_items() -> None:
    relevant = sp.csr_array(np.array([[1, 1, 1, 0, 0]], np.float32))
    ranked = np.array([[0, 3]], np.int32)
    got = Metric("ndcg", 2)(hits(ranked, relevant), np.array([3]))
    assert got[0] == pytest.approx(1 / (1 + 1 / math.log2(3)))


@pytest.mark.parametrize("name", ["auc@10", "recall", "recall@", "recall@0", "recall@-1", "recall@x", ""])
def test_an_unknown_metric_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="unknown metric"):
        Metric.parse(name)


def test_metrics_are_named_once_in_order() -> None:
    assert [metric.name for metric in parse_metrics(["hr@5", "mrr@3", "hr@5"])] == ["hr@5", "mrr@3"]


def test_exposure_of_a_world_counted_by_hand() -> None:
    shown = exposure(np.array([[0, 1], [0, -1]], np.int32), np.array([6, 1, 0, 0]), mean_history_popularity=2.0)
    assert shown.coverage == 0.5
    share = np.array([7 / 11, 2 / 11, 7 / 11])
    assert shown.novelty == pytest.approx(-np.log2(share).mean())
    assert shown.popularity_lift == pytest.approx((6 + 1 + 6) / 3 / 2.0 - 1)


def test_exposure_of_no_list_is_nothing() -> None:
    shown = exposure(np.full((2, 3), -1, np.int32), np.array([1, 2]), 1.0)
    assert (shown.coverage, shown.novelty, shown.popularity_lift) == (0.0, 0.0, 0.0)
