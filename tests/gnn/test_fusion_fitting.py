"""The fusion's convex problem against a naive twin, and the choice of how far to trust it."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from scipy.optimize import minimize

from gnn.data import Interactions
from gnn.fusion import FeatureSpace, FusedRanker, FusionWeights, learn_fusion
from gnn.fusion.examples import FusionExamples, fusion_examples
from gnn.fusion.fitting import Lengths, curvature_of, fitted, mean_loss
from gnn.fusion.learning import ALONE
from gnn.operators import DenseOperator, Operator

NUM_ITEMS = 40
SPACE = FeatureSpace(("one", "two"), ("even",))


def examples(num_users: int = 60, seed: int = 0) -> FusionExamples:
    """Users with up to nine candidates, some with two choices, whose choice depends on two of six features."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((num_users, 9, 6), np.float32)
    present = np.arange(9) < rng.integers(4, 10, num_users)[:, None]
    utility = np.where(present, features[..., 0] - features[..., 4] + rng.gumbel(size=present.shape), -np.inf)
    chosen = np.zeros(present.shape, np.float32)
    best = np.argsort(-utility, axis=1)
    two = rng.random(num_users) < 0.3
    chosen[np.arange(num_users), best[:, 0]] = np.where(two, 0.5, 1.0)
    chosen[np.flatnonzero(two), best[two, 1]] = 0.5
    length = rng.integers(1, 30, num_users)
    return FusionExamples(
        np.arange(num_users, dtype=np.int32),
        features,
        chosen,
        present,
        length,
        1 + two.astype(int),
        rng.uniform(1, 5, num_users).astype(np.float32),
    )


def naive_objective(
    data: FusionExamples, weight: np.ndarray, slope: np.ndarray, centre: FusionWeights, strength: float, of_slope: float
) -> float:
    """The objective written out user by user."""
    total = 0.0
    for row in range(len(data)):
        length = centre.standard_length(data.length[row : row + 1])[0]
        score = data.features[row].astype(np.float64) @ (weight + length * slope)
        score[data.chosen[row] == 0] += math.log(data.stands_for[row])
        there = np.flatnonzero(data.present[row])
        log_total = math.log(sum(math.exp(score[at]) for at in there))
        total -= sum(float(data.chosen[row, at]) * (score[at] - log_total) for at in there)
    away = 0.5 * strength * np.sum((weight - centre.weight) ** 2)
    return float(total / len(data) + away + 0.5 * of_slope * np.sum((slope - centre.slope) ** 2))


@pytest.mark.parametrize("strength", [1.0, 0.01])
def test_the_fit_is_the_minimum_a_naive_search_finds(strength: float) -> None:
    data = examples()
    centre = Lengths.of(data).applied(FusionWeights.prior(SPACE))
    got = fitted(data, centre, strength, 2 * strength)
    naive = minimize(
        lambda flat: naive_objective(data, flat[:6], flat[6:], centre, strength, 2 * strength),
        np.concatenate([centre.weight, centre.slope]).astype(np.float64),
        method="BFGS",
    )
    np.testing.assert_allclose(got.weight, naive.x[:6], atol=5e-3)
    np.testing.assert_allclose(got.slope, naive.x[6:], atol=5e-3)
    assert got.learned


def test_where_it_starts_and_the_curvature_it_is_given_change_nothing() -> None:
    data = examples()
    centre = Lengths.of(data).applied(FusionWeights.prior(SPACE))
    plain = fitted(data, centre, 0.1, 0.1)
    other = fitted(
        data, centre, 0.1, 0.1, start=fitted(data, centre, 3.0, 3.0), curvature=curvature_of(examples(20, 9), centre)
    )
    np.testing.assert_allclose(other.weight, plain.weight, atol=2e-3)
    np.testing.assert_allclose(other.slope, plain.slope, atol=2e-3)


def test_an_infinite_slope_pull_leaves_no_slopes_and_an_infinite_weight_pull_is_never_asked_for() -> None:
    data = examples()
    centre = Lengths.of(data).applied(FusionWeights.prior(SPACE))
    without = fitted(data, centre, 0.01, math.inf)
    assert not without.slope.any()
    assert mean_loss(data, without) < mean_loss(data, centre)
    assert math.isinf(ALONE.strength)


def test_ndcg_counts_choices_that_are_no_candidates() -> None:
    data = examples(5)
    weights = FusionWeights.prior(SPACE)
    more = dataclasses.replace(data, num_chosen=data.num_chosen + 3)
    assert (more.ndcg(weights) < data.ndcg(weights)).all()


