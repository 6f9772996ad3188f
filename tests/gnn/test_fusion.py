"""Fusion: features against a naive twin, learning in a world whose right answer is known."""

from __future__ import annotations

import json

import numpy as np
import pytest
import scipy.sparse as sp

from gnn.data import Interactions
from gnn.data.histories import Histories
from gnn.fusion import CrossFitted, FeatureSpace, FusedRanker, FusionWeights, candidates, learn_fusion
from gnn.fusion.features import RANK_DEPTH
from gnn.fusion.standing import VIEWS
from gnn.operators import ConstantOperator, DenseOperator, Operator, OperatorRanker
from graph.errors import ReleaseError

NUM_ITEMS = 60


def leading(step: int, generator: np.random.Generator) -> DenseOperator:
    """A source by which item i leads to item i + step, with some noise."""
    matrix = np.zeros((NUM_ITEMS, NUM_ITEMS), np.float32)
    matrix[np.arange(NUM_ITEMS), (np.arange(NUM_ITEMS) + step) % NUM_ITEMS] = 1.0
    return DenseOperator(matrix + generator.random((NUM_ITEMS, NUM_ITEMS), dtype=np.float32) * 0.2)


def sources(seed: int = 0) -> dict[str, Operator]:
    """A source that knows most answers (item i leads to i + 1), one for the others, one of noise, and popularity."""
    generator = np.random.default_rng(seed)
    return {
        "noise": DenseOperator(generator.random((NUM_ITEMS, NUM_ITEMS), dtype=np.float32)),
        "good": leading(1, generator),
        "other": leading(7, generator),
        "popularity": ConstantOperator(generator.random(NUM_ITEMS, dtype=np.float32)),
    }


def world(num_users: int = 300, seed: int = 1) -> tuple[Interactions, Interactions]:
    """Users with random histories whose next choice follows their last item; one in four follows the other source."""
    generator = np.random.default_rng(seed)
    users, items, times, next_items = [], [], [], []
    for user in range(num_users):
        history = generator.choice(NUM_ITEMS, generator.integers(1, 6), replace=False)
        following = (history[-1] + (7 if user % 4 == 3 else 1)) % NUM_ITEMS
        history = history[history != following]
        users += [user] * history.size
        items += history.tolist()
        times += range(history.size)
        next_items.append(following)
    shape = {"num_users": num_users, "num_items": NUM_ITEMS}
    train = Interactions.of(users, items, timestamp_s=times, **shape)
    return train, Interactions.of(np.arange(num_users), next_items, timestamp_s=np.full(num_users, 99), **shape)


def hits(ranked: np.ndarray, validation: Interactions, k: int = 2) -> float:
    """The share of users whose choice is among the first k."""
    return float(np.mean((ranked[:, :k] == validation.item_index[:, None]).any(axis=1)))


def naive_features(operators: dict[str, Operator], space: FeatureSpace, history: list[int], item: int) -> list[float]:
    """One candidate's features, written out as the definition says."""
    values = []
    for source, context in space.readings():
        weight = {
            "even": dict.fromkeys(history, 1.0),
            "recent": {},
            "last": {history[-1]: 1.0} if history else {},
        }[context]
        if context == "recent":
            for back, past in enumerate(reversed(history)):
                weight[past] = weight.get(past, 0.0) + 1.0 / (1.0 + back)
        row = np.zeros((1, NUM_ITEMS), np.float32)
        for past, share in weight.items():
            row[0, past] = share
        score = operators[source].score(sp.csr_array(row))[0].astype(np.float64)
        z = (score - score.mean()) / score.std() if score.std() > 1e-12 else score * 0
        rank = sum(1 for other in range(NUM_ITEMS) if other not in history and z[other] > z[item])
        values += [
            float(np.clip(z[item], -5, 20)),
            float(np.log1p(max(z[item], 0))),
            10.0 / (rank + 10.0) if rank < RANK_DEPTH and z[item] > 0 else 0.0,
        ]
    return values


def test_features_agree_with_their_definition() -> None:
    operators = sources()
    space = FeatureSpace.over(operators)
    rows = [[3, 7, 3], [11], []]
    pool = candidates(operators, space, Histories.of(rows, NUM_ITEMS))
    for row, history in enumerate(rows):
        items = pool.item_index[row]
        assert not set(items[items >= 0]) & set(history)
        for at in range(0, int((items >= 0).sum()), 7):
            expected = naive_features(operators, space, history, int(items[at]))
            np.testing.assert_allclose(pool.features[row, at], expected, atol=2e-4)
        assert not pool.features[row][items < 0].any()


def test_learning_finds_the_source_that_knows() -> None:
    train, validation = world()
    operators = sources()
    learned = learn_fusion(operators, train, validation)
    assert learned.weights.learned
    assert learned.num_examples > 200
    histories = train.histories()
    fused = hits(learned.cross_fitted(operators).rank(histories, 5), validation)
    single = hits(OperatorRanker(operators["good"]).rank(histories, 5), validation)
    prior = hits(FusedRanker(operators, FusionWeights.prior(learned.weights.space)).rank(histories, 5), validation)
    # Only the last event leads anywhere, which the single source (all of the history evenly) cannot know, and both
    # sources are needed: what follows is one of two items.
    assert fused > 0.9
    assert fused > single
    assert fused > prior
    assert next(iter(learned.weights.importance())) == "good"


def test_a_source_that_says_nothing_has_no_share() -> None:
    train, validation = world()
    silent = ConstantOperator(np.zeros(NUM_ITEMS, np.float32))
    shares = learn_fusion({**sources(), "silent": silent}, train, validation).weights.importance()
    assert shares["silent"] == 0.0
    assert sum(shares.values()) == pytest.approx(1.0)


