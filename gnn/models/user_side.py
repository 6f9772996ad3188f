"""The user side of the flagship: causal attention over the vectors of the last events."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from gnn.histories import FloatArray
from gnn.sequences import AttentionLayer


class UserSide(nn.Module):
    """A small transformer that reads events in order and ends each with the vector of what comes next.

    How far back an event lies is told by a term of its own in the attention, begun at -log(1 + steps back): then each
    head starts as a mean weighted by recency, and nothing depends on where a history was cut.
    """

    def __init__(self, dim: int, num_layers: int, num_heads: int, num_events: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_Layer(dim, num_heads, num_events, dropout) for _ in range(num_layers))
        self.norm = nn.LayerNorm(dim)
        # Item vectors have length sqrt(D); scores start as if they were cosines at a temperature of 0.1.
        nn.init.constant_(self.norm.weight, 10.0 / dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, events: Tensor, padding: Tensor) -> Tensor:
        """The user's vector after each event. Shapes: (B, L, D), (B, L) True in the padding → (B, L, D)."""
        hidden = self.dropout(events)
        steps = torch.arange(events.shape[1], device=events.device)
        back = steps[:, None] - steps
        unreadable = (back < 0)[None] | padding[:, None, :]
        for layer in self.layers:
            hidden = layer(hidden, back.clamp(min=0), unreadable[:, None])
        return cast(Tensor, self.norm(hidden))

    def exported(self) -> tuple[tuple[AttentionLayer, ...], FloatArray]:
        """The layers and the final norm, for :class:`gnn.sequences.SequenceOperator`."""
        return tuple(cast(_Layer, layer).exported() for layer in self.layers), _norm(self.norm)


class _Layer(nn.Module):
    def __init__(self, dim: int, num_heads: int, num_events: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.norm = nn.LayerNorm(dim)
        self.distance = nn.Parameter(-torch.log1p(torch.arange(float(num_events))).repeat(num_heads, 1))
        self.query_key_value = nn.Linear(dim, 3 * dim)
        self.mix = nn.Linear(dim, dim)
        self.forward_norm = nn.LayerNorm(dim)
        self.widen = nn.Linear(dim, 4 * dim)
        self.narrow = nn.Linear(4 * dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: Tensor, back: Tensor, unreadable: Tensor) -> Tensor:
        batch, length, dim = hidden.shape
        parts = self.query_key_value(self.norm(hidden)).view(batch, length, 3, self.num_heads, -1)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        # A finite number, so that an event of the padding, which reads nothing, stays finite.
        mask = self.distance[:, back].masked_fill(unreadable, -1e9)
        found = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        hidden = hidden + self.dropout(self.mix(found.transpose(1, 2).reshape(batch, length, dim)))
        wide = functional.relu(self.widen(self.forward_norm(hidden)))
        return cast(Tensor, hidden + self.dropout(self.narrow(wide)))

    def exported(self) -> AttentionLayer:
        return AttentionLayer(
            norm=_norm(self.norm),
            distance=_array(self.distance),
            query_key_value=_array(self.query_key_value.weight.T),
            query_key_value_bias=_array(self.query_key_value.bias),
            mix=_array(self.mix.weight.T),
            mix_bias=_array(self.mix.bias),
            forward_norm=_norm(self.forward_norm),
            widen=_array(self.widen.weight.T),
            widen_bias=_array(self.widen.bias),
            narrow=_array(self.narrow.weight.T),
            narrow_bias=_array(self.narrow.bias),
        )


def _norm(norm: nn.LayerNorm) -> FloatArray:
    return _array(torch.stack([norm.weight, norm.bias]))


def _array(tensor: Tensor) -> FloatArray:
    return tensor.detach().float().cpu().contiguous().numpy().copy()
