"""The flagship: a graph network makes item vectors, and attention reads a user's last events in order."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor, nn

from gnn.baselines.rp3beta import RP3Beta
from gnn.baselines.text import centred
from gnn.data import Interactions, TrainingData
from gnn.data.histories import FloatArray, Histories, IntArray
from gnn.models.event_context import EventContext, Told
from gnn.models.item_side import WALKS_TO, ItemSide
from gnn.models.set_side import SetSide
from gnn.models.user_side import UserSide
from gnn.models.warm_start import spectral_start
from gnn.operators import Arrays, Operator, SparseOperator
from gnn.operators.foldin import AttributeWeights, ItemFoldIn
from gnn.operators.sequences import aligned
from gnn.propagation.adjacency import Adjacency, scaled
from gnn.propagation.hetero import ITEM, attribute_node_type, hetero_data, incidence, reverse
from gnn.training.device import device_named
from gnn.training.options import TrainingConfig
from gnn.training.record import RunRecord
from gnn.training.run import TrainingRun
from gnn.training.softmax import item_softmax_loss, multiplies_in_half
from gnn.training.trainer import train
from graph.errors import InputError
from graph.schema import EdgeType

IndexArray: TypeAlias = npt.NDArray[np.int64]

_TARGETS_A_STEP = 4096


class GraphSequence:
    """Item vectors from identity, text, attributes and walks; a user is what attention makes of their last events.

    Trained to name, after each event, the ones that follow: a softmax over all items. Some items lose their
    identity in every step, so that words, attributes and neighbours learn to stand in for it.

    Reference: Kang & McAuley, "Self-attentive sequential recommendation", 2018, for the user side; Klenitskiy &
    Vasilev, "Turning dross into gold loss", 2023, for the softmax over all items; Hamilton, Ying & Leskovec,
    "Inductive representation learning on large graphs", 2017, for the item side.
    """

    class Config(TrainingConfig):
        epochs: int = Field(60, ge=1)
        learning_rate: float = Field(0.006, gt=0)
        learning_rate_end: float = Field(0.05, ge=0, le=1)
        batch_users: int = Field(512, ge=1)
        """Users a step, where they are not given: at most so many, fewer where histories are long."""
        patience: int = Field(3, ge=1)
        validate_steps: int = Field(70, ge=1)
        embedding_dim: int = Field(64, ge=1)
        layers: int = Field(2, ge=1)
        heads: int = Field(2, ge=1)
        events: int = Field(50, ge=1)
        """Events of a history that are read, the last ones."""
        gaps: bool = False
        """Whether attention reads how long ago an event was, where times are known."""
        kinds: bool = False
        """Whether it reads of which kind an event is, where there are several."""
        untold: float = Field(0.1, ge=0, lt=1)
        """The share of histories whose times and kinds are hidden in a step: sessions without them are read too."""
        ahead: int = Field(1, ge=1)
        """Events ahead that each event has to name, the nearer ones counting more."""
        dropout: float = Field(0.3, ge=0, lt=1)
        identity_dropout: float = Field(0.1, ge=0, lt=1)
        start_scale: float = Field(0.1, gt=0)
        """The usual size of an entry of an item's identity where training starts: its spectral embedding."""
        walk_neighbors: int = Field(20, ge=0)
        """Neighbours by co-interaction that an item looks at; 0 leaves that edge type out."""
        min_attribute_items: int = Field(2, ge=1)
        """Attributes with fewer items are left out of the graph."""
        max_softmax_items: int = Field(50_000, ge=1)
        """Above so many items each step's softmax is over a sample of that size."""

    reference: ClassVar[str] = "Kang & McAuley 2018, SASRec, over a graph's item vectors"

    def __init__(self, config: Config) -> None:
        if config.embedding_dim % config.heads:
            raise InputError(
                "the width does not divide among the heads",
                expected=f"an embedding_dim that is a multiple of {config.heads}",
                got=config.embedding_dim,
            )
        self.config = config
        self.run = TrainingRun()
        self.record: RunRecord | None = None
        self.best_epochs: int | None = None
        self._fold_in: ItemFoldIn | None = None

    def fit(self, data: TrainingData) -> Operator:
        config = self.config
        if "batch_users" not in config.model_fields_set:
            config = config.model_copy(update={"batch_users": _users_a_step(config, data)})
        with torch.random.fork_rng():
            torch.manual_seed(data.seed)
            objective = SequenceObjective(config, data)
        trained = train("GraphSequence", objective, config, data, self.run)
        self.record = trained.record
        self.best_epochs = trained.record.best_epoch
        with torch.no_grad():
            # Read as sets, a new item would need an attention of its own; there its nearest known items stand for it.
            self._fold_in = objective.fold_in(data) if data.ordered else None
        return trained.operator

    def fold_in_weights(self) -> Arrays:
        """What embeds new items in a release; nothing where histories are read as sets."""
        return {} if self._fold_in is None else self._fold_in.arrays()


