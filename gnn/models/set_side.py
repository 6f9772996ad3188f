"""The flagship's user side where the order of events means nothing: a set of items, pooled by attention."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from gnn.data.histories import FloatArray
from gnn.operators.sets import SetOperator

_FAINTEST = 30.0
"""An item's attention is at least exp(-30) of the strongest: no history vanishes in float32."""


class SetSide(nn.Module):
    """Pools the items before each place of a history, and ends with the vector of what else belongs to it.

    Each head has its own attention to every item; it begins even, so that a user starts as the mean of their items.
    Nothing depends on the order of the items before a place.

    Reference: Lee et al., "Set transformer", 2019, pooling by attention with a learned query.
    """

    def __init__(self, dim: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.attention = nn.Linear(dim, num_heads, bias=False)
        nn.init.zeros_(self.attention.weight)
        self.value = nn.Linear(dim, dim, bias=False)
        nn.init.eye_(self.value.weight)
        self.forward_norm = nn.LayerNorm(dim)
        self.widen = nn.Linear(dim, 4 * dim)
        self.narrow = nn.Linear(4 * dim, dim)
        self.norm = nn.LayerNorm(dim)
        nn.init.constant_(self.norm.weight, 10.0 / dim)  # as in the ordered user side
        self.dropout = nn.Dropout(dropout)

    def forward(self, events: Tensor, padding: Tensor) -> Tensor:
        """The user's vector after each event. Shapes: (B, L, D), (B, L) True in the padding → (B, L, D)."""
        batch, length, dim = events.shape
        read = self.dropout(events)
        logits = self.attention(read).float()
        strongest = logits.masked_fill(padding[..., None], -torch.inf).amax(1, keepdim=True).detach()
        attention = (logits - strongest).clamp(min=-_FAINTEST).exp().masked_fill(padding[..., None], 0.0)
        value = self.value(read).view(batch, length, self.num_heads, -1)
        total = attention.cumsum(1).clamp(min=1e-20)
        pooled = (attention[..., None] * value).cumsum(1) / total[..., None]
        pooled = pooled.view(batch, length, dim)
        wide = functional.relu(self.widen(self.forward_norm(pooled)))
        return cast(Tensor, self.norm(pooled + self.dropout(self.narrow(wide))))

    def exported(self, items: Tensor) -> SetOperator:
        """The numpy side over these item vectors (I, D)."""
        logits = self.attention(items).float()
        attention = (logits - logits.amax(0)).clamp(min=-_FAINTEST).exp()
        return SetOperator(
            item_output=_array(items),
            attention=_array(attention),
            value=_array(self.value(items)),
            forward_norm=_array(torch.stack([self.forward_norm.weight, self.forward_norm.bias])),
            widen=_array(self.widen.weight.T),
            widen_bias=_array(self.widen.bias),
            narrow=_array(self.narrow.weight.T),
            narrow_bias=_array(self.narrow.bias),
            final_norm=_array(torch.stack([self.norm.weight, self.norm.bias])),
        )


def _array(tensor: Tensor) -> FloatArray:
    return tensor.detach().float().cpu().contiguous().numpy().copy()
