"""The engine's sources as the graph stands now: learned operators at the live size, curated ones fitted afresh."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from api.engine.connections import grown
from api.engine.payload import LIVE_SOURCES
from api.engine.reading import learned_interactions
from gnn.data import Interactions, ItemKnowledge, TrainingData
from gnn.fusion import FusedRanker
from gnn.histories import FloatArray, Histories, IntArray
from gnn.knowledge import knowledge_over
from gnn.models import MODELS
from gnn.operators import Arrays, ConstantOperator, Operator, OrderedOperator
from graph.schema import EdgeRole, EdgeType
from graph.view import GraphView


@dataclass(frozen=True)
class PaddedOperator:
    """An operator over more items than it was fitted on; those it does not know score as low as the lowest."""

    kind: ClassVar[str] = "padded"
    inner: Operator
    known_items: int
    num_items: int

    def score(self, weights: sp.csr_array, user_index: IntArray | None = None) -> FloatArray:
        known = sp.csr_array(weights[:, : self.known_items])
        return self._padded(self.inner.score(known, user_index))

    def arrays(self) -> Arrays:
        return self.inner.arrays()

    def _padded(self, scores: FloatArray) -> FloatArray:
        padded = np.empty((scores.shape[0], self.num_items), np.float32)
        padded[:, : self.known_items] = scores
        padded[:, self.known_items :] = scores.min(axis=1, keepdims=True, initial=np.inf)
        return padded


@dataclass(frozen=True)
class PaddedOrderedOperator(PaddedOperator):
    """The same over an operator that reads events in order; events with items it does not know are passed over."""

    inner: OrderedOperator

    def score_ordered(self, histories: Histories) -> FloatArray:
        return self._padded(self.inner.score_ordered(histories.among(self.known_items)))


@dataclass(frozen=True)
class Sources:
    """Everything an answer is ranked from, fitted on one state of the curated graph.

    Shapes: ``allowed`` (I,), False for a deleted item; ``popularity`` (I,), 1 for the most popular;
    ``by_popularity`` (I,), item rows, the most popular first.
    """

    num_items: int
    operators: Mapping[str, Operator]
    ranker: FusedRanker
    allowed: npt.NDArray[np.bool_]
    popularity: FloatArray
    by_popularity: npt.NDArray[np.int64]


def curated_matrices(view: GraphView) -> dict[EdgeType, sp.csr_array]:
    """The matrix of every edge type but interactions; the same object for as long as the edges are the same."""
    curated = (spec.edge_type for spec in view.schema.edges if spec.role is not EdgeRole.INTERACTION)
    return {edge_type: view.matrix(edge_type) for edge_type in curated}


def live_operators(
    view: GraphView, num_items: int, names: Mapping[str, Mapping[str, Any]], matrices: Mapping[EdgeType, sp.csr_array]
) -> dict[str, Operator]:
    """The curated sources fitted on the graph as it is now. ``names`` maps a live source to its options."""
    data = TrainingData(_no_interactions(num_items), _knowledge(view, num_items, matrices))
    return {name: MODELS[name].build(**options).fit(data) for name, options in names.items() if name in LIVE_SOURCES}


def at_live_size(operator: Operator, known_items: int, num_items: int) -> Operator:
    """The operator itself, or over more items when the graph has grown."""
    if num_items == known_items:
        return operator
    if isinstance(operator, OrderedOperator):
        return PaddedOrderedOperator(operator, known_items, num_items)
    return PaddedOperator(operator, known_items, num_items)


def popularity_of(operators: Mapping[str, Operator], view: GraphView, num_items: int) -> FloatArray:
    """What fills up short lists: the release's popularity, or else the snapshot's interactions per item. Shape (I,)."""
    constant = [operator for operator in operators.values() if isinstance(operator, ConstantOperator)]
    if constant:
        score = np.asarray(constant[0].item_score, np.float32)
    else:
        tables = [view.snapshot.edges(spec.edge_type) for spec in learned_interactions(view.schema)]
        num_known = len(view.snapshot.nodes(view.schema.item_type))
        score = np.sum([np.zeros(num_known), *(np.diff(table.into.indptr) for table in tables)], axis=0)
    scaled = score / max(float(score.max(initial=0.0)), 1e-9)
    return np.pad(scaled, (0, num_items - scaled.size)).astype(np.float32)


def _knowledge(view: GraphView, num_items: int, matrices: Mapping[EdgeType, sp.csr_array]) -> ItemKnowledge:
    item = view.schema.item_type

    def sized(edge_type: EdgeType) -> sp.csr_array:
        rows, columns = (num_items if name == item else view.num_nodes(name) for name in (edge_type[0], edge_type[2]))
        return grown(matrices[edge_type], rows, columns)

    return knowledge_over(view.schema, sized)


def _no_interactions(num_items: int) -> Interactions:
    return Interactions.of([], [], num_users=0, num_items=num_items)
