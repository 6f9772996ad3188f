"""An experiment on worlds whose winner is known: who is measured, who is served, and on what."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache

import numpy as np
import pytest
import scipy.sparse as sp

from gnn.data import Interactions, ItemKnowledge
from gnn.evaluation import evaluate
from gnn.experiment import FUSED, Experiment, Recipe, run_experiment
from gnn.experiment.fitting import fit_models, tuned_options
from gnn.fusion import FusedRanker, FusionWeights
from gnn.models import MODELS
from gnn.operators import Operator, OperatorRanker
from gnn.ranker import Ranker
from gnn.splits import Split, leave_one_out
from graph.errors import InputError

NUM_USERS, NUM_ITEMS, NUM_BRANDS = 240, 120, 12
HAS_BRAND = ("Item", "HAS_BRAND", "Brand")
TWO_KINDS: Mapping[str, Mapping[str, object]] = {"popularity": {}, "next_item": {}, "attributes": {}}


def brands() -> ItemKnowledge:
    brand = np.arange(NUM_ITEMS) % NUM_BRANDS
    return ItemKnowledge(attributes={HAS_BRAND: sp.csr_array(np.eye(NUM_BRANDS, dtype=np.float32)[brand])})


@cache
def two_kinds_of_people() -> Split:
    """Even users follow a series, item after item; odd users collect one brand in any order.

    The next-item walk knows the first kind, the attribute walk the second, and neither knows both.
    """
    rng = np.random.default_rng(11)
    users, items, times = [], [], []
    for user in range(NUM_USERS):
        if user % 2:
            chosen = rng.permutation(np.arange(user // 2 % NUM_BRANDS, NUM_ITEMS, NUM_BRANDS))[:8]
        else:
            chosen = (rng.integers(NUM_ITEMS) + np.arange(8)) % NUM_ITEMS
        users += [user] * 8
        items += chosen.tolist()
        times += [1_000_000 + step for step in range(8)]
    return leave_one_out(Interactions.of(users, items, num_users=NUM_USERS, num_items=NUM_ITEMS, timestamp_s=times))


@cache
def nothing_but_fashion() -> Split:
    """Everybody draws from the same few favourites at random: nothing beats popularity."""
    rng = np.random.default_rng(12)
    share = 1.0 / np.arange(1, NUM_ITEMS + 1)
    drawn = [rng.choice(NUM_ITEMS, 8, replace=False, p=share / share.sum()) for _ in range(NUM_USERS)]
    users = np.repeat(np.arange(NUM_USERS), 8)
    times = np.tile(1_000_000 + np.arange(8), NUM_USERS)
    return leave_one_out(
        Interactions.of(users, np.concatenate(drawn), num_users=NUM_USERS, num_items=NUM_ITEMS, timestamp_s=times)
    )


@cache
def won() -> Experiment:
    return run_experiment(two_kinds_of_people(), brands(), Recipe(TWO_KINDS, tuned=False))


@cache
def lost() -> Experiment:
    return run_experiment(nothing_but_fashion(), brands(), Recipe(TWO_KINDS, tuned=False))


def test_a_fusion_that_knows_more_than_any_baseline_is_promoted() -> None:
    experiment = won()
    assert experiment.verdict.promoted
    assert experiment.verdict.winner == FUSED
    assert experiment.weights is experiment.fusion.weights
    assert experiment.rows[0].model == FUSED
    assert [row.model for row in experiment.rows if row.served] == [FUSED]
    test = {row.model: row.test.metrics["ndcg@20"] for row in experiment.rows if row.test is not None}
    assert test[FUSED] > 1.1 * max(test["next_item"], test["attributes"])


def test_a_fusion_that_knows_no_more_is_not_served_and_the_best_baseline_is() -> None:
    experiment = lost()
    verdict = experiment.verdict
    assert not verdict.promoted
    assert verdict.winner == verdict.baseline == "popularity"
    assert [row.model for row in experiment.rows if row.served] == ["popularity"]
    assert experiment.weights.space.sources == ("popularity",)
    assert FUSED in {row.model for row in experiment.rows}, "the loser stays in the table"
    served = FusedRanker(experiment.fitted.operators, experiment.weights)
    alone = OperatorRanker(experiment.fitted.operators["popularity"])
    histories = nothing_but_fashion().train.histories()
    np.testing.assert_array_equal(served.rank(histories, 20), alone.rank(histories, 20))


def test_without_sources_nothing_is_fused_and_the_best_baseline_wins() -> None:
    recipe = Recipe(TWO_KINDS, sources=(), tuned=False)
    experiment = run_experiment(two_kinds_of_people(), brands(), recipe, test=False)
    assert FUSED not in {row.model for row in experiment.rows}
    assert not experiment.verdict.promoted
    assert experiment.weights.space.sources == (experiment.rows[0].model,) == (experiment.verdict.winner,)
    assert "nothing challenged it" in experiment.verdict.sentence


def test_only_the_sources_of_the_recipe_are_fused() -> None:
    recipe = Recipe(TWO_KINDS, sources=("next_item", "popularity"), tuned=False)
    experiment = run_experiment(two_kinds_of_people(), brands(), recipe, test=False)
    assert set(experiment.fusion.weights.space.sources) == {"next_item", "popularity"}
    assert {row.model for row in experiment.rows} == {*TWO_KINDS, FUSED}


def test_rows_are_sorted_by_validation_and_test_is_what_is_shown() -> None:
    experiment = won()
    figures = [row.validation.metrics["ndcg@20"] for row in experiment.rows]
    assert figures == sorted(figures, reverse=True)
    for row, document in zip(experiment.rows, experiment.table, strict=True):
        assert row.test is not None
        assert document["measured_on"] == "test"
        assert document["ndcg@20"] == round(row.test.metrics["ndcg@20"], 5)
        assert document["validation_ndcg@20"] == round(row.validation.metrics["ndcg@20"], 5)


def test_the_document_is_json_with_the_figures_tables_need() -> None:
    document = json.loads(json.dumps(won().to_document()))
    assert document.keys() == {"seed", "cuts", "gate", "table", "skipped", "importance", "newcomers", "seconds"}
    for row in document["table"]:
        assert row.keys() >= {
            "model", "served", "measured_on", "recall@20", "ndcg@20", "hr@10", "ndcg@10", "mrr@20",
            "validation_ndcg@20", "interval", "coverage", "novelty", "popularity_lift", "slices", "users",
            "fit_s", "peak_mb", "options",
        }  # fmt: skip
        low, high = row["interval"]
        assert low <= row["ndcg@20"] <= high
    assert document["gate"]["sentence"] == won().verdict.sentence
    assert sum(document["importance"].values()) == pytest.approx(1.0)
    assert document["seconds"].keys() == {"fit", "fusion", "validation", "test"}


def test_with_refit_the_final_models_also_know_the_validation_items() -> None:
    split, row = two_kinds_of_people(), {row.model: row for row in won().rows}["next_item"]
    final = MODELS["next_item"].build().fit(split.refit_data(brands()))
    assert row.test is not None
    np.testing.assert_array_equal(row.test.ranked, evaluate(OperatorRanker(final), split.refit, split.test).ranked)


def test_without_refit_models_stay_and_only_histories_grow() -> None:
    split = two_kinds_of_people()
    experiment = run_experiment(split, brands(), Recipe(TWO_KINDS, tuned=False), refit=False)
    kept = experiment.fitted.operators
    for row in experiment.rows:
        assert row.test is not None
        ranker: Ranker = (
            FusedRanker(kept, experiment.fusion.weights) if row.model == FUSED else OperatorRanker(kept[row.model])
        )
        np.testing.assert_array_equal(row.test.ranked, evaluate(ranker, split.refit, split.test).ranked)
    trained = {row.model: row for row in experiment.rows}["next_item"].test
    refitted = {row.model: row for row in won().rows}["next_item"].test
    assert trained is not None
    assert refitted is not None
    assert not np.array_equal(trained.ranked, refitted.ranked)


def test_validation_is_measured_before_the_validation_items_are_known() -> None:
    split = two_kinds_of_people()
    row = {row.model: row for row in won().rows}["attributes"]
    fitted = MODELS["attributes"].build().fit(split.training_data(brands()))
    expected = evaluate(OperatorRanker(fitted), split.train, split.validation)
    np.testing.assert_array_equal(row.validation.ranked, expected.ranked)


def test_the_test_part_stays_untouched_when_it_is_not_asked_for() -> None:
    experiment = run_experiment(two_kinds_of_people(), brands(), Recipe(TWO_KINDS, tuned=False), test=False)
    assert all(row.test is None for row in experiment.rows)
    assert {row["measured_on"] for row in experiment.table} == {"validation"}
    assert "test" not in experiment.seconds
    assert [row.model for row in experiment.rows] == [row.model for row in won().rows]


def test_what_is_measured_is_what_is_served() -> None:
    """The ranking under test is the one that the caller's ``serving`` builds."""

    class Backwards:
        """Knows what it is given and lists the worst first."""

        def __init__(self, operators: Mapping[str, Operator], weights: FusionWeights) -> None:
            self.inside = FusedRanker(operators, weights)

        def rank(self, histories, k, *, repeats=False):
            return self.inside.rank(histories, k, repeats=repeats)[:, ::-1]

    recipe = Recipe(TWO_KINDS, tuned=False)
    experiment = run_experiment(two_kinds_of_people(), brands(), recipe, serving=Backwards)
    turned = {row.model: row for row in experiment.rows}[FUSED].test
    plain = {row.model: row for row in won().rows}[FUSED].test
    assert turned is not None
    assert plain is not None
    np.testing.assert_array_equal(turned.ranked, plain.ranked[:, ::-1])


