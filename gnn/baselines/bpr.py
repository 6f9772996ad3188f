"""BPR-MF: matrix factorisation trained to put chosen items before others."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from pydantic import Field

from gnn.baselines.folding import folded
from gnn.data import TrainingData
from gnn.data.histories import FloatArray, IntArray
from gnn.models.model import ModelConfig
from gnn.operators import Operator


class BPR:
    """Scores by user and item factors and an item bias, trained on pairs (chosen, not chosen) with Adagrad.

    Reference: Rendle et al., "BPR: Bayesian personalized ranking from implicit feedback", 2009.
    """

    class Config(ModelConfig):
        embedding_dim: int = Field(64, ge=1)
        learning_rate: float = Field(0.05, gt=0)
        weight_decay: float = Field(0.03, ge=0)
        epochs: int = Field(40, ge=1)
        batch_size: int = Field(2048, ge=1)

    reference: ClassVar[str] = "Rendle et al. 2009, BPR-MF"

    def __init__(self, config: Config) -> None:
        self.config = config

    def fit(self, data: TrainingData) -> Operator:
        config, train = self.config, data.train
        rng = np.random.default_rng(data.seed)
        matrix = train.matrix()
        user = np.repeat(np.arange(train.num_users, dtype=np.int32), np.diff(matrix.indptr))
        chosen = np.asarray(matrix.indices, np.int32)
        pairs = user.astype(np.int64) * train.num_items + chosen
        # The last column of an item is its bias; the last column of a user is always 1.
        users = _Adagrad(0.1 * rng.standard_normal((train.num_users, config.embedding_dim + 1), np.float32))
        users.table[:, -1] = 1.0
        items = _Adagrad(0.1 * rng.standard_normal((train.num_items, config.embedding_dim + 1), np.float32))
        items.table[:, -1] = 0.0
        for _ in range(config.epochs):
            order = rng.permutation(chosen.size)
            for start in range(0, chosen.size, config.batch_size):
                batch = order[start : start + config.batch_size]
                other = rng.integers(0, train.num_items, batch.size).astype(np.int32)
                asked = user[batch].astype(np.int64) * train.num_items + other
                free = pairs[np.minimum(np.searchsorted(pairs, asked), pairs.size - 1)] != asked
                self._step(users, items, user[batch][free], chosen[batch][free], other[free])
        unknown = np.bincount(chosen, minlength=train.num_items) == 0
        items.table[unknown] = 0.0
        return folded(
            matrix,
            np.ascontiguousarray(users.table[:, :-1]),
            np.ascontiguousarray(items.table[:, :-1]),
            item_bias=np.ascontiguousarray(items.table[:, -1]),
        )

    def _step(self, users: _Adagrad, items: _Adagrad, user: IntArray, chosen: IntArray, other: IntArray) -> None:
        config = self.config
        of_user, better, worse = users.table[user], items.table[chosen], items.table[other]
        margin = np.einsum("bd,bd->b", of_user, better - worse)
        pull = (1.0 / (1.0 + np.exp(np.clip(margin, -30, 30)))).astype(np.float32)[:, None]
        decay = np.float32(config.weight_decay)
        user_gradient = -pull * (better - worse) + decay * of_user
        user_gradient[:, -1] = 0.0
        users.step(user, user_gradient, config.learning_rate)
        items.step(
            np.concatenate([chosen, other]),
            np.concatenate([-pull * of_user + decay * better, pull * of_user + decay * worse]),
            config.learning_rate,
        )


class _Adagrad:
    """A table of parameters whose rows are updated only when they are used."""

    def __init__(self, table: FloatArray) -> None:
        self.table = table
        self.energy: FloatArray = np.full(table.shape, 1e-8, np.float32)

    def step(self, rows: IntArray, gradient: FloatArray, learning_rate: float) -> None:
        used, total = _summed(rows, gradient)
        self.energy[used] += total * total
        self.table[used] -= np.float32(learning_rate) * total / np.sqrt(self.energy[used])


def _summed(rows: IntArray, gradient: FloatArray) -> tuple[npt.NDArray[np.int32], FloatArray]:
    """The distinct rows, and the sum of the gradients of each."""
    used, place = np.unique(rows, return_inverse=True)
    gather = sp.csr_array((np.ones(rows.size, np.float32), (place, np.arange(rows.size))), shape=(used.size, rows.size))
    return used, np.asarray(gather @ gradient, np.float32)
