"""XSimGCL: propagation with noise, and a contrast between its layers that spreads embeddings evenly."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from gnn.data import TrainingData
from gnn.data.histories import IntArray
from gnn.models.lightgcn import LightGCN, LightGCNObjective
from gnn.models.trained import TrainedModel
from gnn.training.trainer import Objective
from graph.sorting import distinct


class XSimGCL(TrainedModel["XSimGCL.Config"]):
    """LightGCN without its zeroth layer; training adds noise to layers, and contrasts an early one with their mean.

    Users and items have no part of their own beside what they receive, so a new history is embedded as a known one.

    Reference: Yu et al., "XSimGCL: towards extremely simple graph contrastive learning for recommendation", 2023,
    equations 9 to 11. The ranking loss is this project's softmax; the paper's is ``loss="bpr"``.
    """

    class Config(LightGCN.Config):
        layers: int = Field(2, ge=1)
        noise: float = Field(0.1, ge=0)
        """Length of the noise added to every embedding in every layer, in its own orthant."""
        contrast: float = Field(0.05, ge=0)
        """Weight of the contrastive loss."""
        contrast_layer: int = Field(1, ge=1)
        """The layer that is contrasted with the mean of all; the last one at most."""
        contrast_temperature: float = Field(1.0, gt=0)

    name: ClassVar[str] = "XSimGCL"
    reference: ClassVar[str] = "Yu et al. 2023, XSimGCL"

    def objective(self, data: TrainingData) -> Objective:
        return _Objective(self.config, data)


class _Objective(LightGCNObjective):
    first_layer: ClassVar[int] = 1

    def __init__(self, config: XSimGCL.Config, data: TrainingData) -> None:
        super().__init__(config, data)
        self.contrasting = config

    def loss(self, users: IntArray, rng: np.random.Generator) -> Tensor:
        config = self.contrasting
        user_layers, item_layers = self.noisy_layers()
        user, item = self.averaged(user_layers), self.averaged(item_layers)
        layer = min(config.contrast_layer, config.layers)
        in_block = self.targets.tensor(users)
        chosen = self.targets.tensor(distinct(self.targets.block(users)[1]))
        contrast = agreement_loss(
            user[in_block], user_layers[layer][in_block], config.contrast_temperature
        ) + agreement_loss(item[chosen], item_layers[layer][chosen], config.contrast_temperature)
        return self.loss_between(users, user, item, rng) + config.contrast * contrast

    def noisy_layers(self) -> tuple[list[Tensor], list[Tensor]]:
        """User and item embeddings after 0 … L steps, each step with noise of a fixed length."""
        users, items = [self.module["user"]], [self.module["item"]]
        for _ in range(self.config.layers):
            user, item = self._to_users @ items[-1], self._to_items @ users[-1]
            users.append(self._noisy(user))
            items.append(self._noisy(item))
        return users, items

    def _noisy(self, rows: Tensor) -> Tensor:
        direction = nn.functional.normalize(torch.rand_like(rows), dim=1)
        return rows + torch.sign(rows) * direction * self.contrasting.noise


def agreement_loss(one: Tensor, other: Tensor, temperature: float) -> Tensor:
    """Mean cross-entropy of finding each row's counterpart among all rows of the other view (InfoNCE). Both (N, D)."""
    logits = nn.functional.normalize(one, dim=1) @ nn.functional.normalize(other, dim=1).T / temperature
    return nn.functional.cross_entropy(logits.float(), torch.arange(one.shape[0], device=one.device))
