"""A search: the same budget for everyone, the defaults among its trials, resumed where it ended."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from gnn.experiment import search as searching
from gnn.experiment.fitting import tuned_options
from gnn.experiment.search import SPACES, OneOf, search
from gnn.models import MODELS
from gnn.splits import random_per_user
from graph.errors import InputError


@pytest.fixture
def data(checkerboard):
    return random_per_user(checkerboard.data.train, test_share=0.2, validation_share=0.25, seed=1).training_data()


def test_the_best_trial_comes_first_and_the_defaults_are_one_of_them(data) -> None:
    trials = search("rp3beta", data, 8)
    assert len(trials) == 8
    assert [trial.score for trial in trials] == sorted((trial.score for trial in trials), reverse=True)
    assert {} in [trial.options for trial in trials]
    assert len({json.dumps(dict(trial.options), sort_keys=True) for trial in trials}) == 8


def test_a_search_that_was_killed_ends_as_one_that_was_not(data, tmp_path, monkeypatch) -> None:
    whole = search("itemknn", data, 8)
    file = tmp_path / "itemknn.json"
    first = search("itemknn", data, 3, file=file)
    fitted = []
    judge = searching.Judge
    monkeypatch.setattr(
        searching,
        "Judge",
        lambda name, data, users: lambda options: fitted.append(options) or judge(name, data, users)(options),
    )
    resumed = search("itemknn", data, 8, file=file)
    assert len(fitted) == 5
    assert all(trial.options in [found.options for found in resumed] for trial in first)
    assert [trial.options for trial in resumed] == [trial.options for trial in whole]
    document = json.loads(file.read_text())
    assert document["model"] == "itemknn"
    assert len(document["trials"]) == 8
    assert search("itemknn", data, 8, file=file) == resumed
    assert len(fitted) == 5, "a search that is done fits nothing"


def test_the_file_of_another_search_is_refused(data, tmp_path) -> None:
    file = tmp_path / "search.json"
    search("itemknn", data, 1, file=file)
    with pytest.raises(InputError, match="another search"):
        search("itemknn", replace(data, seed=7), 1, file=file)
    file.write_text("{}")
    with pytest.raises(InputError, match="cannot be read"):
        search("itemknn", data, 1, file=file)


def test_without_a_space_or_validation_there_is_nothing_to_search(data) -> None:
    with pytest.raises(InputError, match="nothing to search"):
        search("popularity", data, 3)
    with pytest.raises(InputError, match="validation part"):
        search("itemknn", replace(data, validation=None), 3)


def test_every_model_gets_the_same_budget(data, tmp_path) -> None:
    chosen = tuned_options(
        {"rp3beta": {}, "ease": {}, "popularity": {}, "gfcf": {"rank": 4}}, data, trials=4, searches=tmp_path
    )
    assert chosen["popularity"] == {}
    assert chosen["gfcf"] == {"rank": 4}
    budgets = {file.stem: len(json.loads(file.read_text())["trials"]) for file in tmp_path.iterdir()}
    assert budgets == {"rp3beta": 4, "ease": 4}


@pytest.mark.parametrize("name", sorted(SPACES))
def test_the_ends_of_every_space_are_configurations_of_its_model(name: str) -> None:
    for end in (0, -1):
        options = {
            option: choice.values[end] if isinstance(choice, OneOf) else (choice.low, choice.high)[end]
            for option, choice in SPACES[name].items()
        }
        MODELS[name].build(**options)