class SequenceObjective:
    """The loss of a block of users: after each of their events, which items come next."""

    def __init__(self, config: GraphSequence.Config, data: TrainingData) -> None:
        self.config = config
        self.device = device_named(data.device)
        text = data.knowledge.text
        self._text = None if text is None else torch.from_numpy(centred(text)).to(self.device)
        num_attributes, adjacencies = _graph(config, data, self.device)
        counts = np.bincount(data.train.item_index, minlength=data.train.num_items)
        self._histories = data.train.histories() if data.ordered else _sets(data.train)
        self._context = EventContext.of(self._histories, gaps=config.gaps, kinds=config.kinds)
        self.module = nn.ModuleDict(
            {
                "item_side": ItemSide(
                    torch.from_numpy(_identity(config, data)),
                    None if text is None else text.shape[1],
                    num_attributes,
                    adjacencies,
                    config.start_scale / 2,
                ),
                "user_side": _user_side(config, self._context if data.ordered else None),
            }
        )
        self._items.seen.copy_(torch.from_numpy((counts > 0)[:, None].astype(np.float32)))
        self.module.to(self.device)
        self._ordered = data.ordered
        self._is_first = _first_choices(self._histories)
        self._known = np.flatnonzero(counts)
        self._share = counts / max(int(counts.sum()), 1)
        self._position = np.cumsum(counts > 0) - 1

    def loss(self, users: IntArray, rng: np.random.Generator) -> Tensor:
        kept = rng.random((self._items.identity.shape[0], 1)) >= self.config.identity_dropout
        items = self._items(self._text, self._tensor(kept).float())
        queries, targets, weights = [], [], []
        width = self.config.events + 1
        histories, blocks = self._histories, aligned(self._histories, width, users, self._ends(users, width, rng))
        if not self._ordered:
            histories = _shuffled(histories.take(users), rng)
            blocks = aligned(histories, width)
        for _, at in blocks:
            if at.shape[1] < 2:
                continue  # one event each: nothing follows
            event, present = histories.item_index[at], at >= 0
            vectors, padding = items[self._tensor(event[:, :-1])], self._tensor(~present[:, :-1])
            after = self._after(vectors, padding, self._context.of_block(at[:, :-1], self.config.untold, rng))
            for gap in range(1, min(self.config.ahead, at.shape[1] - 1) + 1):
                # What a user has chosen before is never ranked, so naming it again is not asked for.
                asked = self._is_first[at[:, gap:]] if self._ordered else True
                row, column = np.nonzero(present[:, :-gap] & asked)
                queries.append(after[self._tensor(row), self._tensor(column)])
                targets.append(event[row, column + gap])
                weights.append(np.full(row.size, 1.0 / gap, np.float32))
        target = np.concatenate([np.empty(0, np.int32), *targets])
        if not target.size:
            nothing: Tensor = items.sum() * 0.0
            return nothing
        weight = np.concatenate(weights)
        position, among, raised = self._softmax_items(target, rng)
        return item_softmax_loss(
            torch.cat(queries),
            items[self._tensor(among)],
            self._tensor(position),
            self._tensor(weight / weight.sum()),
            raised=None if raised is None else self._tensor(raised),
            half=multiplies_in_half(self.device.type),
        )

    def _after(self, vectors: Tensor, padding: Tensor, told: Told) -> Tensor:
        """The user's vector after each event. Shape (B, L, D)."""
        users = self._users
        if isinstance(users, SetSide):
            return cast(Tensor, users(vectors, padding))
        return cast(Tensor, users(vectors, padding, *(None if part is None else self._tensor(part) for part in told)))

    def _ends(self, users: IntArray, width: int, rng: np.random.Generator) -> IndexArray:
        """Where each history is cut off this time: a long one shows another stretch of itself in every epoch."""
        begin, end = self._histories.indptr[users], self._histories.indptr[users + 1]
        return np.asarray(end - rng.integers(0, np.maximum(end - begin - width, 0) + 1), np.int64)

    def operator(self) -> Operator:
        items = np.array(self._items(self._text).float().cpu().numpy(), np.float32)
        users = self._users
        if isinstance(users, SetSide):
            return users.exported(self._items(self._text))
        return users.exported(items, self._context.kinds)

    def fold_in(self, data: TrainingData) -> ItemFoldIn:
        """The item side in numpy for items without a past: their text and their attributes, then the norm."""
        side, text, dim = self._items, data.knowledge.text, self.config.embedding_dim
        graph = hetero_data(data, min_attribute_items=self.config.min_attribute_items)
        messages = side.attribute_messages()
        attributes = {}
        for edge_type in data.knowledge.attributes:
            node_type = attribute_node_type(edge_type)
            inward = reverse((ITEM, edge_type[1], node_type))
            if inward in messages:
                said = messages[inward].float().cpu().numpy()[None]
                attributes[edge_type] = AttributeWeights(graph[node_type].node_index.numpy().astype(np.int64), said)
        has_text = text is not None and side.text is not None and bool((text != 0).any())
        return ItemFoldIn(
            text_weight=np.array(side.text.weight.T.cpu().numpy(), np.float32) if has_text and side.text else None,
            root_weight=np.zeros((1, dim, dim), np.float32),
            out_weight=np.eye(dim, dtype=np.float32),
            scale=1.0,
            attributes=attributes,
            text_mean=text[(text != 0).any(axis=1)].mean(axis=0) if has_text and text is not None else None,
            norm=torch.stack([side.norm.weight, side.norm.bias]).float().cpu().numpy(),
        )

    @property
    def _items(self) -> ItemSide:
        part = self.module["item_side"]
        assert isinstance(part, ItemSide)
        return part

    @property
    def _users(self) -> UserSide | SetSide:
        part = self.module["user_side"]
        assert isinstance(part, UserSide | SetSide)
        return part

    def _softmax_items(
        self, target: IntArray, rng: np.random.Generator
    ) -> tuple[IndexArray, IndexArray, FloatArray | None]:
        """Where each target stands among the items of the softmax; these; and what is added to their scores.

        A sampled item stands for those that were not, so each score is raised by the log of how rarely its item is
        in the sample, which holds the block's own targets too. Shapes (P,), (J,), (J,).
        """
        limit, known = self.config.max_softmax_items, self._known
        if known.size <= limit:
            return self._position[target], known, None
        among = np.union1d(target, rng.choice(known, limit, replace=False)).astype(np.int64)
        missed = (1.0 - limit / known.size) * np.exp(-target.size * self._share[among])
        return np.searchsorted(among, target), among, -np.log1p(-missed).astype(np.float32)

    def _tensor(self, array: npt.NDArray[np.generic]) -> Tensor:
        if np.issubdtype(array.dtype, np.integer):
            array = array.astype(np.int64)
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)


