"""Tuning tries every point of a grid on the same validation users and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gnn.data import Interactions, ItemKnowledge
from gnn.experiment.tuning import GRIDS, tune
from gnn.models import MODELS
from gnn.splits import random_per_user
from graph.errors import InputError


@pytest.fixture
def split_board(checkerboard):
    return random_per_user(checkerboard.data.train, test_share=0.2, validation_share=0.25, seed=1)


def test_the_best_trial_comes_first_and_the_defaults_are_among_them(split_board) -> None:
    trials = tune("rp3beta", split_board.training_data())
    assert [trial.score for trial in trials] == sorted((trial.score for trial in trials), reverse=True)
    assert {} in [trial.options for trial in trials]
    assert len(trials) == len(GRIDS["rp3beta"])


def test_equal_trials_keep_the_order_of_the_grid(split_board) -> None:
    grid = [{"neighbors": 20}, {"neighbors": 300}, {"neighbors": 100}]
    trials = tune("popularity", split_board.training_data())
    assert [trial.options for trial in trials] == [{}]
    wide = tune("itemknn", split_board.training_data(), grid=grid[1:])
    assert [trial.options for trial in wide] == grid[1:]


def test_few_users_judge_the_same_way_every_time(split_board) -> None:
    data = split_board.training_data()
    assert tune("itemknn", data, max_users=10) == tune("itemknn", data, max_users=10)


def test_without_validation_there_is_nothing_to_choose_by(split_board) -> None:
    with pytest.raises(InputError, match="validation part"):
        tune("itemknn", split_board.refit_data())
    with pytest.raises(InputError, match="validation part"):
        tune("itemknn", replace(split_board.training_data(), validation=split_board.validation.until(0)))


@pytest.mark.parametrize("name", sorted(GRIDS))
def test_every_point_of_a_grid_is_a_configuration_of_its_model(name: str) -> None:
    assert GRIDS[name][0] == {}
    for options in GRIDS[name]:
        MODELS[name].build(**options)


def test_what_is_cubic_in_the_catalogue_is_tuned_on_its_most_chosen_items(
    split_board, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = split_board.training_data()
    kept = data.train.most_chosen(15)
    small = replace(data, train=data.train.of_items(kept), knowledge=ItemKnowledge())
    assert data.validation is not None
    small = replace(small, validation=data.validation.of_items(kept))
    assert small.train.num_items == 15 < data.train.num_items
    expected = tune("ease", small)
    monkeypatch.setattr("gnn.experiment.tuning.MOST_ITEMS", {"ease": 15})
    assert tune("ease", data) == expected


def test_the_most_chosen_items_become_the_catalogue_and_keep_who_chose_them() -> None:
    whole = Interactions.of([0, 0, 1, 1, 2], [4, 1, 4, 3, 3], num_users=3, num_items=5)
    kept = whole.most_chosen(2)
    assert kept.tolist() == [3, 4]
    part = whole.of_items(kept)
    assert (part.num_items, part.num_users) == (2, 3)
    assert list(zip(part.user_index.tolist(), part.item_index.tolist(), strict=True)) == [
        (0, 1),
        (1, 1),
        (1, 0),
        (2, 0),
    ]
