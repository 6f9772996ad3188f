"""What a user chose before, counted: once a basket, less the longer ago, and everybody's choices after them."""

from __future__ import annotations

import numpy as np
import pytest

from gnn.data import Interactions, TrainingData
from gnn.evaluation import evaluate
from gnn.fusion import learn_fusion
from gnn.models import MODELS
from gnn.operators import OperatorRanker, operator_from_arrays
from gnn.operators.personal import PersonalOperator, baskets_back
from gnn.splits import next_basket

NUM_ITEMS = 30


def baskets() -> Interactions:
    """Two users: the first buys item 4 in every basket and others once, the second bought 7 long ago and 8 of late."""
    users = [0] * 6 + [1] * 6
    items = [4, 1, 4, 2, 4, 3, 7, 7, 7, 8, 8, 9]
    times = [1, 1, 2, 2, 3, 3, 1, 2, 3, 4, 5, 5]
    return Interactions.of(users, items, num_users=2, num_items=NUM_ITEMS, timestamp_s=times)


def fitted(name: str, **options: object) -> PersonalOperator:
    operator = MODELS[name].build(**options).fit(TrainingData(baskets()))
    assert isinstance(operator, PersonalOperator)
    return operator


def test_the_most_frequent_come_first_and_then_what_everybody_chooses() -> None:
    ranked = OperatorRanker(fitted("personal_frequency")).rank(baskets().histories(), 6, repeats=True)
    assert ranked[0].tolist() == [4, 1, 2, 3, 7, 8]
    assert ranked[1].tolist()[:3] == [7, 8, 9]


def test_recency_puts_what_is_bought_of_late_before_what_was_bought_more_often() -> None:
    ranked = OperatorRanker(fitted("personal_recency", decay=0.5, popularity=0.01)).rank(
        baskets().histories(), 2, repeats=True
    )
    assert ranked[1].tolist() == [8, 9]


def test_scores_are_those_of_a_plain_count() -> None:
    histories = baskets().histories()
    operator = fitted("personal_recency", decay=0.7)
    expected = np.tile(operator.item_score, (2, 1)).astype(np.float64)
    for user in range(2):
        events = slice(*histories.indptr[user : user + 2])
        times = sorted(set(histories.timestamp_s[events].tolist()))
        for item, moment in zip(histories.item_index[events], histories.timestamp_s[events], strict=True):
            expected[user, item] += 0.7 ** (len(times) - 1 - times.index(moment))
    np.testing.assert_allclose(operator.score_ordered(histories), expected, rtol=1e-6)
    assert baskets_back(histories).tolist() == [2, 2, 1, 1, 0, 0, 4, 3, 2, 1, 0, 0]


def test_it_is_served_as_it_was_fitted() -> None:
    operator = fitted("personal_recency", decay=0.7)
    again = operator_from_arrays(operator.kind, operator.arrays())
    histories = baskets().histories()
    assert isinstance(again, PersonalOperator)
    np.testing.assert_array_equal(again.score_ordered(histories), operator.score_ordered(histories))


def habits() -> Interactions:
    """60 people with three habits each, bought in most baskets, and something new now and then."""
    rng = np.random.default_rng(3)
    users, items, times = [], [], []
    for user in range(60):
        habit = rng.choice(NUM_ITEMS, 3, replace=False)
        for basket in range(8):
            bought = {*habit[rng.random(3) < 0.7].tolist(), int(rng.integers(NUM_ITEMS))}
            users += [user] * len(bought)
            items += sorted(bought)
            times += [basket] * len(bought)
    made = Interactions.of(users, items, num_users=60, num_items=NUM_ITEMS, timestamp_s=times)
    number = made.user_index * 8 + made.timestamp_s
    return Interactions(
        made.user_index, made.item_index, made.timestamp_s, made.weight, made.kind, number.astype(np.int32),
        made.num_users, made.num_items,
    )  # fmt: skip


@pytest.mark.parametrize("repeats", [True, False])
def test_the_fusion_ranks_what_was_bought_before_only_where_people_buy_again(repeats: bool) -> None:
    split = next_basket(habits(), new_items_only=not repeats)
    data = TrainingData(split.train, validation=split.validation, repeats=repeats)
    operators = {name: MODELS[name].build().fit(data) for name in ("popularity", "personal_frequency")}
    fusion = learn_fusion(operators, split.train, split.validation, repeats=repeats)
    found = evaluate(fusion.cross_fitted(operators), split.train, split.validation, repeats=repeats)
    seen = split.train.matrix()[found.user_index].toarray()
    shown = np.take_along_axis(seen, np.maximum(found.ranked, 0), axis=1)[found.ranked >= 0]
    assert shown.any() == repeats
    if repeats:
        popular = evaluate(OperatorRanker(operators["popularity"]), split.train, split.validation, repeats=True)
        assert found.metrics["ndcg@10"] > 1.5 * popular.metrics["ndcg@10"]
