"""Previous-item walk: what users chose shortly before."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from gnn.baselines.neighbors import inverse_power, row_strongest, scaled_rows
from gnn.baselines.next_item import soon_after
from gnn.data import TrainingData
from gnn.models.model import ModelConfig
from gnn.operators import Operator, SparseOperator


class PreviousItem:
    """Scores by the edges of the next-item walk, walked backwards: item → item that came within the last few events.

    Where orders arrive in bundles, or reviews in heaps, what came before is about as likely to come next; the fusion
    weighs both directions apart.

    Reference: Ludewig & Jannach, "Evaluation of session-based recommendation algorithms", 2018, sequential rules, read
    from their consequence.
    """

    class Config(ModelConfig):
        steps: int = Field(3, ge=1)
        """How many events back count."""
        source_power: float = Field(0.5, ge=0)
        """Edges are divided by their start's total to this power; 1 makes them transition probabilities."""
        neighbors: int = Field(500, ge=1)

    reference: ClassVar[str] = "Ludewig & Jannach 2018, sequential rules backwards"

    def __init__(self, config: Config) -> None:
        self.config = config

    def fit(self, data: TrainingData) -> Operator:
        train = data.train
        edges = sp.csr_array(soon_after(train.user_index, train.item_index, train.num_items, self.config.steps).T)
        total = np.asarray(edges.sum(axis=1), np.float64).ravel()
        return SparseOperator(
            row_strongest(scaled_rows(edges, inverse_power(total, self.config.source_power)), self.config.neighbors)
        )
