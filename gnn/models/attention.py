"""Attention along the edges of a graph, on CSR rows: softmax over each target's sources, and what they send."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor

from gnn.propagation.adjacency import Adjacency


def attended(adjacency: Adjacency, logits: Tensor, features: Tensor) -> Tensor:
    """Each target's sources, weighed by the softmax of their logits; a target without sources gets zeros.

    Shapes: ``logits`` (E,) in the order of the adjacency's rows, ``features`` (sources, D) → (targets, D).
    """
    weigh = cast(Callable[[Tensor, Tensor, Adjacency], Tensor], _Weighted.apply)
    return weigh(row_softmax(adjacency, logits), features, adjacency)


def row_softmax(adjacency: Adjacency, logits: Tensor) -> Tensor:
    """Softmax of edge logits within each target. Shapes (E,) → (E,)."""
    targets = adjacency.shape[0]
    row = adjacency.edge_targets
    highest = torch.full((targets,), -torch.inf, dtype=logits.dtype, device=logits.device)
    highest = highest.scatter_reduce(0, row, logits.detach(), "amax")
    raised = torch.exp(logits - highest[row])
    total = torch.zeros(targets, dtype=logits.dtype, device=logits.device).index_add(0, row, raised)
    return raised / total[row]


class _Weighted(torch.autograd.Function):
    """A sparse product whose values are learned: the gradient of a value is the product of its edge's two ends."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, features: Tensor, adjacency: Adjacency) -> Tensor:
        ctx.save_for_backward(weight, features)
        ctx.adjacency = adjacency
        return adjacency.reweighted(weight) @ features

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        weight, features = ctx.saved_tensors
        adjacency: Adjacency = ctx.adjacency
        received = gradients[0].contiguous()
        of_weight = (received[adjacency.edge_targets] * features[adjacency.edge_sources]).sum(1)
        return of_weight, adjacency.reweighted(weight).transposed @ received, None
