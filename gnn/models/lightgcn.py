"""LightGCN: embeddings of users and items, smoothed along their interactions, and nothing else."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from gnn.data import TrainingData
from gnn.data.histories import FloatArray, IntArray
from gnn.models.targets import Targets
from gnn.models.trained import TrainedModel
from gnn.models.warm_start import spectral_start
from gnn.operators import EmbeddingOperator, Operator
from gnn.propagation.adjacency import Adjacency
from gnn.propagation.smoothing import Smoothing, can_smooth_fast
from gnn.training.device import device_named
from gnn.training.ranking import RankingConfig, drawn, drawn_loss
from gnn.training.trainer import Objective

MANY_ITEMS = 20_000
FOR_MANY_ITEMS: dict[str, Any] = {
    "batch_users": 512,
    "learning_rate": 0.01,
    "learning_rate_end": 0.02,
    "negatives": 2048,
    "temperature": 0.1,
    "validate_steps": 200,
    "norm_power": 0.25,
}
"""What replaces the defaults where there are more items: a softmax over all of them leaves no time for steps."""


class LightGCN(TrainedModel["LightGCN.Config"]):
    """The mean of an embedding and its neighbourhood averages at 1 … L steps, trained with a softmax over items.

    The paper trains with BPR (``loss="bpr"``); the softmax over cosines reaches more in a hundredth of the time.
    Where there are many items the softmax is over a sample, see :data:`FOR_MANY_ITEMS`.
    With ``layers=0`` it is matrix factorisation, and so ``loss="simplex"`` or ``"ultragcn"`` gives those two.

    Reference: He et al., "LightGCN: simplifying and powering graph convolution network for recommendation",
    2020, equations 3, 4 and 8. Loss: Wu et al., "On the effectiveness of sampled softmax loss for item
    recommendation", 2024.
    """

    class Config(RankingConfig):
        embedding_dim: int = Field(64, ge=1)
        layers: int = Field(3, ge=0)
        warm_start: bool = True
        """Begin at the spectral solution instead of at random."""
        start_scale: float = Field(3.0, gt=0)
        norm_power: float = Field(0.0, ge=0, le=1)
        """How much an item's length counts in its score, where the loss compares directions: often chosen is longer."""

    name: ClassVar[str] = "LightGCN"
    reference: ClassVar[str] = "He et al. 2020, LightGCN"

    def config_for(self, data: TrainingData) -> LightGCN.Config:
        if data.train.num_items <= MANY_ITEMS:
            return self.config
        return self.Config(**FOR_MANY_ITEMS | self.config.model_dump(exclude_unset=True))

    def objective(self, data: TrainingData) -> Objective:
        return LightGCNObjective(self.config, data)


class LightGCNObjective:
    """The loss of a block of users, and the exact numpy side of linear propagation."""

    first_layer: ClassVar[int] = 0
    """The first of the layers that are averaged: 0 counts the embedding itself."""

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
        self.targets = Targets(matrix, device)
        self._known_items = self.targets.tensor(self.targets.item_index)
        self._smoothing = Smoothing(matrix, config.layers) if can_smooth_fast(matrix, device) else None

    def loss(self, users: IntArray, rng: np.random.Generator) -> Tensor:
        if self._smoothing is None:
            user_layers, item_layers = self.layers()
            return self.loss_between(users, self.averaged(user_layers), self.averaged(item_layers), rng)
        draw = drawn(self.config, self.targets, users, rng).compact()
        known = self._known_items if draw.positions is None else self._known_items[self.targets.tensor(draw.positions)]
        in_block = self.targets.tensor(users)
        user, item = self._smoothing(self.module["user"], self.module["item"], in_block, known)
        return drawn_loss(self.config, self.targets, draw, user, item)

    def loss_between(self, users: IntArray, user: Tensor, item: Tensor, rng: np.random.Generator) -> Tensor:
        """The ranking loss of a block, from the embeddings of all users and all items."""
        draw = drawn(self.config, self.targets, users, rng)
        block = user[self.targets.tensor(users)]
        return drawn_loss(self.config, self.targets, draw, block, item[self._known_items])

    def operator(self) -> Operator:
        """The model's own scores: what a user's history brings is linear in it, the rest is the user's residual."""
        _, item_layers = self.layers()
        item = self.averaged(item_layers)
        if self.config.ranks_by_cosine:
            length = item.norm(dim=1, keepdim=True)
            item = nn.functional.normalize(item, dim=1) * length**self.config.norm_power
        share = 1.0 / (self.config.layers + 1 - self.first_layer)
        received = sum(item_layers[:-1], torch.zeros_like(item)).cpu().numpy() * np.float32(share)
        root = np.sqrt(np.maximum(self._item_degree, 1)).astype(np.float32)
        own = self.module["user"].detach().cpu().numpy() * np.float32(share)
        return EmbeddingOperator(
            item_embedding=np.array(item.cpu().numpy(), np.float32),
            fold_in=np.asarray(received / root[:, None], np.float32),
            user_residual=np.array(own, np.float32) if self.first_layer == 0 else None,
            length_power=0.5,
        )

    def layers(self) -> tuple[list[Tensor], list[Tensor]]:
        """User and item embeddings after 0 … L steps."""
        users, items = [self.module["user"]], [self.module["item"]]
        for _ in range(self.config.layers):
            user, item = self._to_users @ items[-1], self._to_items @ users[-1]
            users.append(user)
            items.append(item)
        return users, items

    def averaged(self, layers: list[Tensor]) -> Tensor:
        """The mean of the layers that count."""
        return torch.stack(layers[self.first_layer :]).mean(0)


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
