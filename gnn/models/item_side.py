"""The item side of the flagship: what an item is, from its identity, its words, its attributes and its neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from gnn.models.sage_encoder import hetero_conv
from gnn.propagation.adjacency import Adjacency
from gnn.propagation.hetero import ITEM
from graph.schema import EdgeType

WALKS_TO = (ITEM, "walks_to", ITEM)
"""The edge type of the strongest neighbours by co-interaction, weighted by the walk."""


class ItemSide(nn.Module):
    """Attributes → items, then items → items; inductive where an item has words, attributes or neighbours.

    An item starts as its identity plus its projected text plus the mean of each kind of attribute, and then takes one
    step along item relations and walks. Attributes have embeddings of their own, because in shops they are few.
    """

    def __init__(
        self,
        identity: Tensor,
        text_dim: int | None,
        num_attributes: Mapping[str, int],
        adjacencies: Mapping[EdgeType, Adjacency],
        scale: float,
    ) -> None:
        """Begins at ``identity`` (I, D); everything else begins small or at zero."""
        super().__init__()
        num_items, dim = identity.shape
        self.identity = nn.Parameter(identity)
        self.seen: Tensor
        self.register_buffer("seen", torch.ones(num_items, 1))
        self.text = None if text_dim is None else nn.Linear(text_dim, dim, bias=False)
        if self.text is not None:
            nn.init.normal_(self.text.weight, std=scale)
        self._adjacencies = dict(adjacencies)
        self._node_types = list(num_attributes)
        self.attribute = nn.ParameterList(
            nn.Parameter(scale * torch.randn(count, dim)) for count in num_attributes.values()
        )
        self._of_attributes = [kind for kind in adjacencies if kind[0] != ITEM]
        self._of_items = [kind for kind in adjacencies if kind[0] == ITEM and kind != WALKS_TO]
        self.from_attributes = hetero_conv(self._of_attributes, dim) if self._of_attributes else None
        self.from_items = hetero_conv(self._of_items, dim) if self._of_items else None
        self.from_walk = hetero_conv([WALKS_TO], dim) if WALKS_TO in adjacencies else None
        for kind in self._of_attributes:
            nn.init.eye_(self._weight(self.from_attributes, kind))
        for kind in self._of_items:
            nn.init.zeros_(self._weight(self.from_items, kind))
        if self.from_walk is not None:
            nn.init.zeros_(self._weight(self.from_walk, WALKS_TO))
        self.norm = nn.LayerNorm(dim)

    def forward(self, text: Tensor | None, kept: Tensor | None = None) -> Tensor:
        """The vector of every item. ``kept`` (I, 1) is 0 for items that go without a past, as new ones do: without
        identity and without neighbours by co-interaction. Shape (I, D).
        """
        known = self.seen if kept is None else self.seen * kept
        hidden = self.identity * known
        if self.text is not None and text is not None:
            hidden = hidden + self.text(text)
        if self.from_attributes is not None:
            features = dict(zip(self._node_types, self.attribute, strict=True)) | {ITEM: hidden}
            hidden = hidden + self.from_attributes(features, self._along(self._of_attributes))[ITEM]
        own = hidden
        if self.from_items is not None:
            hidden = hidden + self.from_items({ITEM: own}, self._along(self._of_items))[ITEM]
        if self.from_walk is not None:
            hidden = hidden + self.from_walk({ITEM: own}, self._along([WALKS_TO]))[ITEM] * known
        return cast(Tensor, self.norm(hidden))

    def attribute_messages(self) -> dict[EdgeType, Tensor]:
        """What each attribute node says to its items, before the mean, by edge type towards items. Shape (A, D)."""
        features = dict(zip(self._node_types, self.attribute, strict=True))
        return {kind: features[kind[0]] @ self._weight(self.from_attributes, kind).T for kind in self._of_attributes}

    def _along(self, edge_types: list[EdgeType]) -> dict[EdgeType, Adjacency]:
        return {kind: self._adjacencies[kind] for kind in edge_types}

    @staticmethod
    def _weight(conv: nn.Module | None, kind: EdgeType) -> Tensor:
        return cast(Tensor, conv.convs[kind].lin_l.weight)  # type: ignore[union-attr, index]
