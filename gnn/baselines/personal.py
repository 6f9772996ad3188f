"""Personal frequency: what a user chose before, most often or most often of late, then what everybody chooses."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from gnn.data import TrainingData
from gnn.models.model import ModelConfig
from gnn.operators import Operator
from gnn.operators.personal import PersonalOperator

_BELOW_A_CHOICE = 0.999
"""The most popular item of all, beside one choice of the user's own."""


class PersonalFrequency:
    """The user's items by how often they were chosen, then everybody's.

    Reference: Li et al., "A next basket recommendation reality check", 2023, GP-TopFreq.
    """

    class Config(ModelConfig):
        """Nothing to choose."""

    reference: ClassVar[str] = "Li et al. 2023, GP-TopFreq"

    def __init__(self, config: Config) -> None:
        self.config = config

    def fit(self, data: TrainingData) -> Operator:
        return PersonalOperator(_popularity(data, _BELOW_A_CHOICE))


class PersonalRecency:
    """The same, a choice counting less for every basket since, beside what everybody chooses.

    Reference: Hu, He, Gao & Zhang, "Modeling personalized item frequency information for next-basket
    recommendation", 2020, the user's own vector, with one decay instead of two.
    """

    class Config(ModelConfig):
        decay: float = Field(0.95, gt=0, le=1)
        popularity: float = Field(1.0, ge=0)
        """What the most popular item of all counts, beside one choice of the user's own in the last basket."""

    reference: ClassVar[str] = "Hu et al. 2020, TIFU, own items"

    def __init__(self, config: Config) -> None:
        self.config = config

    def fit(self, data: TrainingData) -> Operator:
        return PersonalOperator(_popularity(data, self.config.popularity), self.config.decay)


def _popularity(data: TrainingData, most: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    count = np.bincount(data.train.item_index, minlength=data.train.num_items)
    return np.asarray(most * count / max(int(count.max(initial=0)), 1), np.float32)
