"""GF-CF: recommendation as a low-pass filter on the user–item graph."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from gnn.baselines.neighbors import degrees, inverse_power, strongest
from gnn.baselines.spectral import item_spectrum, normalised
from gnn.data import TrainingData
from gnn.models.model import ModelConfig
from gnn.operators import EmbeddingOperator, Operator, SparseOperator, SumOperator


class GraphFilter:
    """Scores by a linear filter (two normalised hops) plus an ideal low-pass filter (the strongest spectrum).

    Reference: Shen et al., "How powerful is graph convolution for recommendation?", 2021, eq. 13.
    """

    class Config(ModelConfig):
        rank: int = Field(256, ge=1)
        """How many spectral directions pass the ideal filter."""
        alpha: float = Field(0.3, ge=0)
        """Weight of the ideal low-pass filter beside the linear one."""
        neighbors: int = Field(1000, ge=1)
        """The linear filter keeps this many entries per item; the paper keeps all."""

    reference: ClassVar[str] = "Shen et al. 2021, GF-CF"

    def __init__(self, config: Config) -> None:
        self.config = config

    def fit(self, data: TrainingData) -> Operator:
        config = self.config
        matrix = data.train.matrix()
        _, of_item = degrees(matrix)
        graph = normalised(matrix)
        linear = strongest(sp.csr_array(graph.T), graph, config.neighbors, keep_self=True)
        directions, _ = item_spectrum(graph, config.rank, seed=data.seed)
        ideal = EmbeddingOperator(
            item_embedding=(directions * np.sqrt(of_item)[:, None]).astype(np.float32),
            fold_in=(directions * inverse_power(of_item, 0.5)[:, None]).astype(np.float32),
            length_power=0.0,
        )
        return SumOperator((SparseOperator(linear), ideal), (1.0, config.alpha))
