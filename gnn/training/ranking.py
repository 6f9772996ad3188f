"""The ranking loss as an option: one trainer, and the losses that papers present as models of their own."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from pydantic import Field
from torch import Tensor

from gnn.histories import IntArray
from gnn.models.targets import Targets
from gnn.training.losses import (
    constrained_loss,
    contrastive_loss,
    pair_loss,
    sampled_softmax_loss,
    softmax_loss,
)
from gnn.training.options import TrainingConfig

LossName: TypeAlias = Literal["softmax", "bpr", "simplex", "ultragcn"]

SAMPLED = 1000
"""Items drawn for a loss that needs negatives, when ``negatives`` does not say how many."""


class RankingConfig(TrainingConfig):
    """Which loss, and its parameters; models with user and item embeddings add their own fields."""

    loss: LossName = "softmax"
    temperature: float = Field(0.2, gt=0)
    """Of both softmaxes."""
    negatives: int | None = Field(None, ge=1)
    """Items sampled for each step; ``None`` takes all of them in the softmax, 1,000 in the other losses."""
    margin: float = Field(0.5, ge=-1, le=1)
    """SimpleX: the cosine up to which another item costs nothing."""
    negative_weight: float = Field(50.0, gt=0)
    """SimpleX and UltraGCN: the weight of the sampled items together, beside one chosen item."""

    @property
    def ranks_by_cosine(self) -> bool:
        """Whether the loss compares directions, so that items have to be served at unit length."""
        return self.loss in ("softmax", "simplex")


def ranking_loss(
    config: RankingConfig, targets: Targets, users: IntArray, user: Tensor, item: Tensor, rng: np.random.Generator
) -> Tensor:
    """The configured loss of a block. Shapes: ``users`` (B,), ``user`` (B, D), ``item`` (J, D) as ``targets`` lists."""
    rows, chosen = targets.block(users)
    at, columns = targets.tensor(rows), targets.positions(chosen)
    if config.loss == "bpr":
        return pair_loss(user, item, at, columns, targets.sample(rows.size, rng))
    if config.loss == "softmax" and config.negatives is None:
        return softmax_loss(user, item, at, columns, config.temperature)
    others = targets.sample(config.negatives or SAMPLED, rng)
    if config.loss == "softmax":
        return sampled_softmax_loss(user, item, at, columns, others, targets.num_items, config.temperature)
    if config.loss == "simplex":
        return contrastive_loss(user, item, at, columns, others, config.margin, config.negative_weight)
    degrees = targets.degrees(users)
    return constrained_loss(user, item, at, columns, others, degrees, config.negative_weight)
