"""KGIN: users choose for a few intents, each a blend of the relations that the knowledge graph has."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as functional
from pydantic import Field
from torch import Tensor, nn

from gnn.data import TrainingData
from gnn.models.node_objective import NodeObjective, UserItemNetwork
from gnn.models.trained import TrainedModel
from gnn.models.warm_start import spectral_start
from gnn.propagation.adjacency import Adjacency
from gnn.propagation.hetero import INTERACTS, ITEM, USER, hetero_data, incidence
from gnn.training.device import device_named
from gnn.training.ranking import RankingConfig
from gnn.training.trainer import Objective


class KGIN(TrainedModel["KGIN.Config"]):
    """Items and entities take from each neighbour what its relation lets through; users take from items by intent.

    An intent attends over relations, a user over intents; a penalty keeps intents apart. Messages are products of a
    relation's embedding and a neighbour's, so that propagation needs no weights per edge.

    Reference: Wang et al., "Learning intents behind interactions with knowledge graph for recommendation", 2021,
    equations 1, 3 and 6 to 12; independence by cosine. Trained here with a softmax over items.
    """

    class Config(RankingConfig):
        epochs: int = Field(200, ge=1)
        learning_rate: float = Field(0.01, gt=0)
        embedding_dim: int = Field(64, ge=1)
        layers: int = Field(2, ge=1)
        intents: int = Field(4, ge=1)
        independence: float = Field(0.001, ge=0)
        """Weight of the penalty on intents that resemble each other."""
        min_attribute_items: int = Field(2, ge=1)
        """Entities with fewer items are left out of the graph."""
        start_scale: float = Field(3.0, gt=0)

    name: ClassVar[str] = "KGIN"
    reference: ClassVar[str] = "Wang et al. 2021, KGIN"

    def objective(self, data: TrainingData) -> Objective:
        return NodeObjective(_Network(self.config, data), self.config, data)


class _Network(UserItemNetwork):
    def __init__(self, config: KGIN.Config, data: TrainingData) -> None:
        super().__init__()
        self.config = config
        dim = config.embedding_dim
        graph = hetero_data(data, min_attribute_items=config.min_attribute_items)
        device = device_named(data.device)
        interacts = incidence(graph, (ITEM, f"rev_{INTERACTS}", USER))
        self._to_users = Adjacency.mean(interacts, device)
        self._to_items = Adjacency.mean(incidence(graph, (USER, INTERACTS, ITEM)), device)
        facts = [kind for kind in graph.edge_types if INTERACTS not in kind[1]]
        self._facts = {kind: Adjacency.mean(incidence(graph, kind), device) for kind in facts}
        users, items = spectral_start(data.train.matrix(), dim, scale=config.start_scale, seed=data.seed)
        self.user = nn.Parameter(torch.from_numpy(users))
        self.item = nn.Parameter(torch.from_numpy(items))
        self.entity = nn.ParameterDict(
            {
                node_type: nn.Parameter(0.1 * torch.randn(graph[node_type].num_nodes, dim))
                for node_type in graph.node_types
                if node_type not in (USER, ITEM)
            }
        )
        # The interaction is a relation too; relations begin by letting everything through.
        self.relation = nn.Parameter(1.0 + 0.1 * torch.randn(len(facts) + 1, dim))
        self.intent = nn.Parameter(torch.randn(config.intents, len(facts) + 1))

    def forward(self) -> tuple[Tensor, Tensor]:
        intents = self.intents()
        user: Tensor = self.user
        hidden: dict[str, Tensor] = {ITEM: self.item} | dict(self.entity.items())
        users, items = user, hidden[ITEM]
        for _ in range(self.config.layers):
            attention = torch.softmax(user @ intents.T, 1)
            taken = (self._to_users @ hidden[ITEM]) * (attention @ intents)
            hidden = self._around(hidden, user)
            user = taken
            users = users + user
            items = items + hidden[ITEM]
        share = 1.0 / (self.config.layers + 1)
        return users * share, items * share

    def intents(self) -> Tensor:
        """Each intent as its blend of relations. Shape (P, D)."""
        return torch.softmax(self.intent, 1) @ self.relation

    def penalty(self) -> Tensor | float:
        """How much different intents point the same way."""
        unit = functional.normalize(self.intents() - self.intents().mean(0), dim=1)
        alike = unit @ unit.T - torch.eye(unit.shape[0], device=unit.device)
        return self.config.independence * alike.square().sum()

    def _around(self, hidden: dict[str, Tensor], user: Tensor) -> dict[str, Tensor]:
        """Items and entities after one step along knowledge and interactions, averaged over relations."""
        received: dict[str, list[Tensor]] = {node_type: [] for node_type in hidden}
        received[ITEM].append(self.relation[-1] * (self._to_items @ user))
        for number, (kind, adjacency) in enumerate(self._facts.items()):
            source, _, target = kind
            received[target].append(self.relation[number] * (adjacency @ hidden[source]))
        return {
            node_type: torch.stack(parts).mean(0) if parts else hidden[node_type]
            for node_type, parts in received.items()
        }
