"""Controls on a world in which the graph is the whole truth for half of the people, and on one in which it is noise."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest
import scipy.sparse as sp

from gnn.data import Interactions, ItemKnowledge
from gnn.experiment import Experiment, Recipe, run_experiment
from gnn.experiment.controls import (
    CONTROLS,
    ControlResult,
    run_controls,
    sentence,
    shuffled_graph,
    thinned,
    without_each,
    without_graph,
    without_text,
)
from gnn.splits import Split, leave_one_out
from graph.errors import InputError

NUM_USERS, NUM_ITEMS, NUM_BRANDS = 240, 120, 12
HAS_BRAND = ("Item", "HAS_BRAND", "Brand")
MODELS = {"popularity": {}, "next_item": {}, "attributes": {}}


def brands(seed: int | None = None) -> ItemKnowledge:
    """Each item's brand; with a seed a brand that says nothing about who likes it."""
    brand = np.arange(NUM_ITEMS) % NUM_BRANDS
    if seed is not None:
        brand = np.random.default_rng(seed).permutation(brand)
    return ItemKnowledge(attributes={HAS_BRAND: sp.csr_array(np.eye(NUM_BRANDS, dtype=np.float32)[brand])})


@cache
def collectors_and_followers() -> Split:
    """Odd users collect one brand in any order, even ones follow a series."""
    rng = np.random.default_rng(11)
    users, items = [], []
    for user in range(NUM_USERS):
        start = rng.integers(NUM_ITEMS)
        series = (start + np.arange(8)) % NUM_ITEMS
        collection = rng.permutation(np.arange(user // 2 % NUM_BRANDS, NUM_ITEMS, NUM_BRANDS))[:8]
        users += [user] * 8
        items += (collection if user % 2 else series).tolist()
    times = np.tile(1_000_000 + np.arange(8), NUM_USERS)
    return leave_one_out(Interactions.of(users, items, num_users=NUM_USERS, num_items=NUM_ITEMS, timestamp_s=times))


def experiment(knowledge: ItemKnowledge) -> Experiment:
    return run_experiment(collectors_and_followers(), knowledge, Recipe(MODELS, tuned=False), test=False)


@cache
def true_graph() -> tuple[Experiment, tuple[ControlResult, ...]]:
    whole = experiment(brands())
    return whole, run_controls(whole, brands())


def test_every_control_is_measured_on_the_same_users_and_test_stays_untouched() -> None:
    whole, results = true_graph()
    assert [result.name for result in results] == list(CONTROLS)
    users = whole.rows[0].validation.user_index
    for result in results:
        assert result.evaluation is not None
        np.testing.assert_array_equal(result.evaluation.user_index, users)
    json.dumps([result.to_document() for result in results])


def test_a_true_graph_is_missed_when_it_is_removed_and_when_it_is_shuffled() -> None:
    _, results = true_graph()
    named = {result.name: result.difference for result in results}
    for name in ("graph removed", "graph shuffled", "walks removed"):
        assert named[name] is not None
        assert named[name].is_better, name
    for name in ("text removed", "embeddings removed"):
        assert named[name].mean == 0, "there is neither, so nothing changes"
    told = sentence(results)
    assert told.startswith("the graph adds ")
    assert "it is its truth that counts" in told


def test_a_graph_of_noise_adds_nothing_and_the_sentence_says_so() -> None:
    whole = experiment(brands(seed=5))
    results = run_controls(whole, brands(seed=5))
    told = sentence(results)
    assert "adds nothing to the fused ranking that can be told from noise" in told or "costs" in told
    assert "a shuffled graph does as well" in told


def test_where_nothing_is_left_there_is_no_figure() -> None:
    only_walks = run_experiment(
        collectors_and_followers(), brands(), Recipe({"next_item": {}, "attributes": {}}, tuned=False), test=False
    )
    result = {found.name: found for found in run_controls(only_walks, brands())}["walks removed"]
    assert result.evaluation is None
    assert result.to_document() == {"control": "walks removed", "title": CONTROLS["walks removed"].title}


def test_of_many_users_some_are_drawn_for_the_whole_ranking_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gnn.experiment.controls.MAX_USERS", 100)
    whole, _ = true_graph()
    (found,) = run_controls(whole, brands(), controls={"graph removed": CONTROLS["graph removed"]})
    assert found.evaluation is not None
    assert found.difference is not None
    assert found.whole.num_users == found.evaluation.num_users == 100
    np.testing.assert_array_equal(found.whole.user_index, found.evaluation.user_index)
    gain = found.whole.metrics["ndcg@20"] - found.evaluation.metrics["ndcg@20"]
    assert found.difference.mean == pytest.approx(gain)
    assert found.difference.mean > 0


def test_controls_need_a_fusion_to_compare() -> None:
    plain = run_experiment(collectors_and_followers(), brands(), Recipe(MODELS, sources=(), tuned=False), test=False)
    with pytest.raises(InputError, match="without a fusion"):
        run_controls(plain, brands())


def test_shuffling_keeps_shapes_and_counts_and_moves_edges_to_other_items() -> None:
    relation = sp.csr_array(np.triu(np.ones((NUM_ITEMS, NUM_ITEMS), np.float32), 90))
    text = np.ones((NUM_ITEMS, 3), np.float32)
    knowledge = ItemKnowledge(brands().attributes, {("Item", "GOES_WITH", "Item"): relation}, text)
    shuffled = shuffled_graph(knowledge, seed=1)
    before, after = knowledge.attributes[HAS_BRAND], shuffled.attributes[HAS_BRAND]
    assert before.shape == after.shape
    np.testing.assert_array_equal(before.sum(axis=0), after.sum(axis=0))
    assert (before != after).nnz > NUM_ITEMS
    (moved,) = shuffled.relations.values()
    assert moved.nnz == relation.nnz
    assert (moved != relation).nnz
    assert shuffled.text is text
    assert not without_graph(knowledge).attributes
    assert without_graph(knowledge).text is text
    assert without_text(knowledge).text is None


def test_what_each_kind_of_fact_adds_is_told_apart_from_facts_that_add_nothing() -> None:
    (true,), (noise,) = brands().attributes.values(), brands(seed=5).attributes.values()
    knowledge = ItemKnowledge(attributes={HAS_BRAND: true, ("Item", "HAS_SHAPE", "Shape"): noise})
    results = run_controls(experiment(knowledge), knowledge, controls=without_each(knowledge))
    named = {result.name: result.difference for result in results}
    assert set(named) == {"without HAS_BRAND", "without HAS_SHAPE"}
    assert named["without HAS_BRAND"].is_better
    assert not named["without HAS_SHAPE"].is_better


def test_a_thinned_graph_keeps_its_shape_and_about_that_share_of_its_edges() -> None:
    whole = ItemKnowledge({HAS_BRAND: sp.csr_array(np.ones((NUM_ITEMS, 50), np.float32))})
    (kept,) = thinned(0.25).changed(whole, 3).attributes.values()
    assert kept.shape == (NUM_ITEMS, 50)
    assert 0.22 < kept.nnz / (NUM_ITEMS * 50) < 0.28
    assert whole.attributes[HAS_BRAND].nnz == NUM_ITEMS * 50
