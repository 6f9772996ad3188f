"""The graph filter in bands is the published one when its gains are 1, and its gains are learned only if they help."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gnn.baselines.response import fitted_coefficients
from gnn.data import Interactions, TrainingData
from gnn.experiment.fitting import fit_models
from gnn.models import MODELS
from gnn.operators import DenseOperator
from gnn.splits import random_per_user


@pytest.fixture(scope="module")
def known() -> Interactions:
    rng = np.random.default_rng(2)
    liked = (np.arange(60)[:, None] % 3 == np.arange(30)[None, :] % 3) & (rng.random((60, 30)) < 0.6)
    liked |= rng.random((60, 30)) < 0.05
    users, items = liked.nonzero()
    return Interactions.of(users, items, num_users=60, num_items=30)


def published(matrix: np.ndarray, alpha: float, time: float) -> np.ndarray:
    """Blurring, then one step of a fourth-order solver of dr/dt = -r P, on dense matrices. Shape (U, I)."""
    of_user, of_item = (np.maximum(matrix.sum(axis=axis), 1e-12) for axis in (1, 0))
    graph = matrix / np.sqrt(of_user)[:, None] / np.sqrt(of_item)
    diffusion = graph.T @ graph
    right = np.linalg.svd(graph)[2]
    ideal = matrix / np.sqrt(of_item) @ right.T @ right * np.sqrt(of_item)
    blurred = matrix @ diffusion + alpha * ideal
    first = -blurred @ diffusion
    second = -(blurred + time / 2 * first) @ diffusion
    third = -(blurred + time / 2 * second) @ diffusion
    fourth = -(blurred + time * third) @ diffusion
    return blurred + time / 6 * (first + 2 * second + 2 * third + fourth)


@pytest.mark.parametrize("time", [0.0, 1.0, 2.5])
def test_with_the_whole_spectrum_it_is_the_published_process(time, known) -> None:
    operator = MODELS["bandfilter"].build(rank=30, alpha=0.3, sharpening=time, bands=3).fit(TrainingData(known))
    found = operator.score(known.matrix())
    np.testing.assert_allclose(found, published(known.matrix().toarray(), 0.3, time), rtol=1e-3, atol=2e-3)


def test_learned_gains_are_options_that_repeat_the_fit_without_validation(known) -> None:
    split = random_per_user(known, validation_share=0.3, seed=1)
    fitted = fit_models({"bandfilter": {"rank": 12, "response": "learned"}}, split.training_data())
    options = fitted.options["bandfilter"]
    assert len(options["gains"]) == 1 + 2 * 5
    again = fit_models({"bandfilter": options}, replace(split.training_data(), validation=None))
    histories = split.train.matrix()
    np.testing.assert_array_equal(
        again.operators["bandfilter"].score(histories), fitted.operators["bandfilter"].score(histories)
    )


def test_coefficients_find_the_part_that_knows_and_leave_a_start_that_cannot_be_bettered() -> None:
    rng = np.random.default_rng(4)
    history = rng.integers(0, 40, 300)
    chosen = (history + 1) % 40
    known = Interactions.of(np.arange(300), history, num_users=300, num_items=40)
    asked = Interactions.of(np.arange(300), chosen, num_users=300, num_items=40)
    data = TrainingData(known, validation=asked)
    knows = DenseOperator(np.roll(np.eye(40, dtype=np.float32), 1, axis=1))
    noise = DenseOperator(rng.standard_normal((40, 40)).astype(np.float32))
    learned = fitted_coefficients((noise, knows), np.ones(2), data)
    assert learned[1] / abs(learned[0]) > 3
    already = np.array([0.0, 1.0])
    np.testing.assert_array_equal(fitted_coefficients((noise, knows), already, data), already)


def test_without_examples_the_start_is_kept() -> None:
    nothing = Interactions.of([], [], num_users=3, num_items=4)
    known = Interactions.of([0, 1], [1, 2], num_users=3, num_items=4)
    part = DenseOperator(np.eye(4, dtype=np.float32))
    start = np.ones(1)
    assert fitted_coefficients((part,), start, TrainingData(known, validation=nothing)) is start
