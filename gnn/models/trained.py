"""What models trained by gradient have in common: a run that can be followed, a record, a seeded start."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Generic, TypeVar

import torch

from gnn.data import TrainingData
from gnn.operators import Operator
from gnn.training.options import TrainingConfig
from gnn.training.record import RunRecord
from gnn.training.run import TrainingRun
from gnn.training.trainer import Objective, train

C = TypeVar("C", bound=TrainingConfig)


class TrainedModel(ABC, Generic[C]):
    """A model that is an objective and its configuration. Implements :class:`gnn.training.SupportsTrainingRun`."""

    name: ClassVar[str]
    """What progress and the run record call it."""

    def __init__(self, config: C) -> None:
        self.config = config
        self.run = TrainingRun()
        self.record: RunRecord | None = None
        self.best_epochs: int | None = None

    @abstractmethod
    def objective(self, data: TrainingData) -> Objective:
        """What is minimised; random numbers drawn here follow from the data's seed."""

    def config_for(self, data: TrainingData) -> C:
        """The configuration for this data; models whose defaults depend on its size say so here."""
        return self.config

    def fit(self, data: TrainingData) -> Operator:
        self.config = self.config_for(data)
        with torch.random.fork_rng():
            torch.manual_seed(data.seed)
            objective = self.objective(data)
        trained = train(self.name, objective, self.config, data, self.run)
        self.record = trained.record
        self.best_epochs = trained.record.best_epoch
        return trained.operator