def test_users_are_judged_by_weights_learned_from_the_other_folds() -> None:
    train, validation = world()
    operators = sources()
    learned = learn_fusion(operators, train, validation)
    cross = learned.cross_fitted(operators)
    assert isinstance(cross, CrossFitted)
    histories = train.histories()
    ranked = cross.rank(histories, 5)
    for fold, weights in enumerate(learned.folds):
        rows = np.flatnonzero(learned.fold_of == fold)
        np.testing.assert_array_equal(ranked[rows], FusedRanker(operators, weights).rank(histories.take(rows), 5))
    assert not np.allclose(learned.folds[0].weight, learned.folds[1].weight)


def test_with_little_to_learn_from_it_stays_near_the_best_source() -> None:
    # Choices follow one source; the others only offer noise to fit, and there are few users to find that out.
    generator = np.random.default_rng(3)
    operators = sources() | {
        f"noise {number}": DenseOperator(generator.random((NUM_ITEMS, NUM_ITEMS), dtype=np.float32))
        for number in range(12)
    }
    shape = {"num_users": 60, "num_items": NUM_ITEMS}
    items = np.array([generator.choice(NUM_ITEMS, 2, replace=False) for _ in range(60)])
    chosen = (items[:, 1] + 1) % NUM_ITEMS
    train = Interactions.of(np.repeat(np.arange(60), 2), items.ravel(), timestamp_s=np.tile([1, 2], 60), **shape)
    validation = Interactions.of(np.arange(60), chosen, timestamp_s=np.full(60, 3), **shape)
    learned = learn_fusion(operators, train, validation)
    histories = train.histories()
    single = hits(
        FusedRanker(operators, FusionWeights.single(learned.weights.space, "good", "last")).rank(histories, 3),
        validation,
    )
    fused = hits(learned.cross_fitted(operators).rank(histories, 3), validation)
    assert single > 0.8
    assert fused >= single - 0.1


def test_learning_is_deterministic() -> None:
    train, validation = world(80)
    first = learn_fusion(sources(), train, validation)
    second = learn_fusion(sources(), train, validation)
    np.testing.assert_array_equal(first.weights.weight, second.weights.weight)


def test_too_few_users_keep_the_prior() -> None:
    train, validation = world(10)
    learned = learn_fusion(sources(), train, validation)
    assert not learned.weights.learned
    np.testing.assert_array_equal(learned.weights.weight, FusionWeights.prior(learned.weights.space).weight)


def test_one_history_ranks_as_it_does_in_a_block() -> None:
    train, validation = world()
    operators = sources()
    ranker = FusedRanker(operators, learn_fusion(operators, train, validation).weights)
    histories = train.histories()
    block = ranker.rank(histories, 10)
    for user in range(0, len(histories), 17):
        np.testing.assert_array_equal(ranker.rank(histories.take([user]), 10)[0], block[user])


def test_barred_items_never_appear_and_k_is_filled_from_the_rest() -> None:
    operators = sources()
    ranker = FusedRanker(operators, FusionWeights.prior(FeatureSpace.over(operators)))
    histories = Histories.of([[1, 2], []], NUM_ITEMS)
    allowed = np.zeros(NUM_ITEMS, bool)
    allowed[[1, 5, 9, 30]] = True
    fused = ranker.fuse(histories, k=4, allowed=allowed)
    assert sorted(fused.item_index[0].tolist()) == [-1, 5, 9, 30]
    assert sorted(fused.item_index[1].tolist()) == [1, 5, 9, 30]
    everything = ranker.fuse(histories, k=500)
    assert int((everything.item_index[1] >= 0).sum()) == NUM_ITEMS


def test_contributions_add_up_to_the_score() -> None:
    train, validation = world()
    operators = sources()
    ranker = FusedRanker(operators, learn_fusion(operators, train, validation).weights)
    fused = ranker.fuse(train.histories().take([0, 5, 9]), k=8)
    np.testing.assert_allclose(fused.contribution.sum(axis=-1), fused.score, atol=1e-3)


def test_a_single_source_keeps_its_own_order() -> None:
    operators = sources()
    ranker = FusedRanker(operators, FusionWeights.only(operators, "noise"))
    histories = Histories.of([[4, 9], [2]], NUM_ITEMS)
    np.testing.assert_array_equal(ranker.rank(histories, 10), OperatorRanker(operators["noise"]).rank(histories, 10))


def test_weights_survive_json() -> None:
    train, validation = world()
    weights = learn_fusion(sources(), train, validation).weights
    again = FusionWeights.from_document(json.loads(json.dumps(weights.to_document())))
    np.testing.assert_allclose(again.weight, weights.weight)
    np.testing.assert_allclose(again.slope, weights.slope)
    assert again.importance() == weights.importance()
    assert again.space == weights.space
    assert again.learned


@pytest.mark.parametrize("damage", ["column", "views", "nan", "missing"])
def test_a_damaged_document_is_refused(damage: str) -> None:
    document = FusionWeights.prior(FeatureSpace.over(sources())).to_document()
    if damage == "column":
        document["columns"][0]["source"] = "elsewhere"
    elif damage == "views":
        document["views"] = list(VIEWS)[:2]
    elif damage == "nan":
        document["columns"][0]["weight"] = float("nan")
    else:
        del document["length_mean"]
    with pytest.raises(ReleaseError):
        FusionWeights.from_document(document)


def test_weights_over_absent_sources_are_refused() -> None:
    operators = sources()
    weights = FusionWeights.prior(FeatureSpace.over(operators))
    del operators["good"]
    with pytest.raises(ReleaseError, match="good"):
        FusedRanker(operators, weights)
