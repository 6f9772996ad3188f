"""Items that nobody has chosen: ranked by what they are like, with a weight of their own in the fusion."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import scipy.sparse as sp

from gnn.data import Interactions, ItemKnowledge, TrainingData
from gnn.experiment import FUSED, Experiment, Recipe, run_experiment
from gnn.models import MODELS
from gnn.operators import history_scores
from gnn.protocols import PROTOCOLS, Cuts

NUM_USERS, NUM_ITEMS, NUM_BRANDS = 400, 120, 12
HAS_BRAND = ("Item", "HAS_BRAND", "Brand")
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
def measured(*names: str) -> Experiment:
    split = PROTOCOLS["cold"].split(collectors(), Interactions.of([], [], num_users=1, num_items=1), Cuts())
    models: dict[str, dict[str, object]] = {name: {} for name in names}
    return run_experiment(split, knowledge(), Recipe(models, tuned=False))


def of_unseen(experiment: Experiment) -> float:
    test = {row.model: row.test for row in experiment.rows}[FUSED]
    assert test is not None
    return {part.name: part for part in test.slices}["unseen items"].metrics["ndcg@10"]


def test_the_fusion_finds_items_nobody_has_chosen_by_what_they_are_like() -> None:
    beside = PROTOCOLS["cold"].beside
    assert beside == ("fresh_text", "fresh_attributes")
    by_chance = of_unseen(measured("popularity", "itemknn"))
    assert of_unseen(measured("popularity", "itemknn", "text", *beside)) > 2 * by_chance
