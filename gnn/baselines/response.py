"""Coefficients of a sum of operators, fitted on validation by a softmax over candidates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from gnn.data import TrainingData
from gnn.data.histories import FloatArray
from gnn.operators import Operator, SumOperator
from gnn.ranker import top_k
from graph.errors import InputError

CANDIDATES = 200
USERS = 1500
PULL = 0.03
"""How strongly coefficients are held near where they begin."""


def fitted_coefficients(
    parts: Sequence[Operator], start: npt.NDArray[np.float64], data: TrainingData
) -> npt.NDArray[np.float64]:
    """The coefficients under which what users chose in validation stands out among the best candidates.

    Candidates are the best items under ``start``. Learned on one half of the users, the coefficients have to
    rank the other half better than ``start`` does; else ``start`` is returned. Shapes: ``start`` (P,) → (P,).
    """
    features, chosen = _examples(parts, start, data)
    half = np.random.default_rng(data.seed).random(len(features)) < 0.5
    if not half.any() or half.all():
        return start
    learned = _fitted(features[half], chosen[half], start)
    judged = features[~half], chosen[~half]
    if _ndcg(*judged, learned) <= _ndcg(*judged, start):
        return start
    return _fitted(features, chosen, start)


def _fitted(features: FloatArray, chosen: FloatArray, start: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    # Scores grow with the history; at one temperature for all, people with long ones would decide alone.
    features = features / np.maximum((features @ start).std(axis=1), 1e-12)[:, None, None]

    def objective(flat: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        scores = (features @ flat[:-1]) * np.exp(flat[-1])
        scores -= scores.max(axis=1, keepdims=True)
        raised = np.exp(scores)
        share = raised / raised.sum(axis=1, keepdims=True)
        loss = -float((chosen * np.log(np.maximum(share, 1e-30))).sum()) / len(features)
        residual = (share - chosen) * (np.exp(flat[-1]) / len(features))
        gradient = np.einsum("nc,ncp->p", residual, features)
        away = flat[:-1] - start
        of_scale = float((residual * (features @ flat[:-1])).sum())
        return loss + 0.5 * PULL * float(away @ away), np.append(gradient + PULL * away, of_scale)

    found = minimize(objective, np.append(start, 0.0), jac=True, method="L-BFGS-B", options={"maxiter": 100})
    return np.asarray(found.x[:-1], np.float64)


def _ndcg(features: FloatArray, chosen: FloatArray, weight: npt.NDArray[np.float64], k: int = 20) -> float:
    """Mean NDCG@k of the candidates in the order of their scores."""
    best = np.argsort(-(features @ weight), axis=1, kind="stable")[:, :k]
    discount = 1.0 / np.log2(np.arange(best.shape[1]) + 2.0)
    gain = (np.take_along_axis(chosen, best, axis=1) > 0) @ discount
    ideal = np.cumsum(discount)[np.minimum((chosen > 0).sum(axis=1), discount.size) - 1]
    return float((gain / ideal).mean())


def _examples(
    parts: Sequence[Operator], start: npt.NDArray[np.float64], data: TrainingData
) -> tuple[FloatArray, FloatArray]:
    """Each part's scores of the candidates, and each user's choices among them. Shapes (N, C, P), (N, C)."""
    if data.validation is None:
        raise InputError("coefficients cannot be fitted", expected="a validation part", got="none")
    histories, relevant = data.train.histories(), data.validation.matrix()
    users = np.flatnonzero((np.diff(relevant.indptr) > 0) & (histories.lengths > 0))
    if users.size > USERS:
        users = np.sort(np.random.default_rng(data.seed).choice(users, USERS, replace=False))
    whole = SumOperator(tuple(parts), tuple(start.tolist()))
    features, chosen = [], []
    step = max(1, min(256, 8_000_000 // max(1, data.train.num_items)))
    for at in range(0, users.size, step):
        block = users[at : at + step]
        taken = histories.take(block)
        seen = taken.even()
        scores = np.array(whole.score(seen, taken.user_index), np.float32)
        scores[taken.rows, taken.item_index] = -np.inf
        best = top_k(scores, min(CANDIDATES, data.train.num_items))
        rows = np.arange(block.size)[:, None]
        hit = relevant[block].toarray()[rows, best] * (best >= 0)
        by_part = [part.score(seen, taken.user_index)[rows, best] * (best >= 0) for part in parts]
        found = hit.sum(axis=1) > 0
        features.append(np.stack(by_part, axis=-1)[found])
        chosen.append((hit / np.maximum(hit.sum(axis=1, keepdims=True), 1))[found])
    if not features:
        return np.zeros((0, 0, len(parts)), np.float32), np.zeros((0, 0), np.float32)
    return np.concatenate(features), np.concatenate(chosen)
