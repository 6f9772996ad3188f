"""The objective of networks that end in one embedding per user and per item: loss of a block, and numpy side."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor, nn

from gnn.baselines.folding import folded
from gnn.data import TrainingData
from gnn.data.histories import IntArray
from gnn.models.targets import Targets
from gnn.operators import Operator
from gnn.training.device import device_named
from gnn.training.ranking import RankingConfig, drawn, drawn_loss


class UserItemNetwork(nn.Module, ABC):
    """A network whose output is what ranks: embeddings of all users and all items."""

    @abstractmethod
    def forward(self) -> tuple[Tensor, Tensor]:
        """Shapes: (U, D), (I, D)."""

    def penalty(self) -> Tensor | float:
        """What is added to the ranking loss of every step."""
        return 0.0


class NodeObjective:
    """Trains a :class:`UserItemNetwork`; users are served by a fold-in fitted to their embeddings."""

    def __init__(self, network: UserItemNetwork, config: RankingConfig, data: TrainingData) -> None:
        device = device_named(data.device)
        self.module = network.to(device)
        self._config = config
        self._matrix = data.train.matrix()
        self._targets = Targets(self._matrix, device)
        self._known_items = self._targets.tensor(self._targets.item_index)

    def loss(self, users: IntArray, rng: np.random.Generator) -> Tensor:
        draw = drawn(self._config, self._targets, users, rng)
        user, item = self.module()
        block, known = user[self._targets.tensor(users)], item[self._known_items]
        return drawn_loss(self._config, self._targets, draw, block, known) + self.module.penalty()

    def operator(self) -> Operator:
        user, item = self.module()
        if self._config.ranks_by_cosine:
            user, item = nn.functional.normalize(user, dim=1), nn.functional.normalize(item, dim=1)
        return folded(self._matrix, _floats(user), _floats(item))


def _floats(rows: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.array(rows.detach().to(torch.float32).cpu().numpy(), np.float32)
