"""The engine's sources as the graph stands now: learned operators at the live size, curated ones fitted afresh."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from api.engine.connections import grown
from api.engine.payload import LIVE_SOURCES
from api.engine.reading import learned_interactions
from gnn.data import Interactions, ItemKnowledge, TrainingData
from gnn.data.histories import FloatArray
from gnn.data.knowledge import knowledge_over
from gnn.fusion import FusedRanker
from gnn.models import MODELS
from gnn.operators import ConstantOperator, Operator
from graph.schema import EdgeRole, EdgeType
from graph.snapshot import Snapshot
from graph.view import GraphView


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
    data = TrainingData(_no_interactions(num_items), live_knowledge(view, num_items, matrices))
    return {name: MODELS[name].build(**options).fit(data) for name, options in names.items() if name in LIVE_SOURCES}


def popularity_of(operators: Mapping[str, Operator], view: GraphView, num_items: int) -> FloatArray:
    """What fills up short lists: the release's popularity, or else the snapshot's interactions per item. Shape (I,)."""
    popularity = operators.get("popularity")
    if isinstance(popularity, ConstantOperator):
        score = np.asarray(popularity.item_score, np.float32)
    else:
        tables = [view.snapshot.edges(spec.edge_type) for spec in learned_interactions(view.schema)]
        num_known = len(view.snapshot.nodes(view.schema.item_type))
        score = np.sum([np.zeros(num_known), *(np.diff(table.into.indptr) for table in tables)], axis=0)
    scaled = score / max(float(score.max(initial=0.0)), 1e-9)
    return np.pad(scaled, (0, num_items - scaled.size)).astype(np.float32)


def snapshot_popularity(operators: Mapping[str, Operator], snapshot: Snapshot) -> FloatArray:
    """:func:`popularity_of` for the items of a snapshot alone. Shape (I,)."""
    return popularity_of(operators, GraphView(snapshot), len(snapshot.nodes(snapshot.schema.item_type)))


def live_knowledge(view: GraphView, num_items: int, matrices: Mapping[EdgeType, sp.csr_array]) -> ItemKnowledge:
    """What the graph knows of items as it is now, over the present number of items."""
    item = view.schema.item_type

    def sized(edge_type: EdgeType) -> sp.csr_array:
        rows, columns = (num_items if name == item else view.num_nodes(name) for name in (edge_type[0], edge_type[2]))
        return grown(matrices[edge_type], rows, columns)

    return knowledge_over(view.schema, sized)


def _no_interactions(num_items: int) -> Interactions:
    return Interactions.of([], [], num_users=0, num_items=num_items)
