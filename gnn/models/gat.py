"""GAT: GraphSAGE's network with learned attention along every edge type instead of means."""

from __future__ import annotations

from typing import ClassVar, cast

import torch.nn.functional as functional
from pydantic import Field
from torch import Tensor, nn

from gnn.data import TrainingData
from gnn.models.attention import attended
from gnn.models.graphsage import GraphSAGE, SageObjective
from gnn.models.trained import TrainedModel
from gnn.propagation.adjacency import Adjacency
from gnn.propagation.pyg import GATConv
from gnn.training.trainer import Objective
from graph.errors import InputError


class GAT(TrainedModel["GAT.Config"]):
    """Items from identity, text and neighbourhood, in which some neighbours say more than others.

    Users, items and attributes attend along each edge type by a softmax of their own. Trained as GraphSAGE is.

    Reference: Veličković et al., "Graph attention networks", 2018, equations 1 to 4, one head per edge type; several
    types of edges as in Wang et al., "Heterogeneous graph attention network", 2019, with a sum over types.
    """

    class Config(GraphSAGE.Config):
        max_edges: int = Field(4_000_000, ge=1)
        """Attention holds several values of every edge; on larger graphs it refuses to start."""

    name: ClassVar[str] = "GAT"
    reference: ClassVar[str] = "Veličković et al. 2018, GAT"

    def objective(self, data: TrainingData) -> Objective:
        knowledge = data.knowledge
        edges = len(data.train) + sum(m.nnz for m in (*knowledge.attributes.values(), *knowledge.relations.values()))
        if edges > self.config.max_edges and self.config.batching != "neighbor":
            raise InputError(
                f"GAT would attend along {edges:,} edges at once",
                expected=f"at most {self.config.max_edges:,}",
                remedy='Use batching="neighbor", raise max_edges, or use graphsage.',
            )
        return _Objective(self.config, data)


class _Objective(SageObjective):
    def conv(self, dim: int) -> nn.Module:
        return RowGATConv(dim)


class RowGATConv(GATConv):  # type: ignore[misc]  # PyG has no types
    """PyG's GATConv with one head, over cached rows instead of an ``edge_index``.

    A target without features of its own is attended for by its sources alone. No bias, so that a node without
    neighbours receives nothing.
    """

    def __init__(self, embedding_dim: int) -> None:
        super().__init__((embedding_dim, embedding_dim), embedding_dim, add_self_loops=False, bias=False)

    def forward(self, x: Tensor | tuple[Tensor, Tensor | None], edge_index: Adjacency, size: object = None) -> Tensor:
        source, target = (x, x) if isinstance(x, Tensor) else x
        sent = cast(Tensor, self.lin_src(source))
        logits = (sent * self.att_src.view(-1)).sum(1)[edge_index.edge_sources]
        if target is not None:
            of_target = (cast(Tensor, self.lin_dst(target)) * self.att_dst.view(-1)).sum(1)
            logits = logits + of_target[edge_index.edge_targets]
        return attended(edge_index, functional.leaky_relu(logits, self.negative_slope), sent)
