"""Relation walk: curated item relations, one step."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from gnn.baselines.neighbors import empty, inverse_power, row_strongest, scaled_rows
from gnn.data import TrainingData
from gnn.models.model import ModelConfig
from gnn.operators import Operator, SparseOperator


class RelationWalk:
    """Scores by one step along the item relations of the graph, each relation sharing one unit among its ends.

    Reference: Linden, Smith & York, "Amazon.com recommendations: item-to-item collaborative filtering", 2003, whose
    lists of related items are given here by the graph instead of counted.
    """

    class Config(ModelConfig):
        neighbors: int = Field(500, ge=1)

    reference: ClassVar[str] = "Linden, Smith & York 2003, item-to-item lists"

    def __init__(self, config: Config) -> None:
        self.config = config

    def fit(self, data: TrainingData) -> Operator:
        num_items = data.train.num_items
        total = empty(num_items, num_items)
        for relation in data.knowledge.relations.values():
            out_total = np.asarray(relation.sum(axis=1), np.float64).ravel()
            total = sp.csr_array(total + scaled_rows(relation, inverse_power(out_total, 1.0)))
        return SparseOperator(row_strongest(total, self.config.neighbors))
