"""The fast selection of the best scores agrees with a loop that can be read at a glance."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnn.ranker import top_k


def naive_top_k(scores: np.ndarray, k: int) -> list[list[int]]:
    rows = []
    for row in scores.tolist():
        rankable = [item for item, score in enumerate(row) if not math.isnan(score) and score != -math.inf]
        ranked = sorted(rankable, key=lambda item: (-row[item], item))[:k]
        rows.append(ranked + [-1] * (k - len(ranked)))
    return rows


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    num_rows=st.integers(0, 5),
    num_items=st.integers(1, 400),
    k=st.integers(0, 12),
    distinct=st.sampled_from([1, 2, 5, 50, 10**6]),
    blocked=st.sampled_from([0.0, 0.1, 0.9, 1.0]),
)
def test_agrees_with_the_naive_twin(
    seed: int, num_rows: int, num_items: int, k: int, distinct: int, blocked: float
) -> None:
    rng = np.random.default_rng(seed)
    scores = (rng.integers(0, distinct, (num_rows, num_items)) / distinct).astype(np.float32)
    scores[rng.random(scores.shape) < blocked] = -np.inf
    scores[rng.random(scores.shape) < 0.02] = np.nan
    assert top_k(scores, k).tolist() == naive_top_k(scores, k)


@pytest.mark.parametrize("share_of_zeros", [0.0, 0.999, 1.0])
def test_many_items_and_many_equal_scores(share_of_zeros: float) -> None:
    rng = np.random.default_rng(7)
    scores = rng.random((70, 3000), np.float32)
    scores[rng.random(scores.shape) < share_of_zeros] = 0
    assert top_k(scores, 10).tolist() == naive_top_k(scores, 10)


def test_infinitely_good_items_come_first() -> None:
    scores = np.zeros((1, 5), np.float32)
    scores[0, 3] = np.inf
    assert top_k(scores, 2).tolist() == [[3, 0]]


def test_more_places_than_items_are_filled_with_minus_one() -> None:
    assert top_k(np.array([[1.0, 2.0]], np.float32), 4).tolist() == [[1, 0, -1, -1]]


def test_the_scores_are_left_as_they_were() -> None:
    scores = np.array([[np.nan, 1.0, -np.inf, 2.0]] * 2, np.float32)
    before = scores.copy()
    top_k(scores, 3)
    np.testing.assert_array_equal(scores, before)
