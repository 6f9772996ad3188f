"""RP3beta: a walk item → user → item, with popular ends damped."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from gnn.baselines.neighbors import degrees, inverse_power, scaled_columns, scaled_rows, strongest
from gnn.data import TrainingData
from gnn.models.model import ModelConfig
from gnn.operators import Operator, SparseOperator


class RP3Beta:
    """Scores by where a random walk of three steps from the user ends.

    Transition probabilities are raised to ``alpha``; the end is divided by its popularity to the power ``beta``.

    Reference: Paudel et al., "Updatable, accurate, diverse, and scalable recommendations for interactive
    applications", 2017.
    """

    class Config(ModelConfig):
        alpha: float = Field(0.7, ge=0)
        beta: float = Field(0.2, ge=0)
        neighbors: int = Field(300, ge=1)

    reference: ClassVar[str] = "Paudel et al. 2017, RP3beta"

    def __init__(self, config: Config) -> None:
        self.config = config

    def fit(self, data: TrainingData) -> Operator:
        config = self.config
        matrix = data.train.matrix()
        of_user, of_item = degrees(matrix)
        item_to_user = sp.csr_array(scaled_columns(matrix, inverse_power(of_item, config.alpha)).T)
        user_to_item = scaled_rows(matrix, inverse_power(of_user, config.alpha))
        damping = inverse_power(of_item, config.beta).astype(np.float32)
        return SparseOperator(
            strongest(
                item_to_user,
                user_to_item,
                config.neighbors,
                reweight=lambda value, row, column: value * damping[column],
            )
        )
