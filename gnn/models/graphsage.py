"""GraphSAGE over users, items and attributes, with item text: embeds items it has never seen."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from gnn.data import TrainingData
from gnn.data.histories import FloatArray, IntArray
from gnn.models.sage_encoder import RowSAGEConv, SageEncoder
from gnn.models.sage_neighborhoods import Neighborhoods
from gnn.models.targets import Targets
from gnn.models.warm_start import spectral_start, text_start
from gnn.operators import Arrays, EmbeddingOperator, Operator
from gnn.operators.foldin import AttributeWeights, ItemFoldIn
from gnn.propagation.adjacency import Adjacency
from gnn.propagation.hetero import ITEM, attribute_node_type, hetero_data, incidence, reverse
from gnn.propagation.pyg import HeteroData
from gnn.training.device import device_named
from gnn.training.losses import history_softmax_loss
from gnn.training.options import TrainingConfig
from gnn.training.record import RunRecord
from gnn.training.run import TrainingRun
from gnn.training.trainer import train
from graph.errors import InputError


class GraphSAGE:
    """Items from identity, text and neighbourhood; a user is the mean of the items in their history.

    Trained to name, from a random part of each history, the rest of it: a softmax over items. Some items lose
    their identity in every step, so that text and attributes learn to stand in for it.

    Reference: Hamilton, Ying & Leskovec, "Inductive representation learning on large graphs", 2017. Dropping
    identities: Volkovs, Yu & Poutanen, "DropoutNet: addressing cold start in recommender systems", 2017.
    """

    class Config(TrainingConfig):
        epochs: int = Field(60, ge=1)
        learning_rate: float = Field(0.01, gt=0)
        embedding_dim: int = Field(64, ge=1)
        layers: int = Field(1, ge=1)
        temperature: float = Field(0.2, gt=0)
        input_share: float = Field(0.5, gt=0, lt=1)
        """The part of each history a training step sees; it has to name the rest."""
        identity_dropout: float = Field(0.1, ge=0, lt=1)
        min_attribute_items: int = Field(3, ge=1)
        """Attributes with fewer items are left out of the graph."""
        negatives: int | None = Field(None, ge=1)
        """Items sampled for each step's softmax; ``None`` takes all of them in full batches, 1,024 otherwise."""
        batching: Literal["auto", "full", "neighbor"] = "auto"
        """Each step embeds all items, or a sampled neighbourhood; ``auto`` decides by the size of the graph."""
        neighbors: int = Field(15, ge=1)
        """Neighbours sampled per node, edge type and half layer."""
        warm_start: bool = True
        start_scale: float = Field(3.0, gt=0)

    reference: ClassVar[str] = "Hamilton et al. 2017, GraphSAGE"

    def __init__(self, config: Config) -> None:
        self.config = config
        self.run = TrainingRun()
        self.record: RunRecord | None = None
        self.best_epochs: int | None = None
        self._fold_in: ItemFoldIn | None = None

    def fit(self, data: TrainingData) -> Operator:
        with torch.random.fork_rng():
            torch.manual_seed(data.seed)
            objective = SageObjective(self.config, data)
        trained = train("GraphSAGE", objective, self.config, data, self.run)
        self.record = trained.record
        self.best_epochs = trained.record.best_epoch
        with torch.no_grad():
            self._fold_in = objective.fold_in(data)
        return trained.operator

    @property
    def item_fold_in(self) -> ItemFoldIn:
        """Embeds new items without torch; :class:`InputError` before the model is fitted."""
        if self._fold_in is None:
            raise InputError("GraphSAGE has no fold-in weights yet", remedy="Call fit first.")
        return self._fold_in

    def fold_in_weights(self) -> Arrays:
        """The arrays of :attr:`item_fold_in`, for a release."""
        return self.item_fold_in.arrays()


