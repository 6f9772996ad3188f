"""Item embeddings from identity, text and the graph around them: the network inside GraphSAGE."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from typing import cast

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from gnn.propagation.adjacency import Adjacency
from gnn.propagation.hetero import ITEM
from gnn.propagation.pyg import HeteroConv, SAGEConv
from graph.schema import EdgeType

Adjacencies = Mapping[EdgeType, Adjacency]


class RowSAGEConv(SAGEConv):  # type: ignore[misc]  # PyG has no types
    """PyG's SAGEConv with mean aggregation, over cached rows instead of an ``edge_index``.

    It has no root weight, because several edge types share one, and no bias, so that a node without
    neighbours receives nothing. The cheaper order of projecting and averaging is taken; they commute.
    """

    def __init__(self, embedding_dim: int) -> None:
        super().__init__(embedding_dim, embedding_dim, aggr="mean", root_weight=False, bias=False)

    def forward(self, x: Tensor | tuple[Tensor, Tensor | None], edge_index: Adjacency, size: object = None) -> Tensor:
        source = x if isinstance(x, Tensor) else x[0]
        targets, sources = edge_index.shape
        if targets > sources:
            return edge_index @ cast(Tensor, self.lin_l(source))
        return cast(Tensor, self.lin_l(edge_index @ source))


class SageEncoder(nn.Module):
    """Items → users and attributes → items, as often as there are layers.

    An item starts as its identity embedding plus its projected text. In every layer users and attributes average
    their items, and items average their users, attributes and related items; a residual keeps what they were.
    Users and attributes have no embeddings of their own, so the network is inductive in all three. The
    non-linearity sits in them: behind one of its own, an item known by its attributes alone could only reach
    directions that are positive everywhere, or none.
    """

    def __init__(
        self,
        identity: Tensor,
        text: Tensor | None,
        edge_types: list[EdgeType],
        layers: int,
        conv: Callable[[int], nn.Module] = RowSAGEConv,
    ) -> None:
        """Begins at ``identity`` (I, D) and a text projection (T, D), if any; ``conv(D)`` for each edge type."""
        super().__init__()
        num_items, dim = identity.shape
        self.identity = nn.Parameter(identity)
        self.seen: Tensor
        self.register_buffer("seen", torch.zeros(num_items, 1))
        # A step of Adam moves every weight alike, so the projection of a wide text vector would move sqrt(T) times
        # as fast as an identity embedding and memorise the items; the scale makes them move together.
        self.text_scale = 1.0 if text is None else 1.0 / math.sqrt(text.shape[0])
        self.text = None if text is None else nn.Parameter(text / self.text_scale)
        self._outward = [kind for kind in edge_types if kind[0] == ITEM and kind[2] != ITEM]
        self._inward = [kind for kind in edge_types if kind[2] == ITEM]
        self.outward = nn.ModuleList(
            hetero_conv(self._outward, dim, conv) for _ in range(layers if self._outward else 0)
        )
        self.inward = nn.ModuleList(hetero_conv(self._inward, dim, conv) for _ in range(layers if self._inward else 0))
        self.root = nn.ModuleList(nn.Linear(dim, dim, bias=False) for _ in range(layers))
        for root in self.root:
            nn.init.zeros_(cast(nn.Linear, root).weight)
        self.scale = 1.0 / math.sqrt(max(1, len(self._inward)))
        self.out = nn.Linear(dim, dim, bias=False)
        nn.init.eye_(self.out.weight)

    def start(self, item: Tensor | None, text: Tensor | None, dropped: Tensor | None) -> Tensor:
        """What items are before they look around: ``item=None`` for all of them.

        ``dropped`` (I,) marks items that go without identity, as unseen ones always do.
        """
        known = self.seen if dropped is None else self.seen * ~dropped[:, None]
        identity = self.identity * known
        if item is not None:
            identity = identity[item]
        if self.text is None or text is None:
            return identity
        return identity + (text if item is None else text[item]) @ (self.text * self.text_scale)

    def forward(self, start: Tensor, adjacencies: Adjacencies) -> Tensor:
        """Item embeddings of the items in ``start``, which the adjacencies number. Shape (I, D)."""
        hidden = start
        for layer in range(len(self.root)):
            hidden = self.step(layer, hidden, adjacencies)
        return hidden

    def step(self, layer: int, hidden: Tensor, adjacencies: Adjacencies) -> Tensor:
        """Items after one layer. Shape (I, D)."""
        received = self.messages(layer, hidden, adjacencies)
        return hidden + hidden @ self.root_weight(layer).T + received * self.scale

    def messages(self, layer: int, hidden: Tensor, adjacencies: Adjacencies) -> Tensor | float:
        """The sum over edge types of what items receive in a layer."""
        if not self.inward:
            return 0.0
        features = {ITEM: hidden} | self.surroundings(layer, hidden, adjacencies)
        into = {kind: adjacencies[kind] for kind in self._inward}
        return cast(Tensor, self.inward[layer](features, into)[ITEM])

    def surroundings(self, layer: int, hidden: Tensor, adjacencies: Adjacencies) -> dict[str, Tensor]:
        """What users and attributes make of their items in a layer."""
        if not self.outward:
            return {}
        around = self.outward[layer]({ITEM: hidden}, {kind: adjacencies[kind] for kind in self._outward})
        return {node_type: functional.leaky_relu(features, 0.2) for node_type, features in around.items()}

    def root_weight(self, layer: int) -> Tensor:
        """What a layer does to an item itself. Shape (D, D), applied as ``x @ weight.T``."""
        return cast(nn.Linear, self.root[layer]).weight

    def inward_weight(self, layer: int, edge_type: EdgeType) -> Tensor:
        """The projection of one edge type's mean. Shape (D, D), applied as ``x @ weight.T``."""
        return cast(Tensor, cast(HeteroConv, self.inward[layer]).convs[edge_type].lin_l.weight)


def hetero_conv(edge_types: list[EdgeType], dim: int, conv: Callable[[int], nn.Module] = RowSAGEConv) -> nn.Module:
    """One convolution per edge type, their messages summed."""
    with warnings.catch_warnings():
        # Items are read but not written in the first half of a layer, and the other way round; that is the design.
        warnings.filterwarnings("ignore", "There exist node types", UserWarning)
        return cast(nn.Module, HeteroConv({kind: conv(dim) for kind in edge_types}, aggr="sum"))
