"""Popularity: what most users chose comes first, for everyone."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from gnn.baselines.neighbors import degrees
from gnn.data import TrainingData
from gnn.models.model import ModelConfig
from gnn.operators import ConstantOperator, Operator


class Popularity:
    """Scores an item by the share of users who chose it.

    Reference: Cremonesi, Koren & Turrin, "Performance of recommender algorithms on top-N recommendation tasks", 2010.
    """

    class Config(ModelConfig):
        """Nothing to choose."""

    reference: ClassVar[str] = "Cremonesi, Koren & Turrin 2010, TopPop"

    def __init__(self, config: Config) -> None:
        self.config = config

    def fit(self, data: TrainingData) -> Operator:
        _, count = degrees(data.train.matrix())
        return ConstantOperator((count / max(1, data.train.num_users)).astype(np.float32))
