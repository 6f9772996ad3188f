"""Recent popularity: what is chosen most of late comes first, for everyone."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from gnn.data import NO_TIME, TrainingData
from gnn.models.model import ModelConfig
from gnn.operators import ConstantOperator, Operator

_DAY_S = 86_400.0


class RecentPopularity:
    """Scores an item by its choices, each counting half as much for every so many days before the newest one.

    Beside popularity it tells the fusion what is coming into season, and what has gone out of it. A choice without a
    time counts as one of long ago.

    Reference: Ji, Sun, Zhang & Li, "A re-visit of the popularity baseline in recommender systems", 2020, DecayPop.
    """

    class Config(ModelConfig):
        half_life_days: float = Field(14.0, gt=0)

    reference: ClassVar[str] = "Ji et al. 2020, DecayPop"

    def __init__(self, config: Config) -> None:
        self.config = config

    def fit(self, data: TrainingData) -> Operator:
        train = data.train
        timed = train.timestamp_s != NO_TIME
        newest = int(train.timestamp_s[timed].max(initial=0))
        age_days = np.where(timed, newest - np.where(timed, train.timestamp_s, newest), 0) / _DAY_S
        weight = np.where(timed, 0.5 ** (age_days / self.config.half_life_days), 1.0 if not timed.any() else 0.0)
        count = np.bincount(train.item_index, weights=weight, minlength=train.num_items)
        return ConstantOperator((count / max(float(count.max(initial=0.0)), 1e-12)).astype(np.float32))
