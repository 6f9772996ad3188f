"""LightGCN: embeddings of users and items, smoothed along their interactions, and nothing else."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from gnn.data import TrainingData
from gnn.histories import FloatArray, IntArray
from gnn.models.targets import Targets
from gnn.models.warm_start import spectral_start
from gnn.operators import EmbeddingOperator, Operator
from gnn.propagation import Adjacency
from gnn.training.device import device_named
from gnn.training.losses import pair_loss, sampled_softmax_loss, softmax_loss
from gnn.training.options import TrainingConfig
from gnn.training.record import RunRecord
from gnn.training.run import TrainingRun
from gnn.training.trainer import train


class LightGCN:
    """The mean of an embedding and its neighbourhood averages at 1 … L steps, trained with a softmax over items.

    The paper trains with BPR (``loss="bpr"``); the softmax over cosines reaches more in a hundredth of the time.

    Reference: He et al., "LightGCN: simplifying and powering graph convolution network for recommendation",
    2020, equations 3, 4 and 8. Loss: Wu et al., "On the effectiveness of sampled softmax loss for item
    recommendation", 2024.
    """

    class Config(TrainingConfig):
        embedding_dim: int = Field(64, ge=1)
        layers: int = Field(3, ge=1)
        loss: Literal["softmax", "bpr"] = "softmax"
        temperature: float = Field(0.2, gt=0)
        negatives: int | None = Field(None, ge=1)
        """Items sampled for each step's softmax; ``None`` takes all of them."""
        warm_start: bool = True
        """Begin at the spectral solution instead of at random."""
        start_scale: float = Field(3.0, gt=0)

    reference: ClassVar[str] = "He et al. 2020, LightGCN"

    def __init__(self, config: Config) -> None:
        self.config = config
        self.run = TrainingRun()
        self.record: RunRecord | None = None
        self.best_epochs: int | None = None

    def fit(self, data: TrainingData) -> Operator:
        objective = _Objective(self.config, data)
        trained = train("LightGCN", objective, self.config, data, self.run)
        self.record = trained.record
        self.best_epochs = trained.record.best_epoch
        return trained.operator


class _Objective:
    def __init__(self, config: LightGCN.Config, data: TrainingData) -> None:
        self.config = config
        device = device_named(data.device)
        matrix = data.train.matrix()
        users, items = _start(config, data)
        self.module = nn.ParameterDict(
            {
                "user": nn.Parameter(torch.from_numpy(users).to(device)),
                "item": nn.Parameter(torch.from_numpy(items).to(device)),
            }
        )
        self._to_users = Adjacency.symmetric(matrix, device)
        self._to_items = self._to_users.transposed
        self._item_degree = np.bincount(matrix.indices, minlength=data.train.num_items)
        self._targets = Targets(matrix, device)
        self._known_items = self._targets.tensor(self._targets.item_index)

    def loss(self, users: IntArray, rng: np.random.Generator) -> Tensor:
        user_layers, item_layers = self._layers()
        targets = self._targets
        rows, chosen = targets.block(users)
        user = torch.stack(user_layers).mean(0)[targets.tensor(users)]
        item = torch.stack(item_layers).mean(0)[self._known_items]
        at, columns = targets.tensor(rows), targets.positions(chosen)
        if self.config.loss == "bpr":
            return pair_loss(user, item, at, columns, targets.sample(rows.size, rng))
        if self.config.negatives is None:
            return softmax_loss(user, item, at, columns, self.config.temperature)
        negatives = targets.sample(self.config.negatives, rng)
        return sampled_softmax_loss(user, item, at, columns, negatives, targets.num_items, self.config.temperature)

    def operator(self) -> Operator:
        """The model's own scores: what a user's history brings is linear in it, the rest is the user's residual."""
        _, item_layers = self._layers()
        item = torch.stack(item_layers).mean(0)
        if self.config.loss == "softmax":
            item = nn.functional.normalize(item, dim=1)
        share = 1.0 / (self.config.layers + 1)
        received = torch.stack(item_layers[:-1]).sum(0).cpu().numpy() * np.float32(share)
        root = np.sqrt(np.maximum(self._item_degree, 1)).astype(np.float32)
        return EmbeddingOperator(
            item_embedding=np.array(item.cpu().numpy(), np.float32),
            fold_in=np.asarray(received / root[:, None], np.float32),
            user_residual=np.array(self.module["user"].detach().cpu().numpy() * np.float32(share), np.float32),
            length_power=0.5,
        )

    def _layers(self) -> tuple[list[Tensor], list[Tensor]]:
        """User and item embeddings after 0 … L steps."""
        users, items = [self.module["user"]], [self.module["item"]]
        for _ in range(self.config.layers):
            user, item = self._to_users @ items[-1], self._to_items @ users[-1]
            users.append(user)
            items.append(item)
        return users, items


def _start(config: LightGCN.Config, data: TrainingData) -> tuple[FloatArray, FloatArray]:
    matrix = data.train.matrix()
    if config.warm_start:
        return spectral_start(matrix, config.embedding_dim, scale=config.start_scale, seed=data.seed)
    rng = np.random.default_rng(data.seed)
    users = (0.1 * rng.standard_normal((data.train.num_users, config.embedding_dim))).astype(np.float32)
    items = (0.1 * rng.standard_normal((data.train.num_items, config.embedding_dim))).astype(np.float32)
    # What nobody has chosen has no direction, rather than a random one.
    items[np.bincount(matrix.indices, minlength=data.train.num_items) == 0] = 0.0
    return users, items
