"""A softmax over many items whose scores are never all in memory: its gradient is made while its loss is."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, cast

import torch
from torch import Tensor

_CHUNK_ROWS = 128
"""Rows of scores at a time; with 10,000 items that is 5 MB, which stays in a CPU's cache."""


def item_softmax_loss(
    query: Tensor, item: Tensor, target: Tensor, weight: Tensor, *, raised: Tensor | None = None, half: bool = False
) -> Tensor:
    """The weighted sum of cross-entropies of each query's target against all items, by inner product.

    Shapes: ``query`` (P, D), ``item`` (J, D), ``target`` and ``weight`` (P,); ``raised`` (J,) is added to every item's
    scores. ``half`` multiplies in bfloat16 and sums in float32.
    """
    run = cast(Callable[..., Tensor], _ItemSoftmax.apply)
    return run(query.float(), item.float(), target, weight, raised, half)


@cache
def multiplies_in_half(device_type: str) -> bool:
    """Whether products in bfloat16 are faster than in float32 here."""
    if device_type != "cpu":
        return True
    found: dict[str, Any] = dict(torch.cpu.get_capabilities())
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))


class _ItemSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, query: Tensor, item: Tensor, target: Tensor, weight: Tensor, raised: Tensor | None, half: bool
    ) -> Tensor:
        kind = torch.bfloat16 if half else torch.float32
        columns = item.to(kind)
        to_query, to_item = torch.empty_like(query), torch.zeros_like(item)
        loss = query.new_zeros(())
        # Outside autocast, which would choose the precision again.
        with torch.autocast(query.device.type, enabled=False):
            for start in range(0, len(query), _CHUNK_ROWS):
                part = slice(start, start + _CHUNK_ROWS)
                rows, wanted, share = query[part].to(kind), target[part, None], weight[part]
                score = (rows @ columns.T).float()
                if raised is not None:
                    score += raised
                of_target = score.gather(1, wanted)[:, 0]
                highest = score.max(1, keepdim=True).values
                score.sub_(highest).exp_()
                total = score.sum(1, keepdim=True)
                loss += (share * (total.log() + highest)[:, 0]).sum() - (share * of_target).sum()
                score.mul_(share[:, None] / total)
                score.scatter_add_(1, wanted, -share[:, None])
                residual = score.to(kind)
                to_query[part] = (residual @ columns).float()
                to_item += (residual.T @ rows).float()
        ctx.save_for_backward(to_query, to_item)
        return loss

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None, None, None]:
        to_query, to_item = ctx.saved_tensors
        return to_query * gradients[0], to_item * gradients[0], None, None, None, None
