"""R-GCN: a convolution with one weight matrix per relation, over users, items and everything they are linked to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, cast

import torch
import torch.nn.functional as functional
from pydantic import Field
from torch import Tensor, nn

from gnn.data import TrainingData
from gnn.models.node_objective import NodeObjective, UserItemNetwork
from gnn.models.trained import TrainedModel
from gnn.models.warm_start import spectral_start
from gnn.propagation.adjacency import Adjacency
from gnn.propagation.hetero import ITEM, USER, hetero_data, incidence
from gnn.propagation.pyg import RGCNConv
from gnn.training.device import device_named
from gnn.training.ranking import RankingConfig
from gnn.training.trainer import Objective
from graph.schema import EdgeType


class RGCN(TrainedModel["RGCN.Config"]):
    """Every node has an embedding; a layer adds to its projection, per relation, the projected mean of its sources.

    The weight matrices of relations are mixtures of a few shared bases. Users and items are ranked by the mean
    of their layers, which keeps what a deep stack of matrices forgets.

    Reference: Schlichtkrull et al., "Modeling relational data with graph convolutional networks", 2018,
    equations 2 and 3.
    """

    class Config(RankingConfig):
        epochs: int = Field(200, ge=1)
        learning_rate: float = Field(0.01, gt=0)
        embedding_dim: int = Field(64, ge=1)
        layers: int = Field(1, ge=1)
        bases: int = Field(4, ge=1)
        """Matrices that relations share; each relation mixes them."""
        min_attribute_items: int = Field(3, ge=1)
        """Attributes with fewer items are left out of the graph."""
        start_scale: float = Field(3.0, gt=0)

    name: ClassVar[str] = "R-GCN"
    reference: ClassVar[str] = "Schlichtkrull et al. 2018, R-GCN"

    def objective(self, data: TrainingData) -> Objective:
        return NodeObjective(_Network(self.config, data), self.config, data)


class _Network(UserItemNetwork):
    def __init__(self, config: RGCN.Config, data: TrainingData) -> None:
        super().__init__()
        graph = hetero_data(data, min_attribute_items=config.min_attribute_items)
        device = device_named(data.device)
        self._relations = {kind: Adjacency.mean(incidence(graph, kind), device) for kind in graph.edge_types}
        start = spectral_start(data.train.matrix(), config.embedding_dim, scale=config.start_scale, seed=data.seed)
        embedding = dict(zip((USER, ITEM), map(torch.from_numpy, start), strict=True))
        for node_type in graph.node_types:
            if node_type not in embedding:
                embedding[node_type] = 0.1 * torch.randn(graph[node_type].num_nodes, config.embedding_dim)
        self.embedding = nn.ParameterDict({name: nn.Parameter(rows) for name, rows in embedding.items()})
        self.convs = nn.ModuleList(
            RowRGCNConv(config.embedding_dim, list(self._relations), config.bases) for _ in range(config.layers)
        )

    def forward(self) -> tuple[Tensor, Tensor]:
        hidden = dict(self.embedding.items())
        users, items = [hidden[USER]], [hidden[ITEM]]
        for number, conv in enumerate(self.convs):
            hidden = conv(hidden, self._relations)
            if number + 1 < len(self.convs):
                hidden = {node_type: functional.leaky_relu(rows, 0.2) for node_type, rows in hidden.items()}
            users.append(hidden[USER])
            items.append(hidden[ITEM])
        return torch.stack(users).mean(0), torch.stack(items).mean(0)


class RowRGCNConv(RGCNConv):  # type: ignore[misc]  # PyG has no types
    """PyG's RGCNConv with bases and mean aggregation, over cached rows instead of an ``edge_index``, nodes by type.

    Begins as the mean over relations: the first basis is the identity, and relations start from it.
    """

    def __init__(self, embedding_dim: int, edge_types: list[EdgeType], bases: int) -> None:
        super().__init__(embedding_dim, embedding_dim, max(1, len(edge_types)), num_bases=bases, bias=False)
        self._number = {kind: number for number, kind in enumerate(edge_types)}
        into: dict[str, int] = {}
        for _, _, target in edge_types:
            into[target] = into.get(target, 0) + 1
        with torch.no_grad():
            nn.init.eye_(self.root)
            self.weight[0] = torch.eye(embedding_dim)
            self.comp.mul_(0.1)
            for kind, number in self._number.items():
                self.comp[number, 0] = 1.0 / into[kind[2]]

    def forward(self, x_dict: Mapping[str, Tensor], relations: Mapping[EdgeType, Adjacency]) -> dict[str, Tensor]:
        """Features of every node type after the convolution."""
        received = {node_type: rows @ cast(Tensor, self.root) for node_type, rows in x_dict.items()}
        weights = torch.einsum("rb,bio->rio", self.comp, self.weight)
        for kind, adjacency in relations.items():
            source, _, target = kind
            received[target] = received[target] + (adjacency @ x_dict[source]) @ weights[self._number[kind]]
        return received