def shifted(step: int, noise: float, rng: np.random.Generator) -> DenseOperator:
    matrix = np.zeros((NUM_ITEMS, NUM_ITEMS), np.float32)
    matrix[np.arange(NUM_ITEMS), (np.arange(NUM_ITEMS) + step) % NUM_ITEMS] = 1.0
    return DenseOperator(matrix + noise * rng.random((NUM_ITEMS, NUM_ITEMS), dtype=np.float32))


def test_where_nothing_beats_the_best_source_it_is_served_alone() -> None:
    rng = np.random.default_rng(8)
    operators: dict[str, Operator] = {"good": shifted(1, 0.0, rng)}
    operators |= {
        f"noise {number}": DenseOperator(rng.random((NUM_ITEMS, NUM_ITEMS), np.float32)) for number in range(6)
    }
    last = rng.integers(0, NUM_ITEMS, 200)
    shape = {"num_users": 200, "num_items": NUM_ITEMS}
    train = Interactions.of(np.arange(200), last, **shape)
    validation = Interactions.of(np.arange(200), (last + 1) % NUM_ITEMS, **shape)
    learned = learn_fusion(operators, train, validation, ordered=False)
    assert learned.pull == ALONE
    assert learned.weights.importance()["good"] == 1.0
    single = FusedRanker(operators, FusionWeights.only(operators, "good"))
    histories = train.histories()
    fused = FusedRanker(operators, learned.weights).rank(histories, 5)
    np.testing.assert_array_equal(fused[:, 0], single.rank(histories, 5)[:, 0])


def test_judges_see_every_candidate_and_learners_a_part() -> None:
    rng = np.random.default_rng(2)
    operators: dict[str, Operator] = {
        f"noise {number}": DenseOperator(rng.random((400, 400), np.float32)) for number in range(3)
    }
    shape = {"num_users": 50, "num_items": 400}
    train = Interactions.of(np.arange(50), rng.integers(0, 400, 50), **shape)
    validation = Interactions.of(np.repeat(np.arange(50), 3), rng.integers(0, 400, 150), **shape)
    space = FeatureSpace.over(operators, ordered=False)
    material = fusion_examples(operators, space, train, validation, rng)
    assert material.judged.features.shape[1] > material.learned.features.shape[1]
    assert set(material.learned.user_index.tolist()) <= set(material.judged.user_index.tolist())
    np.testing.assert_allclose(material.learned.chosen.sum(axis=1), 1.0, rtol=1e-5)
    np.testing.assert_array_equal(material.judged.stands_for, 1.0)
    of_user = dict(
        zip(material.judged.user_index, (material.judged.chosen == 0) & material.judged.present, strict=True)
    )
    kept = ((material.learned.chosen == 0) & material.learned.present).sum(axis=1)
    everyone = [of_user[user].sum() for user in material.learned.user_index]
    np.testing.assert_allclose(material.learned.stands_for * kept, everyone, rtol=1e-5)


def test_a_part_of_the_candidates_teaches_what_all_of_them_do() -> None:
    rng = np.random.default_rng(11)
    users, width, kept = 3_000, 60, 24
    features = rng.standard_normal((users, width, 6), np.float32)
    truth = np.array([2.0, 0.0, 0.0, -1.5, 0.5, 0.0], np.float32)
    best = (features @ truth + rng.gumbel(size=(users, width))).argmax(axis=1)
    order = np.argsort(np.arange(width) != best[:, None], axis=1, kind="stable")  # what was chosen comes first
    features = np.take_along_axis(features, order[..., None], axis=1)

    def with_width(columns: int, stands_for: float) -> FusionExamples:
        shape = (users, columns)
        chosen = np.zeros(shape, np.float32)
        chosen[:, 0] = 1.0
        return FusionExamples(
            np.arange(users, dtype=np.int32), features[:, :columns], chosen, np.ones(shape, bool),
            np.ones(users, np.int64), np.ones(users, np.int64), np.full(users, stands_for, np.float32),
        )  # fmt: skip

    everything, corrected = with_width(width, 1.0), with_width(kept, (width - 1) / (kept - 1))
    weights = dataclasses.replace(FusionWeights.prior(SPACE), weight=truth)
    of_all = mean_loss(everything, weights)
    assert mean_loss(corrected, weights) == pytest.approx(of_all, rel=0.06)
    assert mean_loss(with_width(kept, 1.0), weights) < 0.75 * of_all


def test_narrow_learning_moves_one_weight_a_source() -> None:
    data = examples()
    centre = Lengths.of(data).applied(FusionWeights.prior(SPACE))
    narrow = fitted(data, centre, 0.01, math.inf, narrow=True)
    moved = {
        view
        for (_, _, view), change in zip(SPACE.columns, np.abs(narrow.weight - centre.weight), strict=True)
        if change > 1e-3
    }
    assert moved == {"log"}
    assert mean_loss(data, narrow) < mean_loss(data, centre)
