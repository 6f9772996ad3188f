"""The user side of the flagship: causal attention over the vectors of the last events."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from gnn.data.histories import FloatArray
from gnn.operators.sequences import AttentionLayer, SequenceOperator


class UserSide(nn.Module):
    """A small transformer that reads events in order and ends each with the vector of what comes next.

    How far back an event lies is told by a term of its own in the attention, begun at -log(1 + steps back): then each
    head starts as a mean weighted by recency, and nothing depends on where a history was cut. How long ago it was is
    another, and what kind of event it was is added to its vector; both begin at zero, and an unknown time has a term
    of its own.

    Reference: Li, Wang & McAuley, "Time interval aware self-attention for sequential recommendation", 2020, for
    reading times between events.
    """

    def __init__(
        self,
        dim: int,
        num_layers: int,
        num_heads: int,
        num_events: int,
        dropout: float,
        *,
        num_gaps: int = 0,
        num_kinds: int = 0,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_Layer(dim, num_heads, num_events, dropout, num_gaps) for _ in range(num_layers))
        self.kind = nn.Parameter(torch.zeros(num_kinds, dim)) if num_kinds else None
        self.norm = nn.LayerNorm(dim)
        # Item vectors have length sqrt(D); scores start as if they were cosines at a temperature of 0.1.
        nn.init.constant_(self.norm.weight, 10.0 / dim)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, events: Tensor, padding: Tensor, gaps: Tensor | None = None, kinds: Tensor | None = None
    ) -> Tensor:
        """The user's vector after each event.

        Shapes: (B, L, D), (B, L) True in the padding, (B, L, L) buckets of the time from the last axis' event to the
        other's, (B, L) kinds, one past the last for an unknown one → (B, L, D).
        """
        if self.kind is not None and kinds is not None:
            events = events + functional.embedding(kinds, functional.pad(self.kind, (0, 0, 0, 1)))
        hidden = self.dropout(events)
        steps = torch.arange(events.shape[1], device=events.device)
        back = steps[:, None] - steps
        unreadable = (back < 0)[None] | padding[:, None, :]
        for layer in self.layers:
            hidden = layer(hidden, back.clamp(min=0), unreadable[:, None], gaps)
        return cast(Tensor, self.norm(hidden))

    def exported(self, items: FloatArray, kinds: tuple[str, ...] = ()) -> SequenceOperator:
        """The numpy side over these item vectors (I, D), and the names of the kinds of events."""
        layers = tuple(cast(_Layer, layer).exported() for layer in self.layers)
        kind = None if self.kind is None else _array(self.kind)
        return SequenceOperator(items, items, layers, _norm(self.norm), kind_input=kind, kinds=kinds)


class _Layer(nn.Module):
    def __init__(self, dim: int, num_heads: int, num_events: int, dropout: float, num_gaps: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.norm = nn.LayerNorm(dim)
        self.distance = nn.Parameter(-torch.log1p(torch.arange(float(num_events))).repeat(num_heads, 1))
        self.gap = nn.Parameter(torch.zeros(num_heads, num_gaps + 1)) if num_gaps else None
        self.query_key_value = nn.Linear(dim, 3 * dim)
        self.mix = nn.Linear(dim, dim)
        self.forward_norm = nn.LayerNorm(dim)
        self.widen = nn.Linear(dim, 4 * dim)
        self.narrow = nn.Linear(4 * dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: Tensor, back: Tensor, unreadable: Tensor, gaps: Tensor | None) -> Tensor:
        batch, length, dim = hidden.shape
        parts = self.query_key_value(self.norm(hidden)).view(batch, length, 3, self.num_heads, -1)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        nearness = self.distance[:, back]
        if self.gap is not None and gaps is not None:
            nearness = nearness + functional.embedding(gaps, self.gap.T).permute(0, 3, 1, 2)
        # A finite number, so that an event of the padding, which reads nothing, stays finite.
        mask = nearness.masked_fill(unreadable, -1e9)
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
            gap=None if self.gap is None else _array(self.gap),
        )


def _norm(norm: nn.LayerNorm) -> FloatArray:
    return _array(torch.stack([norm.weight, norm.bias]))


def _array(tensor: Tensor) -> FloatArray:
    return tensor.detach().float().cpu().contiguous().numpy().copy()
