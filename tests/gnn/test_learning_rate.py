"""The learning rate over a training run: it falls with the budget that is used, be it epochs or seconds."""

from __future__ import annotations

import types

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gnn.data import Interactions, ItemKnowledge, TrainingData
from gnn.data.histories import IntArray
from gnn.operators import DenseOperator, Operator
from gnn.training import TrainingRun, trainer
from gnn.training.options import TrainingConfig

USERS = 40
RATE = 0.01


class Downhill:
    """One number on a slope of 1, which every step of Adam moves by the learning rate; a step takes a second."""

    def __init__(self) -> None:
        self.module = nn.ParameterDict({"x": nn.Parameter(torch.zeros(1, dtype=torch.float64))})
        self.seen: list[float] = []

    def loss(self, users: IntArray, rng: np.random.Generator) -> Tensor:
        self.seen.append(self.x)
        return self.module["x"].sum()

    def operator(self) -> Operator:
        return DenseOperator(np.zeros((1, 1), np.float32))

    @property
    def x(self) -> float:
        return float(self.module["x"].detach())

    @property
    def rates(self) -> list[float]:
        """The learning rate of every step."""
        return (-np.diff([*self.seen, self.x])).tolist()


def trained(monkeypatch: pytest.MonkeyPatch, **options: object) -> Downhill:
    """The slope after a run in which every epoch has four steps."""
    slope = Downhill()
    monkeypatch.setattr(trainer, "time", types.SimpleNamespace(perf_counter=lambda: float(len(slope.seen))))
    config = TrainingConfig(batch_users=USERS // 4, learning_rate=RATE, threads=1, **options)
    train = Interactions.of(np.arange(USERS), np.zeros(USERS, np.int64), num_users=USERS, num_items=1)
    trainer.train("downhill", slope, config, TrainingData(train, ItemKnowledge()), TrainingRun())
    return slope


def test_it_falls_in_a_line_over_the_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = trained(monkeypatch, epochs=5, learning_rate_end=0.2).rates
    np.testing.assert_allclose(rates, RATE * np.linspace(1.0, 0.2, 21)[:-1], rtol=1e-4)


def test_it_stays_where_all_of_it_is_to_be_left(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = trained(monkeypatch, epochs=3, learning_rate_end=1.0).rates
    np.testing.assert_allclose(rates, RATE, rtol=1e-4)


def test_it_falls_with_the_seconds_where_these_end_first(monkeypatch: pytest.MonkeyPatch) -> None:
    slope = trained(monkeypatch, epochs=1_000, max_seconds=20.0, learning_rate_end=0.0)
    assert len(slope.rates) == 20, "the fifth epoch of four seconds crosses the budget"
    np.testing.assert_allclose(slope.rates[4:], RATE * np.linspace(0.8, 0.0, 17)[:-1], rtol=2e-2)
    assert min(slope.rates[:4]) > 0.99 * RATE, "how long an epoch takes is known after the first"
