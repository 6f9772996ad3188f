"""Next-item walk: what users chose soon after."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from gnn.baselines.neighbors import inverse_power, row_strongest, scaled_columns, scaled_rows
from gnn.data import TrainingData
from gnn.models.model import ModelConfig
from gnn.operators import Operator, SparseOperator


class NextItem:
    """Scores by directed edges item → item that was chosen within the next few events, weighted by 1 / gap.

    Reference: Rendle, Freudenthaler & Schmidt-Thieme, "Factorizing personalized Markov chains", 2010, the unfactorised
    chain; Ludewig & Jannach, "Evaluation of session-based recommendation algorithms", 2018, sequential rules.
    """

    class Config(ModelConfig):
        steps: int = Field(3, ge=1)
        """How many events ahead count."""
        source_power: float = Field(0.5, ge=0)
        """Edges are divided by their start's total to this power; 1 makes them transition probabilities."""
        target_power: float = Field(0.0, ge=0)
        """Edges are divided by their end's total to this power; more than 0 damps popular ends."""
        neighbors: int = Field(500, ge=1)

    reference: ClassVar[str] = "Ludewig & Jannach 2018, sequential rules"

    def __init__(self, config: Config) -> None:
        self.config = config

    def fit(self, data: TrainingData) -> Operator:
        config = self.config
        edges = soon_after(data.train.user_index, data.train.item_index, data.train.num_items, config.steps)
        out_total = np.asarray(edges.sum(axis=1), np.float64).ravel()
        in_total = np.asarray(edges.sum(axis=0), np.float64).ravel()
        edges = scaled_columns(edges, inverse_power(in_total, config.target_power))
        edges = scaled_rows(edges, inverse_power(out_total, config.source_power))
        return SparseOperator(row_strongest(edges, config.neighbors))


def soon_after(
    user_index: np.typing.NDArray[np.int32], item_index: np.typing.NDArray[np.int32], num_items: int, steps: int
) -> sp.csr_array:
    """Item → item within the next ``steps`` events of the same user, 1 / gap summed. Shapes: (N,), (N,) → (I, I)."""
    rows, columns, weights = [np.zeros(0, np.int32)], [np.zeros(0, np.int32)], [np.zeros(0, np.float32)]
    for gap in range(1, steps + 1):
        same_user = user_index[:-gap] == user_index[gap:]
        source, target = item_index[:-gap][same_user], item_index[gap:][same_user]
        differ = source != target
        rows.append(source[differ])
        columns.append(target[differ])
        weights.append(np.full(int(differ.sum()), 1.0 / gap, np.float32))
    edges = sp.csr_array(
        sp.coo_array(
            (np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))), shape=(num_items, num_items)
        )
    )
    edges.sum_duplicates()
    return edges
