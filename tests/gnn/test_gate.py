"""The gate promotes what is surely better on the same users, and names who is served otherwise."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnn.evaluation import Evaluation
from gnn.evaluation.gate import decide
from gnn.evaluation.metrics import Exposure
from graph.errors import InputError


def measured(values: np.ndarray | list[float], first_user: int = 0) -> Evaluation:
    """An evaluation with these figures, user by user."""
    figures = np.asarray(values, np.float64)
    users = np.arange(first_user, first_user + figures.size, dtype=np.int32)
    lists = np.zeros((figures.size, 1), np.int32)
    return Evaluation(users, lists, {"ndcg@20": figures}, Exposure(0.0, 0.0, 0.0), (), 0.0)


def around(mean: float, seed: int, users: int = 300) -> np.ndarray:
    return np.clip(np.random.default_rng(seed).normal(mean, 0.1, users), 0, 1)


BASELINES = {"popularity": measured(around(0.2, 1)), "ease": measured(around(0.4, 2))}


def test_a_surely_better_ranking_is_promoted_over_the_best_baseline() -> None:
    verdict = decide("kindred", measured(around(0.5, 3)), BASELINES)
    assert verdict.promoted
    assert (verdict.winner, verdict.baseline) == ("kindred", "ease")
    assert verdict.interval[0] > 0
    assert verdict.difference == pytest.approx(0.1, abs=0.02)
    assert verdict.sentence.startswith("kindred beats ease on validation (ndcg@20 +0.")
    assert verdict.sentence.endswith("300 users): promoted")


def test_a_worse_ranking_is_not_served() -> None:
    verdict = decide("kindred", measured(around(0.3, 3)), BASELINES)
    assert not verdict.promoted
    assert verdict.winner == verdict.baseline == "ease"
    assert verdict.interval[1] < 0
    assert verdict.sentence.startswith("ease is not beaten on validation (ndcg@20 -0.")
    assert verdict.sentence.endswith("ease is served")


def test_better_on_average_but_not_surely_is_not_enough() -> None:
    few = {"ease": measured([0.2, 0.4, 0.9, 0.1])}
    verdict = decide("kindred", measured([0.9, 0.3, 0.6, 0.2]), few)
    assert verdict.difference > 0
    assert verdict.interval[0] <= 0 < verdict.interval[1]
    assert not verdict.promoted
    assert verdict.winner == "ease"


def test_without_a_challenger_the_best_baseline_wins() -> None:
    verdict = decide("kindred", None, BASELINES)
    assert (verdict.promoted, verdict.winner, verdict.users) == (False, "ease", 300)
    assert verdict.sentence == "ease is the best baseline on validation (300 users); nothing challenged it"


def test_the_verdict_is_plain_json() -> None:
    document = json.loads(json.dumps(decide("kindred", measured(around(0.5, 3)), BASELINES).to_document()))
    assert document.keys() == {"promoted", "winner", "baseline", "difference", "interval", "metric", "users", "draws"}
    assert len(document["interval"]) == 2


def test_rankings_of_different_users_are_not_compared() -> None:
    with pytest.raises(InputError, match="same users"):
        decide("kindred", measured(around(0.5, 3), first_user=1), BASELINES)


def test_a_gate_without_a_baseline_does_not_open() -> None:
    with pytest.raises(InputError, match="baseline"):
        decide("kindred", measured(around(0.5, 3)), {})


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(*(st.floats(0, 1, width=32) for _ in range(3))), min_size=1, max_size=40),
)
def test_promotion_always_means_a_better_mean_than_every_baseline(rows: list[tuple[float, float, float]]) -> None:
    challenger, first, second = (np.array(column) for column in zip(*rows, strict=True))
    verdict = decide("kindred", measured(challenger), {"a": measured(first), "b": measured(second)})
    best = max(first.mean(), second.mean())
    assert verdict.difference == pytest.approx(challenger.mean() - best)
    assert verdict.winner == ("kindred" if verdict.promoted else verdict.baseline)
    if verdict.promoted:
        assert challenger.mean() > best
