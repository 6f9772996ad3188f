"""Workers that share one training: each takes a part of every block of users, and all take the same step.

Where torch's process group is up (Ray Train puts it up), the trainer runs in every worker with the same seed. A step's
gradient is the mean of the workers' gradients, weighted by the interactions behind them: that of the whole block.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

import torch
import torch.distributed as distributed
from torch import Tensor, nn

from gnn.data.histories import IntArray

T = TypeVar("T")


class Workers(Protocol):
    """The workers of a training, seen from one of them."""

    @property
    def rank(self) -> int:
        """Which worker this is; 0 alone validates, writes files and decides when to stop."""
        ...

    @property
    def size(self) -> int: ...

    def part(self, users: IntArray) -> IntArray:
        """This worker's part of a block of users; it may be empty."""
        ...

    def merge(self, parameters: Iterable[nn.Parameter], loss: float, weight: float) -> float:
        """Puts the workers' mean gradient in place of this one's; the mean loss. Means are weighted."""
        ...

    def agree(self, mine: T) -> T:
        """What worker 0 has."""
        ...


class Alone:
    """The only worker."""

    rank = 0
    size = 1

    def part(self, users: IntArray) -> IntArray:
        return users

    def merge(self, parameters: Iterable[nn.Parameter], loss: float, weight: float) -> float:
        return loss

    def agree(self, mine: T) -> T:
        return mine


class Together:
    """One of the workers of torch's process group."""

    def __init__(self) -> None:
        self.rank = distributed.get_rank()
        self.size = distributed.get_world_size()

    def part(self, users: IntArray) -> IntArray:
        return users[self.rank :: self.size]

    def merge(self, parameters: Iterable[nn.Parameter], loss: float, weight: float) -> float:
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        device = trained[0].device
        # One message a step: all gradients, the loss and the weight.
        message = torch.cat(
            [
                *(_gradient(parameter).reshape(-1).float() * weight for parameter in trained),
                torch.tensor([loss * weight, weight], dtype=torch.float32, device=device),
            ]
        )
        distributed.all_reduce(message)
        total = float(message[-1])
        mean = message[:-1] / max(total, 1e-12)
        start = 0
        for parameter in trained:
            stop = start + parameter.numel()
            parameter.grad = mean[start:stop].view_as(parameter).to(parameter.dtype)
            start = stop
        return float(mean[-1])

    def agree(self, mine: T) -> T:
        held: list[T] = [mine]
        distributed.broadcast_object_list(held, src=0)
        return held[0]


def workers_here() -> Workers:
    """The workers of the process group, or nobody else."""
    if distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1:
        return Together()
    return Alone()


def _gradient(parameter: nn.Parameter) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
