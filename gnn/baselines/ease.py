"""EASE: a linear autoencoder with a closed form."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import scipy.linalg
from pydantic import Field

from gnn.data import TrainingData
from gnn.models.model import ModelConfig
from gnn.operators import DenseOperator, Operator
from graph.errors import InputError


class EASE:
    """Scores by item-to-item weights that reconstruct every history best when no item may explain itself.

    Reference: Steck, "Embarrassingly shallow autoencoders for sparse data", 2019, eq. 8.
    """

    class Config(ModelConfig):
        ridge: float = Field(300.0, gt=0)
        """The L2 penalty, λ in the paper; grows with the number of interactions per item."""
        max_memory_mb: float = Field(8192.0, gt=0)
        """The fit keeps three dense item × item matrices; above this bound it refuses to start."""

    reference: ClassVar[str] = "Steck 2019, EASE^R"

    def __init__(self, config: Config) -> None:
        self.config = config

    def fit(self, data: TrainingData) -> Operator:
        num_items = data.train.num_items
        needed_mb = 3 * 4 * num_items**2 / 1e6
        if needed_mb > self.config.max_memory_mb:
            raise InputError(
                f"EASE needs a dense matrix of {num_items} × {num_items} items",
                expected=f"at most {self.config.max_memory_mb:.0f} MB",
                got=f"{needed_mb:.0f} MB",
                remedy="Raise max_memory_mb, or use rp3beta or itemknn.",
            )
        matrix = data.train.matrix()
        gram = (matrix.T @ matrix).toarray(order="F")
        gram[np.diag_indices_from(gram)] += np.float32(self.config.ridge)
        factor, _ = scipy.linalg.lapack.spotrf(gram, lower=1, overwrite_a=1)
        inverse, _ = scipy.linalg.lapack.spotri(factor, lower=1, overwrite_c=1)
        weights = np.tril(inverse)
        weights += np.tril(inverse, -1).T
        weights /= -np.diag(weights).copy()
        np.fill_diagonal(weights, 0.0)
        return DenseOperator(np.ascontiguousarray(weights, np.float32))