def test_a_model_that_refuses_the_data_is_named_with_its_reason() -> None:
    recipe = Recipe({**TWO_KINDS, "ease": {"max_memory_mb": 0.001}}, tuned=False)
    experiment = run_experiment(two_kinds_of_people(), brands(), recipe)
    assert "dense matrix" in experiment.fitted.skipped["ease"]
    assert {row.model for row in experiment.rows} == {*TWO_KINDS, FUSED}
    assert experiment.to_document()["skipped"].keys() == {"ease"}


def test_an_unknown_model_is_told_the_known_ones() -> None:
    with pytest.raises(InputError, match="rp3beta"):
        fit_models({"oracle": {}}, two_kinds_of_people().training_data())


def test_the_options_kept_repeat_the_fit_without_validation() -> None:
    """What early stopping chose is written down, for the fit that knows all interactions."""
    data = two_kinds_of_people().training_data(brands())
    fitted = fit_models({"lightgcn": {"epochs": 3, "embedding_dim": 8}, "rp3beta": {"alpha": 0.6}}, data)
    assert fitted.options["rp3beta"] == {"alpha": 0.6}
    assert 1 <= fitted.options["lightgcn"]["epochs"] <= 3
    assert fitted.options["lightgcn"]["embedding_dim"] == 8


def test_tuning_leaves_options_that_were_given_alone() -> None:
    data = two_kinds_of_people().training_data(brands())
    given: dict[str, Mapping[str, object]] = {"rp3beta": {"alpha": 0.9}, "next_item": {}, "popularity": {}}
    chosen = tuned_options(given, data)
    assert chosen["rp3beta"] == {"alpha": 0.9}
    assert chosen["popularity"] == {}
    assert chosen.keys() == given.keys()


def test_every_step_is_told() -> None:
    class Heard:
        def __init__(self) -> None:
            self.steps: list[str] = []

        def step(self, text: str) -> None:
            self.steps.append(text)

    heard = Heard()
    run_experiment(nothing_but_fashion(), brands(), Recipe({"popularity": {}, "itemknn": {}}), progress=heard)
    assert heard.steps[0] == "tuning itemknn on validation"
    assert [step for step in heard.steps if step.startswith("fitting popularity")] == ["fitting popularity"] * 2
    assert heard.steps[-1] == "measuring on test, once"
