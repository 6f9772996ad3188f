"""Several validation draws: who is asked, what is averaged, and that the test stays what it was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gnn.data import Interactions, ItemKnowledge, TrainingData
from gnn.evaluation import Evaluation, evaluate
from gnn.experiment import FUSED, Recipe, run_experiment
from gnn.fusion.examples import FusionExamples
from gnn.models import MODELS
from gnn.operators import OperatorRanker
from gnn.splits import Split, leave_one_out, random_per_user, temporal_global
from gnn.splits.draws import DRAWS, FEW_USERS, FEWEST_USERS, WINDOWS, drawn_again
from graph.errors import InputError

USERS, ITEMS = 60, 40


def taste(users: int = USERS, seed: int = 1) -> Interactions:
    """Two kinds of people, each of whom likes about half of the items of their kind."""
    random = np.random.default_rng(seed)
    liked = [(user, item) for user in range(users) for item in range(user % 2, ITEMS, 2) if random.random() < 0.5]
    rows, columns = zip(*liked, strict=True)
    return Interactions.of(rows, columns, num_users=users, num_items=ITEMS)


def split_of(users: int = USERS) -> Split:
    return random_per_user(taste(users), validation_share=0.25, seed=3)


def pairs(part: Interactions) -> set[tuple[int, int]]:
    return set(zip(part.user_index.tolist(), part.item_index.tolist(), strict=True))


def test_another_draw_asks_other_things_of_the_same_users_and_leaves_the_test_alone() -> None:
    split = split_of()
    again, other = split.redrawn(1), split.redrawn(2)
    for draw in (again, other):
        assert pairs(draw.test) == pairs(split.test)
        assert pairs(draw.refit) == pairs(split.refit)
        assert not pairs(draw.train) & pairs(draw.validation)
        assert np.bincount(draw.validation.user_index).tolist() == np.bincount(split.validation.user_index).tolist()
    assert len({frozenset(pairs(draw.validation)) for draw in (split, again, other)}) == 3
    assert pairs(split.redrawn(1).validation) == pairs(again.validation)


def test_only_few_users_and_chance_are_drawn_again() -> None:
    assert len(drawn_again(split_of(), ordered=False)) == DRAWS - 1
    assert drawn_again(split_of(), ordered=True) == ()
    assert drawn_again(split_of(FEWEST_USERS - 1), ordered=False) == ()
    assert drawn_again(split_of(FEW_USERS + 100), ordered=False) == ()
    in_time = leave_one_out(taste())
    assert drawn_again(in_time, ordered=False) == ()
    with pytest.raises(InputError, match="only a random validation part or one in time"):
        in_time.redrawn(1)


def over_time(users: int = USERS) -> Split:
    """The same people, who choose one thing a day, each starting on another day."""
    liked = taste(users)
    day = np.arange(len(liked)) - np.searchsorted(liked.user_index, liked.user_index) + liked.user_index % 5
    times = (86_400 * day + liked.user_index).tolist()
    known = Interactions.of(liked.user_index, liked.item_index, num_users=users, num_items=ITEMS, timestamp_s=times)
    return temporal_global(known)


def test_of_a_part_in_time_earlier_windows_are_asked_from_what_was_known_before_each() -> None:
    split = over_time()
    windows = drawn_again(split, ordered=True)
    assert len(windows) == WINDOWS - 1
    later = split
    for window in windows:
        assert window.train_until is not None
        assert window.refit_until == later.train_until
        assert window.train.timestamp_s.max() < window.train_until <= window.validation.timestamp_s.min()
        assert window.validation.timestamp_s.max() < window.refit_until
        assert not len(window.test)
        assert set(window.validation.user_index.tolist()) <= set(window.train.user_index.tolist())
        later = window
    asked = [len(part.validation) for part in (split, *windows)]
    assert max(asked) < 1.5 * min(asked)


def test_windows_that_leave_too_little_to_learn_from_are_not_asked() -> None:
    split = over_time()
    wide = temporal_global(split.interactions, validation_share=0.4)
    assert len(drawn_again(wide, ordered=True)) < WINDOWS - 1
    assert drawn_again(over_time(FEWEST_USERS - 1), ordered=True) == ()


def measured(split: Split) -> Evaluation:
    operator = MODELS["rp3beta"].build().fit(TrainingData(split.train, ItemKnowledge(), split.validation))
    return evaluate(OperatorRanker(operator), split.train, split.validation)


def test_a_users_figure_is_the_mean_over_the_times_they_were_asked() -> None:
    split = split_of()
    once, twice = measured(split), measured(split.redrawn(1))
    some = twice.user_index != 5
    twice = replace(
        twice, user_index=twice.user_index[some], ranked=twice.ranked[some],
        per_user={name: values[some] for name, values in twice.per_user.items()},
    )  # fmt: skip
    both = Evaluation.averaged([once, twice])
    assert both.user_index.tolist() == once.user_index.tolist()
    for at, user in enumerate(both.user_index):
        values = [each.per_user["ndcg@20"][each.user_index == user] for each in (once, twice)]
        assert both.per_user["ndcg@20"][at] == pytest.approx(np.concatenate(values).mean())
    np.testing.assert_array_equal(both.ranked, once.ranked)
    assert Evaluation.averaged([once]) is once
    turned = Evaluation.averaged([twice, once])
    np.testing.assert_array_equal(turned.ranked[turned.user_index == 5], once.ranked[once.user_index == 5])


def test_examples_of_several_widths_are_joined() -> None:
    def examples(users: int, width: int) -> FusionExamples:
        ones = np.ones((users, width))
        return FusionExamples(
            np.arange(users, dtype=np.int32), np.ones((users, width, 3), np.float32), ones.astype(np.float32),
            ones.astype(bool), np.full(users, 7), np.full(users, 2), np.ones(users, np.float32),
        )  # fmt: skip

    joined = FusionExamples.joined([examples(2, 3), examples(1, 5)])
    assert joined.features.shape == (3, 5, 3)
    assert joined.present.sum(axis=1).tolist() == [3, 3, 5]
    assert joined.user_index.tolist() == [0, 1, 0]


def test_an_experiment_on_few_users_learns_from_and_judges_by_every_draw() -> None:
    models = {"popularity": {}, "rp3beta": {}, "itemknn": {}}
    recipe = Recipe(models, tuned=False, ordered=False)
    experiment = run_experiment(split_of(), ItemKnowledge(), recipe)
    once = run_experiment(replace(split_of(), protocol={}), ItemKnowledge(), recipe)
    assert experiment.verdict.draws == DRAWS
    assert f"mean of {DRAWS} draws" in experiment.verdict.sentence
    assert once.verdict.draws == 1
    assert experiment.fusion.num_examples > 3 * once.fusion.num_examples
    fused = {row.model: row for row in experiment.rows}[FUSED]
    assert fused.test is not None
    assert fused.validation.num_users == USERS
    # The models of the test are the same; only what they are chosen and weighed by is more.
    tests = [{row.model: row.test for row in each.rows if row.model != FUSED} for each in (experiment, once)]
    for name, first in tests[0].items():
        second = tests[1][name]
        assert first is not None
        assert second is not None
        np.testing.assert_array_equal(first.ranked, second.ranked)