def _users_a_step(config: GraphSequence.Config, data: TrainingData) -> int:
    """As many users as have about :data:`_TARGETS_A_STEP` events to name between them."""
    lengths = np.bincount(data.train.user_index)
    mean = float(np.minimum(lengths[lengths > 0], config.events).mean()) if len(data.train) else 1.0
    return int(np.clip(_TARGETS_A_STEP / mean, 8, config.batch_users))


def _graph(
    config: GraphSequence.Config, data: TrainingData, device: torch.device
) -> tuple[dict[str, int], dict[EdgeType, Adjacency]]:
    """How many attribute nodes there are of each type, and who passes what to items."""
    graph = hetero_data(data, min_attribute_items=config.min_attribute_items)
    num_attributes: dict[str, int] = {}
    adjacencies: dict[EdgeType, Adjacency] = {}
    for edge_type in data.knowledge.attributes:
        node_type = attribute_node_type(edge_type)
        inward = reverse((ITEM, edge_type[1], node_type))
        if inward in graph.edge_types:
            num_attributes[node_type] = int(graph[node_type].num_nodes)
            adjacencies[inward] = Adjacency.mean(incidence(graph, inward), device)
    for _, relation, _ in data.knowledge.relations:
        related = (ITEM, relation, ITEM)
        if related in graph.edge_types:
            # An item reads what it is related to, wherever the relation points.
            adjacencies[related] = Adjacency.mean(incidence(graph, reverse(related)), device)
    if config.walk_neighbors:
        walk = RP3Beta(RP3Beta.Config(neighbors=config.walk_neighbors)).fit(data)
        assert isinstance(walk, SparseOperator)
        adjacencies[WALKS_TO] = Adjacency(scaled(walk.item_item, row_power=1.0), device)
    return num_attributes, adjacencies


def _identity(config: GraphSequence.Config, data: TrainingData) -> FloatArray:
    """Where identities start: the spectral embedding, with entries of the configured size. Shape (I, D)."""
    items = spectral_start(data.train.matrix(), config.embedding_dim, scale=1.0, seed=data.seed)[1]
    size = float(np.sqrt(np.mean(items**2, dtype=np.float64)))
    return np.asarray(items * (config.start_scale / max(size, 1e-9)), np.float32)


def _user_side(config: GraphSequence.Config, context: EventContext | None) -> UserSide | SetSide:
    """The side that reads histories in order, with their context; without one, as sets."""
    if context is None:
        return SetSide(config.embedding_dim, config.heads, config.dropout)
    return UserSide(
        config.embedding_dim,
        config.layers,
        config.heads,
        config.events,
        config.dropout,
        num_gaps=context.num_gaps,
        num_kinds=len(context.kinds),
    )


def _sets(train: Interactions) -> Histories:
    """Every user's distinct items, in no order that means anything."""
    matrix = train.matrix()
    return Histories.of_rows(matrix.indptr, matrix.indices, train.num_items, np.arange(train.num_users))


def _shuffled(histories: Histories, rng: np.random.Generator) -> Histories:
    """The same histories, each in a random order."""
    order = np.lexsort((rng.random(histories.item_index.size), histories.rows))
    return replace(histories, item_index=histories.item_index[order])


def _first_choices(histories: Histories) -> npt.NDArray[np.bool_]:
    """Whether each event is the first of its user with that item. Shape (N,)."""
    pair = histories.rows.astype(np.int64) * histories.num_items + histories.item_index
    first = np.zeros(pair.size, bool)
    first[np.unique(pair, return_index=True)[1]] = True
    return first
