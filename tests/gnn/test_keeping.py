"""An experiment that was interrupted goes on where it was, and finds nothing that was made under other conditions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gnn.experiment import FUSED, Experiment, Recipe, run_experiment
from gnn.experiment.keeping import Keeper
from gnn.models import MODELS
from gnn.models.model import ModelEntry
from tests.gnn.test_experiment import TWO_KINDS, brands, two_kinds_of_people


class Heard:
    def __init__(self) -> None:
        self.steps: list[str] = []

    def step(self, text: str) -> None:
        self.steps.append(text)


def run(folder: Path, measured: str = "here", **options: object) -> tuple[Experiment, list[str]]:
    heard = Heard()
    recipe = Recipe({**TWO_KINDS, "next_item": options}, tuned=False)
    keeper = Keeper(folder, measured)
    experiment = run_experiment(two_kinds_of_people(), brands(), recipe, progress=heard, keeper=keeper)
    return experiment, [step for step in heard.steps if step.startswith("fitting ")]


def test_a_second_run_fits_nothing_and_finds_the_same(tmp_path: Path) -> None:
    first, fitted = run(tmp_path)
    again, fitted_again = run(tmp_path)
    plain = run_experiment(two_kinds_of_people(), brands(), Recipe(TWO_KINDS, tuned=False))
    assert len(fitted) == 2 * len(TWO_KINDS) + 1
    assert fitted_again == ["fitting again with the validation part"]
    for one, other, alone in zip(first.rows, again.rows, plain.rows, strict=True):
        assert one.model == other.model == alone.model
        assert one.fit_s == other.fit_s
        assert one.to_document() == other.to_document()
        assert one.validation.metrics == alone.validation.metrics
        assert one.test is not None
        assert alone.test is not None
        np.testing.assert_array_equal(one.test.ranked, alone.test.ranked)
    np.testing.assert_array_equal(first.fusion.weights.weight, again.fusion.weights.weight)


def test_only_the_model_whose_options_changed_is_fitted_again(tmp_path: Path) -> None:
    run(tmp_path)
    changed, fitted = run(tmp_path, steps=1)
    assert set(fitted) == {"fitting next_item", "fitting again with the validation part"}
    assert {row.model for row in changed.rows} == {*TWO_KINDS, FUSED}


def test_other_data_and_other_code_find_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path)
    assert len(run(tmp_path, measured="elsewhere")[1]) == 2 * len(TWO_KINDS) + 1
    other = ModelEntry("gnn.baselines.previous_item:PreviousItem", "walk", "another file")
    monkeypatch.setitem(MODELS, "next_item", other)
    assert run(tmp_path)[1].count("fitting next_item") == 2


def test_a_killed_write_leaves_no_half_a_piece(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path, "here")

    def dies() -> np.ndarray[tuple[int, int], np.dtype[np.int32]]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        keeper.lists("a", dies)
    made = keeper.lists("a", lambda: np.ones((2, 3), np.int32))
    np.testing.assert_array_equal(made, keeper.lists("a", lambda: np.zeros((2, 3), np.int32)))
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
