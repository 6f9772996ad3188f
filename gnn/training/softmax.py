"""A softmax over many items whose scores are never all in memory: its gradient is made while its loss is."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, cast

import torch
from torch import Tensor

_CHUNK_ROWS = 128
"""Rows of scores at a time; with 10,000 items in bfloat16 that is 2.5 MB, which stays in a CPU's cache."""
_LOW = 40.0
"""Between minus and plus this, no score that is exponentiated below the bound is lost in float32 or bfloat16."""


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
        columns, wanted = item.to(kind), item[target]
        # No score is above this (Cauchy and Schwarz): where it is low, no row has to be read for its highest score.
        bound = query.norm(dim=1) * item.norm(dim=1).max() + (0.0 if raised is None else raised.max())
        is_low = bool(bound.max() <= _LOW)
        begins = -bound if is_low else torch.zeros_like(bound)
        rows = torch.cat([query, begins[:, None], torch.ones_like(begins)[:, None]], 1).to(kind)
        added = torch.zeros_like(item[:, 0]) if raised is None else raised
        against = torch.cat([item, torch.ones_like(added)[:, None], added[:, None]], 1).to(kind).T.contiguous()
        of_target = (query * wanted).sum(1) + added[target]
        loss = -(weight * of_target).sum()
        to_query, to_item = -weight[:, None] * wanted, torch.zeros_like(item)
        to_item.index_add_(0, target, -weight[:, None] * query)
        # Outside autocast, which would choose the precision again.
        with torch.autocast(query.device.type, enabled=False):
            for start in range(0, len(query), _CHUNK_ROWS):
                part = slice(start, start + _CHUNK_ROWS)
                score, highest = rows[part] @ against, -rows[part, -2].float()
                if not is_low:
                    top = score.max(1, keepdim=True).values
                    score.sub_(top)
                    highest = top[:, 0].float()
                exponent = score.exp_()
                total = exponent.sum(1, dtype=torch.float32)
                loss += (weight[part] * (total.log() + highest)).sum()
                share = (weight[part] / total)[:, None]
                to_query[part] += share * (exponent @ columns).float()
                to_item += (exponent.T @ (share * query[part]).to(kind)).float()
        ctx.save_for_backward(to_query, to_item)
        return loss

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None, None, None]:
        to_query, to_item = ctx.saved_tensors
        return to_query * gradients[0], to_item * gradients[0], None, None, None, None
