"""The ranking loss as an option: one trainer, and the losses that papers present as models of their own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import Field
from torch import Tensor

from gnn.data.histories import IntArray
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


@dataclass(frozen=True, slots=True)
class Draw:
    """What a step compares: chosen pairs, and other items.

    Shapes: ``users`` (B,); ``rows`` and ``columns`` (P,), which user of the block has which target; ``others`` (S,)
    sampled items or ``None`` for all; ``positions`` (C,), where in the targets' item list the columns are counted from,
    ``None`` for the list itself.
    """

    users: IntArray
    rows: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int64]
    others: npt.NDArray[np.int64] | None
    positions: npt.NDArray[np.int64] | None = None

    def compact(self) -> Draw:
        """The same, counted among the items that occur in it."""
        if self.others is None:
            return self
        found, at = np.unique(np.concatenate([self.columns, self.others]), return_inverse=True)
        columns, others = at[: self.columns.size], at[self.columns.size :]
        return replace(self, columns=columns, others=others, positions=found)


def drawn(config: RankingConfig, targets: Targets, users: IntArray, rng: np.random.Generator) -> Draw:
    """The pairs of a block, and the items that the configured loss compares them with."""
    rows, items = targets.block(users)
    size: int | None = rows.size
    if config.loss != "bpr":
        size = config.negatives if config.loss == "softmax" else config.negatives or SAMPLED
    others = None if size is None else rng.integers(0, targets.num_items, size)
    return Draw(users, rows.astype(np.int64), targets.position_of(items), others)


def drawn_loss(config: RankingConfig, targets: Targets, draw: Draw, user: Tensor, item: Tensor) -> Tensor:
    """The configured loss. Shapes: ``user`` (B, D), ``item`` (J, D), or (C, D) of a compact draw."""
    rows, columns = targets.tensor(draw.rows), targets.tensor(draw.columns)
    if draw.others is None:
        return softmax_loss(user, item, rows, columns, config.temperature)
    others = targets.tensor(draw.others)
    if config.loss == "bpr":
        return pair_loss(user, item, rows, columns, others)
    if config.loss == "softmax":
        return sampled_softmax_loss(user, item, rows, columns, others, targets.num_items, config.temperature)
    if config.loss == "simplex":
        return contrastive_loss(user, item, rows, columns, others, config.margin, config.negative_weight)
    of_user, of_item = targets.degrees(draw.users)
    if draw.positions is not None:
        of_item = of_item[targets.tensor(draw.positions)]
    return constrained_loss(user, item, rows, columns, others, (of_user, of_item), config.negative_weight)
