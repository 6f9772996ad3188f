"""What a user is interested in: the attributes of what he chose and of what suits him, each with its evidence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from api.engine.connections import grown
from api.engine.sources.keeper import Moment
from gnn.data.histories import FloatArray, IntArray
from graph.errors import SchemaError
from graph.schema import EdgeRole, EdgeSpec, GraphSchema

RECOMMENDED = 100
"""Recommended items that speak for an attribute beside the history."""
OF_RECOMMENDED, OF_EVERYONE = 2.0, 3.0
"""How much those, and everyone's choices, weigh against the whole history; see docs/decisions/0015-explanations.md."""
MAX_EVIDENCE = 3
_ROLES = frozenset({EdgeRole.ATTRIBUTE, EdgeRole.KNOWLEDGE})


@dataclass(frozen=True, slots=True)
class Interest:
    """One attribute a user is interested in.

    ``share``: of his history (recent items weigh more) the share that has it; ``lift``: that share against the share of
    all interactions. ``chosen`` and ``recommended`` are item rows that have it, the latest and the best first.
    """

    node_type: str
    index: int
    score: float
    share: float
    lift: float
    relation: str
    chosen: tuple[int, ...]
    recommended: tuple[int, ...]


def attribute_types(schema: GraphSchema) -> tuple[str, ...]:
    """The node types that items are joined to by attributes or knowledge."""
    return tuple(dict.fromkeys(_far(spec, schema.item_type) for spec in _specs(schema)))


def interests(
    moment: Moment,
    history: IntArray,
    recommended: IntArray,
    node_type: str,
    popularity: FloatArray,
    n: int,
) -> list[Interest]:
    """The attributes of one type that a user is most interested in, best first.

    Shapes: ``history`` (N,), oldest first; ``recommended`` (R,), best first; ``popularity`` (I,) interactions per item.

    Raises:
        SchemaError: when items have no attributes of this type.
    """
    view = moment.view
    matrices = _matrices(moment, node_type)
    incidence = sp.csr_array(sum(matrices[1:], start=matrices[0]))
    incidence.data = np.minimum(incidence.data, 1.0)
    steps_back = np.arange(history.size)[::-1]
    share = weighted_shares(incidence, history, 1.0 / np.sqrt(1.0 + steps_back))
    suits = weighted_shares(incidence, recommended, 1.0 / np.log2(2.0 + np.arange(recommended.size)))
    everyone = weighted_shares(incidence, np.arange(popularity.size), popularity)
    score = attribute_scores(share, suits, everyone)
    score[view.missing(node_type)] = 0.0
    specs = [spec for spec in _specs(view.schema) if _far(spec, view.schema.item_type) == node_type]
    found = []
    for index in np.argsort(-score, kind="stable")[:n].tolist():
        if score[index] <= 0:
            break
        found.append(
            Interest(
                node_type,
                index,
                float(score[index]),
                float(share[index]),
                float(share[index] / max(float(everyone[index]), 1e-9)),
                _relation(specs, matrices, history, recommended, index),
                _having(incidence, history[::-1], index),
                _having(incidence, recommended, index),
            )
        )
    return found


def attribute_scores(share: FloatArray, suits: FloatArray, everyone: FloatArray) -> FloatArray:
    """One score per attribute from its share in the history, in what suits, and in everyone's choices. Shape (A,)."""
    return np.asarray(share + OF_RECOMMENDED * suits + OF_EVERYONE * everyone, np.float32)


def weighted_shares(
    incidence: sp.csr_array, items: npt.NDArray[np.integer], weight: npt.NDArray[np.floating]
) -> FloatArray:
    """The share of the weight that lies on items with each attribute. Shape (A,)."""
    if not items.size:
        return np.zeros(incidence.shape[1], np.float32)
    weights = np.bincount(items, weight, minlength=incidence.shape[0])
    return np.asarray(weights @ incidence / max(float(weights.sum()), 1e-12), np.float32)


def _having(incidence: sp.csr_array, items: IntArray, attribute: int) -> tuple[int, ...]:
    column = np.zeros(incidence.shape[0], bool)
    column[np.searchsorted(incidence.indptr, np.flatnonzero(incidence.indices == attribute), side="right") - 1] = True
    return tuple(dict.fromkeys(items[column[items]].tolist()))[:MAX_EVIDENCE]


def _relation(
    specs: list[EdgeSpec], matrices: list[sp.csr_array], history: IntArray, recommended: IntArray, attribute: int
) -> str:
    """The relation by which most of the evidence has the attribute."""
    items = np.concatenate([history, recommended])
    counts = [int((matrix.indices[_entries(matrix, items)] == attribute).sum()) for matrix in matrices]
    return specs[int(np.argmax(counts))].relation


def _entries(matrix: sp.csr_array, rows: IntArray) -> npt.NDArray[np.int64]:
    lengths = np.diff(matrix.indptr)[rows].astype(np.int64)
    starts = matrix.indptr[rows].astype(np.int64)
    return np.repeat(starts - (np.cumsum(lengths) - lengths), lengths) + np.arange(int(lengths.sum()))


def _matrices(moment: Moment, node_type: str) -> list[sp.csr_array]:
    """The incidence of items and nodes of one type, per edge type between them. Shape (I, A) each."""
    view, item = moment.view, moment.view.schema.item_type
    num_items, width = moment.sources.num_items, view.num_nodes(view.schema.node(node_type).name)
    found = []
    for spec in _specs(view.schema):
        if _far(spec, item) == node_type:
            matrix = view.matrix(spec.edge_type)
            oriented = matrix if spec.source == item else sp.csr_array(matrix.T)
            found.append(grown(oriented, num_items, width))
    if not found:
        raise SchemaError(
            "items have no attributes of this type", expected="one of " + ", ".join(attribute_types(view.schema)),
            got=node_type,
        )  # fmt: skip
    return found


def _specs(schema: GraphSchema) -> list[EdgeSpec]:
    item = schema.item_type
    return [spec for spec in schema.edges if spec.role in _ROLES and (spec.source == item) != (spec.target == item)]


def _far(spec: EdgeSpec, item_type: str) -> str:
    return spec.target if spec.source == item_type else spec.source
