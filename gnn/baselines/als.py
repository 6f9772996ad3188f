"""ALS: weighted matrix factorisation of implicit feedback."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from gnn.baselines.folding import folded
from gnn.data import TrainingData
from gnn.data.histories import FloatArray
from gnn.models.model import ModelConfig
from gnn.operators import Operator

_BATCH_ENTRIES = 2_000_000
"""Floats gathered per batch of least-squares problems."""


class ALS:
    """Scores by the product of user and item factors that fit 1 where chosen (weight 1 + α) and 0 elsewhere (1).

    Reference: Hu, Koren & Volinsky, "Collaborative filtering for implicit feedback datasets", 2008.
    """

    class Config(ModelConfig):
        embedding_dim: int = Field(64, ge=1)
        alpha: float = Field(10.0, gt=0)
        """How much more a chosen item weighs than one not chosen."""
        ridge: float = Field(60.0, gt=0)
        iterations: int = Field(15, ge=1)

    reference: ClassVar[str] = "Hu, Koren & Volinsky 2008, weighted ALS"

    def __init__(self, config: Config) -> None:
        self.config = config

    def fit(self, data: TrainingData) -> Operator:
        config = self.config
        by_user = data.train.matrix()
        by_item = sp.csr_array(by_user.T)
        by_item.sort_indices()
        rng = np.random.default_rng(data.seed)
        items = 0.1 * rng.standard_normal((data.train.num_items, config.embedding_dim), np.float32)
        users = np.zeros((data.train.num_users, config.embedding_dim), np.float32)
        for _ in range(config.iterations):
            users = least_squares(by_user, items, config.alpha, config.ridge)
            items = least_squares(by_item, users, config.alpha, config.ridge)
        users = least_squares(by_user, items, config.alpha, config.ridge)
        return folded(by_user, users, items)


def least_squares(chosen: sp.csr_array, factors: FloatArray, alpha: float, ridge: float) -> FloatArray:
    """The best factors of one side while the other stands still. Shapes: (N, M), (M, D) → (N, D).

    With A = YᵀY + ridge and C the chosen rows of Y, a row's factors are (A + αCᵀC)⁻¹ (1 + α) Cᵀ1. Where fewer rows are
    chosen than there are dimensions, the same is A⁻¹Cᵀ (1 + αCA⁻¹Cᵀ)⁻¹ (1 + α) 1, a smaller system.
    """
    dim = factors.shape[1]
    length = np.diff(chosen.indptr)
    shared = factors.T @ factors + np.float32(ridge) * np.eye(dim, dtype=np.float32)
    nothing = np.zeros((1, dim), np.float32)
    padded = np.vstack([factors, nothing])
    spread = np.vstack([np.linalg.solve(shared, factors.T).T, nothing])
    solved = np.zeros((chosen.shape[0], dim), np.float32)
    # Rows of like length are solved side by side, padded with a factor of zeros that changes nothing.
    order = np.argsort(length, kind="stable")
    order = order[length[order] > 0]
    stop = order.size
    while stop > 0:
        longest = int(length[order[stop - 1]])
        start = max(0, stop - max(1, _BATCH_ENTRIES // (dim * max(longest, dim))))
        rows = order[start:stop]
        place = np.arange(longest)
        inside = place[None, :] < length[rows][:, None]
        at = np.where(inside, chosen.indptr[rows][:, None] + place[None, :], 0)
        picked = np.where(inside, chosen.indices[at], factors.shape[0])
        gathered = padded[picked]
        if longest < dim:
            inverted = spread[picked]
            system = np.float32(alpha) * (inverted @ gathered.transpose(0, 2, 1)) + np.eye(longest, dtype=np.float32)
            target = np.full((rows.size, longest, 1), 1.0 + alpha, np.float32)
            solved[rows] = (inverted.transpose(0, 2, 1) @ np.linalg.solve(system, target))[:, :, 0]
        else:
            system = shared + np.float32(alpha) * (gathered.transpose(0, 2, 1) @ gathered)
            target = np.float32(1.0 + alpha) * gathered.sum(axis=1)[:, :, None]
            solved[rows] = np.linalg.solve(system, target)[:, :, 0]
        stop = start
    return solved
