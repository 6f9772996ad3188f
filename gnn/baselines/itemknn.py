"""ItemKNN: items chosen by the same users are neighbours."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from gnn.baselines.neighbors import degrees, strongest
from gnn.data import TrainingData
from gnn.models.model import ModelConfig
from gnn.operators import Operator, SparseOperator


class ItemKNN:
    """Scores an item by its cosine similarity to the history's items, summed over those among its nearest neighbours.

    Reference: Deshpande & Karypis, "Item-based top-N recommendation algorithms", 2004; the shrinkage of Bell &
    Koren, "Improved neighborhood-based collaborative filtering", 2007.
    """

    class Config(ModelConfig):
        neighbors: int = Field(100, ge=1)
        shrink: float = Field(10.0, ge=0)
        """Added to the denominator, so that similarities resting on few users count less."""

    reference: ClassVar[str] = "Deshpande & Karypis 2004, item-based top-N"

    def __init__(self, config: Config) -> None:
        self.config = config

    def fit(self, data: TrainingData) -> Operator:
        matrix = data.train.matrix()
        _, count = degrees(matrix)
        norm = np.sqrt(count).astype(np.float32)
        shrink = np.float32(self.config.shrink)
        nearest = strongest(
            sp.csr_array(matrix.T),
            matrix,
            self.config.neighbors,
            reweight=lambda value, row, column: value / (norm[row] * norm[column] + shrink),
        )
        # Row i holds the neighbours of i; a score of i sums over them, so they stand in its column.
        return SparseOperator(sp.csr_array(nearest.T))
