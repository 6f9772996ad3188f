"""The users an item is for: the operators that rank items for a user, read the other way round."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from api.engine.reading import learned_interactions, opted_out
from api.engine.sources.pull import item_column
from gnn.data import NO_TIME
from gnn.data.histories import FloatArray, IntArray
from gnn.fusion import FusedRanker
from graph.schema import EdgeRole
from graph.sorting import distinct
from graph.view import GraphView

HALF_LIFE_S = 14 * 86_400
"""A user who was last here so long ago counts half as present."""
AWAY = 0.1
"""What is left of the interest of a user who is long gone."""


@dataclass(frozen=True, slots=True)
class Audience:
    """The best users for an item, best first. Shapes: (N,) each; ``parts``: what each source adds, by name."""

    user_index: IntArray
    score: FloatArray
    parts: dict[str, FloatArray]


def interest(ranker: FusedRanker, histories: sp.csr_array, item: int) -> dict[str, FloatArray]:
    """What each source adds to every user's interest in one item, in standard deviations over users. Shape (U,) each.

    A user's score under an operator is the sum of the item's column over his history, so one product of the matrix of
    all histories (U, I) with the column asks all users at once. Sources count by their share in the fusion.
    """
    importance = ranker.weights.importance()
    parts: dict[str, FloatArray] = {}
    for name, operator in ranker.operators.items():
        column = item_column(operator, item)
        if column is not None:
            parts[name] = np.float32(importance.get(name, 0.0)) * _standardized(histories @ column)
    scale = np.float32(float(_summed(parts, histories.shape[0]).std()) or 1.0)
    return {name: np.asarray(part / scale, np.float32) for name, part in parts.items()}


def presence(last_s: npt.NDArray[np.int64]) -> FloatArray:
    """1 for who was here last, half as much for every :data:`HALF_LIFE_S` before; 1 where no time is known.

    Shape (U,).
    """
    here = last_s != NO_TIME
    if not here.any():
        return np.ones(last_s.size, np.float32)
    age = int(last_s.max()) - np.where(here, last_s, 0)
    return np.where(here, 2.0 ** (-np.where(here, age, 0) / HALF_LIFE_S), 0.0).astype(np.float32)


def audience_scores(parts: dict[str, FloatArray], here: FloatArray) -> FloatArray:
    """Interest above the average times presence: who is away buys nothing, nor who is not interested. Shape (U,)."""
    total = _summed(parts, here.size)
    return np.asarray(np.maximum(total, 0.0) * (AWAY + here) + 1e-6 * total, np.float32)


def audience(
    view: GraphView,
    ranker: FusedRanker,
    item: int,
    n: int,
    *,
    num_items: int,
    last_s: npt.NDArray[np.int64],
) -> Audience:
    """The ``n`` users with a history, and without the item, who are most interested in it; nobody who opted out."""
    histories = histories_matrix(view, num_items)
    parts = interest(ranker, histories, item)
    score = audience_scores(parts, presence(last_s))
    out = np.diff(histories.indptr) == 0
    out[having(view, item)] = True
    out[view.missing(view.schema.user_type)] = True
    best = _profiled(view, score, out, n)
    return Audience(best, score[best], {name: part[best] for name, part in parts.items()})


def _profiled(view: GraphView, score: FloatArray, out: npt.NDArray[np.bool_], n: int) -> IntArray:
    """The best users who let themselves be profiled; only those who would be shown are asked whether they do."""
    while True:
        best = ranked_users(score, out, n)
        shy = [user for user in best.tolist() if opted_out(view, user)]
        if not shy:
            return best
        out[shy] = True


def ranked_users(score: FloatArray, out: npt.NDArray[np.bool_], n: int) -> IntArray:
    """The ``n`` best users that are not ``out``, best first."""
    order: IntArray = np.argsort(-np.where(out, -np.inf, score), kind="stable")[:n].astype(np.int32)
    return order[~out[order]]


def histories_matrix(view: GraphView, num_items: int) -> sp.csr_array:
    """Which users chose which items, by the interactions a history is made of. Shape (U, I), binary."""
    num_users = view.num_nodes(view.schema.user_type)
    total = sp.csr_array((num_users, num_items), dtype=np.float32)
    for spec in learned_interactions(view.schema):
        matrix = view.matrix(spec.edge_type)
        total = total + sp.csr_array((matrix.data, matrix.indices, matrix.indptr), shape=(num_users, num_items))
    return sp.csr_array((np.minimum(total.data, 1.0), total.indices, total.indptr), shape=(num_users, num_items))


def having(view: GraphView, item: int) -> IntArray:
    """Users with any interaction with the item, whatever it says."""
    users = [
        view.ends(spec.edge_type, item, "in")
        for spec in view.schema.edges_with(EdgeRole.INTERACTION)
        if not spec.holdout
    ]
    return distinct(np.concatenate([np.empty(0, np.int32), *users])).astype(np.int32)


def _summed(parts: dict[str, FloatArray], num_users: int) -> FloatArray:
    total = np.zeros(num_users, np.float32)
    for part in parts.values():
        total += part
    return total


def _standardized(raw: npt.ArrayLike) -> FloatArray:
    values = np.asarray(raw, np.float32)
    spread = float(values.std())
    return np.zeros_like(values) if spread <= 1e-12 else np.asarray((values - values.mean()) / spread, np.float32)
