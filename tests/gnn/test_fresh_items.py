"""Items that nobody has chosen: ranked by what they are like, with a weight of their own in the fusion."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import scipy.sparse as sp

from gnn.data import Interactions, ItemKnowledge, TrainingData
from gnn.experiment import FUSED, Experiment, Recipe, run_experiment
from gnn.experiment.newcomers import HIGHEST, STEPS, Found, Raise, least_raise
from gnn.models import MODELS
from gnn.operators import ConstantOperator, history_scores, operator_from_arrays
from gnn.splits.protocols import PROTOCOLS, Cuts

NUM_USERS, NUM_ITEMS, NUM_BRANDS = 400, 120, 12
HAS_BRAND = ("Item", "HAS_BRAND", "Brand")
NOTHING = Interactions.of([], [], num_users=1, num_items=1)
BRAND = np.arange(NUM_ITEMS) % NUM_BRANDS


def knowledge() -> ItemKnowledge:
    one_hot = np.eye(NUM_BRANDS, dtype=np.float32)[BRAND]
    return ItemKnowledge({HAS_BRAND: sp.csr_array(one_hot)}, text=one_hot)


def collectors() -> Interactions:
    """Everybody collects one brand, the first items of it most."""
    rng = np.random.default_rng(21)
    users, items, times = [], [], []
    for user in range(NUM_USERS):
        of_brand = np.flatnonzero(user % NUM_BRANDS == BRAND)
        share = 1.0 / np.arange(1, of_brand.size + 1) ** 0.5
        users += [user] * 6
        items += rng.choice(of_brand, 6, replace=False, p=share / share.sum()).tolist()
        times += list(range(6))
    return Interactions.of(users, items, num_users=NUM_USERS, num_items=NUM_ITEMS, timestamp_s=times)


@pytest.mark.parametrize("name", ["fresh_text", "fresh_attributes"])
def test_only_items_without_interactions_are_scored_and_as_the_plain_source_scores_them(name: str) -> None:
    known = collectors()
    train = known.where(known.item_index % 7 != 0)
    data = TrainingData(train, knowledge())
    fresh = history_scores(MODELS[name].build().fit(data), train.histories())
    plain = history_scores(MODELS[name.removeprefix("fresh_")].build().fit(data), train.histories())
    unknown = np.bincount(train.item_index, minlength=NUM_ITEMS) == 0
    assert unknown.sum() == 18
    assert not fresh[:, ~unknown].any()
    np.testing.assert_allclose(fresh[:, unknown], plain[:, unknown], rtol=1e-6)


@cache
def measured(*names: str, newcomers: float = 0.0) -> Experiment:
    split = PROTOCOLS["cold"].split(collectors(), NOTHING, Cuts())
    models: dict[str, dict[str, object]] = {name: {} for name in names}
    return run_experiment(split, knowledge(), Recipe(models, tuned=False, newcomers=newcomers))


def of_unseen(experiment: Experiment) -> float:
    test = {row.model: row.test for row in experiment.rows}[FUSED]
    assert test is not None
    return {part.name: part for part in test.slices}["unseen items"].metrics["ndcg@10"]


def test_the_fusion_finds_items_nobody_has_chosen_by_what_they_are_like() -> None:
    beside = PROTOCOLS["cold"].beside
    assert beside == ("fresh_text", "fresh_attributes", "unseen")
    by_chance = of_unseen(measured("popularity", "itemknn"))
    assert of_unseen(measured("popularity", "itemknn", "text", *beside)) > 2 * by_chance


SOURCES = ("popularity", "itemknn", "text", *PROTOCOLS["cold"].beside)


def test_new_items_are_raised_just_far_enough_to_be_found_as_well_as_asked() -> None:
    raised = measured(*SOURCES, newcomers=1.0).raised
    assert raised is not None
    assert raised.before.unseen < 0.7 * raised.before.seen
    assert raised.after.seen <= raised.after.unseen < 1.2 * raised.after.seen
    assert raised.after.whole >= 0.9 * raised.before.whole
    assert of_unseen(measured(*SOURCES, newcomers=1.0)) > 1.5 * of_unseen(measured(*SOURCES))
    assert Raise.from_document(raised.to_document()) == raised


@pytest.mark.parametrize("needed", [0.01, 0.7, 1.3, 2.9])
def test_the_bonus_reaches_the_goal_and_no_more(needed: float) -> None:
    raised = least_raise(lambda bonus: Found(unseen=0.05 * bonus / needed, seen=0.1, whole=0.1), 0.5)
    assert raised.after.reaches(0.5)
    assert needed <= raised.bonus <= needed + HIGHEST / 2**STEPS


def test_where_the_goal_costs_too_much_as_much_is_spent_as_may_be() -> None:
    raised = least_raise(lambda bonus: Found(unseen=0.01 * bonus, seen=0.1, whole=0.1 - 0.01 * bonus), 0.5)
    assert not raised.after.reaches(0.5)
    assert 1.0 - HIGHEST / 2**STEPS <= raised.bonus <= 1.0


def test_new_items_found_well_enough_are_not_raised() -> None:
    raised = measured(*SOURCES, newcomers=0.5).raised
    assert raised is not None
    assert (raised.bonus, raised.after) == (0.0, raised.before)


def test_what_all_other_items_would_have_to_give_is_bounded() -> None:
    raised = measured("popularity", "itemknn", "unseen", newcomers=1.0).raised
    assert raised is not None
    assert not raised.after.reaches(1.0)
    assert 0.9 * raised.before.whole <= raised.after.whole < raised.before.whole


def test_nothing_is_raised_where_hardly_anybody_chose_an_unseen_item() -> None:
    known = collectors()
    split = PROTOCOLS["leave-one-out"].split(known, NOTHING, Cuts())
    models: dict[str, dict[str, object]] = {name: {} for name in ("popularity", "itemknn", "unseen")}
    assert run_experiment(split, knowledge(), Recipe(models, tuned=False, newcomers=0.5)).raised is None


def test_the_protocol_for_new_items_asks_for_half() -> None:
    assert {name: protocol.newcomers for name, protocol in PROTOCOLS.items() if protocol.newcomers} == {"cold": 0.5}


def test_an_item_that_comes_after_the_release_is_unseen_too() -> None:
    known = collectors()
    operator = MODELS["unseen"].build().fit(TrainingData(known.where(known.item_index != 5), knowledge()))
    assert isinstance(operator, ConstantOperator)
    kept = operator_from_arrays(operator.kind, operator.arrays())
    assert isinstance(kept, ConstantOperator)
    for grown in (operator.grown(2), kept.grown(2)):
        assert np.flatnonzero(grown.item_score).tolist() == [5, NUM_ITEMS, NUM_ITEMS + 1]
    popularity = MODELS["popularity"].build().fit(TrainingData(known, knowledge()))
    assert isinstance(popularity, ConstantOperator)
    assert popularity.grown(2).item_score[NUM_ITEMS:].tolist() == [0.0, 0.0]