class SageObjective:
    """The loss of a block of users, in full batches or on sampled neighbourhoods."""

    def conv(self, dim: int) -> nn.Module:
        """What one edge type does in half a layer; other models put theirs here."""
        return RowSAGEConv(dim)

    def __init__(self, config: GraphSAGE.Config, data: TrainingData) -> None:
        self.config = config
        self.device = device_named(data.device)
        matrix = data.train.matrix()
        graph = hetero_data(data, min_attribute_items=config.min_attribute_items)
        edge_types = [kind for kind in graph.edge_types if not _is_redundant(kind)]
        text = data.knowledge.text
        identity, projection = _start(config, data)
        self.module = SageEncoder(
            torch.from_numpy(identity),
            None if projection is None else torch.from_numpy(projection),
            edge_types,
            config.layers,
            self.conv,
        )
        chosen = np.bincount(matrix.indices, minlength=data.train.num_items) > 0
        self.module.seen.copy_(torch.from_numpy(chosen[:, None].astype(np.float32)))
        self.module.to(self.device)
        self._text = None if text is None else torch.from_numpy(np.asarray(text, np.float32)).to(self.device)
        self._adjacencies = {kind: Adjacency.mean(incidence(graph, kind), self.device) for kind in edge_types}
        self._targets = Targets(matrix, self.device)
        self._known_items = self._targets.tensor(self._targets.item_index)
        self._neighborhoods = self._sampled_neighborhoods(graph, edge_types)

    def loss(self, users: IntArray, rng: np.random.Generator) -> Tensor:
        rows, items = self._targets.block(users)
        given = rng.random(rows.size) < self.config.input_share
        has_input = np.bincount(rows[given], minlength=users.size) > 0
        asked = ~given & has_input[rows]
        dropped = torch.from_numpy(rng.random(self.module.identity.shape[0]) < self.config.identity_dropout)
        if self._neighborhoods is not None:
            return self._sampled_loss(users.size, rows, items, given, asked, dropped.to(self.device), rng)
        hidden = self.module(self.module.start(None, self._text, dropped.to(self.device)), self._adjacencies)
        tensor, positions = self._targets.tensor, self._targets.positions
        negatives = None if self.config.negatives is None else self._targets.sample(self.config.negatives, rng)
        return history_softmax_loss(
            self._users(hidden, users.size, rows[given], items[given]),
            hidden[self._known_items],
            target=(tensor(rows[asked]), positions(items[asked])),
            given=(tensor(rows[given]), positions(items[given])),
            negatives=negatives,
            num_items=self._targets.num_items,
            temperature=self.config.temperature,
        )

    def operator(self) -> Operator:
        hidden = self._all_items()
        return EmbeddingOperator(
            item_embedding=np.array(nn.functional.normalize(hidden, dim=1).cpu().numpy(), np.float32),
            fold_in=np.array(self.module.out(hidden).cpu().numpy(), np.float32),
            length_power=1.0,
        )

    def fold_in(self, data: TrainingData) -> ItemFoldIn:
        """The numpy side for new items: what attributes say in each layer, and the weights around it."""
        module, hidden = self.module, self.module.start(None, self._text, None)
        around = []
        for layer in range(self.config.layers):
            around.append(module.surroundings(layer, hidden, self._adjacencies))
            hidden = module.step(layer, hidden, self._adjacencies)
        graph = hetero_data(data, min_attribute_items=self.config.min_attribute_items)
        attributes = {}
        for edge_type in data.knowledge.attributes:
            node_type = attribute_node_type(edge_type)
            inward = reverse((ITEM, edge_type[1], node_type))
            if inward in self._adjacencies:
                messages = [
                    (features[node_type] @ module.inward_weight(layer, inward).T).cpu().numpy()
                    for layer, features in enumerate(around)
                ]
                node_index = graph[node_type].node_index.numpy().astype(np.int64)
                attributes[edge_type] = AttributeWeights(node_index, np.stack(messages).astype(np.float32))
        return ItemFoldIn(
            text_weight=None if module.text is None else (module.text * module.text_scale).cpu().numpy(),
            root_weight=np.stack([_transposed(module.root_weight(layer)) for layer in range(self.config.layers)]),
            out_weight=_transposed(module.out.weight),
            scale=module.scale,
            attributes=attributes,
        )

    def _all_items(self) -> Tensor:
        result: Tensor = self.module(self.module.start(None, self._text, None), self._adjacencies)
        return result

    def _users(self, hidden: Tensor, num_users: int, rows: IntArray, items: IntArray) -> Tensor:
        """The mean of each user's given items, as the served fold-in computes it."""
        tensor = self._targets.tensor
        count = np.maximum(np.bincount(rows, minlength=num_users), 1)
        weight = torch.from_numpy((1.0 / count[rows]).astype(np.float32)).to(self.device)
        folded = self.module.out(hidden)[tensor(items)] * weight[:, None]
        return torch.zeros(num_users, hidden.shape[1], device=self.device).index_add(0, tensor(rows), folded.float())

    def _sampled_loss(
        self,
        num_users: int,
        rows: IntArray,
        items: IntArray,
        given: np.ndarray[tuple[int], np.dtype[np.bool_]],
        asked: np.ndarray[tuple[int], np.dtype[np.bool_]],
        dropped: Tensor,
        rng: np.random.Generator,
    ) -> Tensor:
        assert self._neighborhoods is not None
        drawn = rng.integers(0, self._targets.num_items, self.config.negatives or 1024)
        negative = self._targets.item_index[drawn].astype(np.int32)
        used = given | asked
        seeds, position = np.unique(np.concatenate([items[used], negative]), return_inverse=True)
        around = self._neighborhoods.around(seeds.astype(np.int64), int(rng.integers(2**31)))
        item = self._targets.tensor(around.items)
        hidden = self.module(self.module.start(item, self._text, dropped), around.adjacencies)
        at = np.zeros(items.size, np.int32)
        at[used] = position[: int(used.sum())]
        tensor = self._targets.tensor
        return history_softmax_loss(
            self._users(hidden, num_users, rows[given], at[given]),
            hidden,
            target=(tensor(rows[asked]), tensor(at[asked])),
            given=(tensor(rows[given]), tensor(at[given])),
            negatives=tensor(position[int(used.sum()) :]),
            num_items=self._targets.num_items,
            temperature=self.config.temperature,
        )

    def _sampled_neighborhoods(self, graph: HeteroData, edge_types: list[tuple[str, str, str]]) -> Neighborhoods | None:
        edges = sum(adjacency.num_edges for adjacency in self._adjacencies.values())
        small = edges <= 6_000_000 and graph[ITEM].num_nodes <= 100_000
        if self.config.batching == "full" or (self.config.batching == "auto" and small):
            return None
        return Neighborhoods(graph, edge_types, [self.config.neighbors] * (2 * self.config.layers), self.device)


def _is_redundant(edge_type: tuple[str, str, str]) -> bool:
    """Whether an edge type leads from items to items against its direction: a relation is read one way."""
    source, relation, target = edge_type
    return source == target == ITEM and relation.startswith("rev_")


def _start(config: GraphSAGE.Config, data: TrainingData) -> tuple[FloatArray, FloatArray | None]:
    """Identity embeddings (I, D) and the projection of text (T, D)."""
    text, num_items = data.knowledge.text, data.train.num_items
    if config.warm_start:
        matrix = data.train.matrix()
        items = spectral_start(matrix, config.embedding_dim, scale=config.start_scale, seed=data.seed)[1]
        if text is None:
            return items, None
        projection = text_start(text, items, np.bincount(matrix.indices, minlength=num_items) > 0)
        return np.asarray(items - text @ projection, np.float32), projection
    rng = np.random.default_rng(data.seed)
    items = (0.1 * rng.standard_normal((num_items, config.embedding_dim))).astype(np.float32)
    if text is None:
        return items, None
    return items, (0.1 * rng.standard_normal((text.shape[1], config.embedding_dim))).astype(np.float32)


def _transposed(weight: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.ascontiguousarray(weight.detach().cpu().numpy().T, np.float32)
