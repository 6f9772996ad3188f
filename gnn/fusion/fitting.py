"""The convex problem inside the fusion: a softmax over each user's candidates against what the user chose next.

The score is linear in the features and in their products with the history's length. The loss is minimised by L-BFGS in
coordinates in which its curvature is about the same in every direction, which takes a tenth of the steps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import scipy.linalg

from gnn.data.histories import FloatArray
from gnn.fusion.examples import FusionExamples
from gnn.fusion.weights import FusionWeights

Matrix = npt.NDArray[np.float64]

MAX_ITERATIONS = 40
CURVATURE_USERS = 500
FIXED = 1e4
"""The pull on weights that are not to move."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """How the log length of histories is standardised."""

    mean: float
    scale: float

    @classmethod
    def of(cls, examples: FusionExamples) -> Lengths:
        log_length = np.log1p(examples.length.astype(np.float64))
        return cls(float(log_length.mean()), float(max(log_length.std(), 1e-3)))

    def applied(self, weights: FusionWeights) -> FusionWeights:
        """The same weights under this standard; only right for weights without slopes."""
        return replace(weights, length_mean=self.mean, length_scale=self.scale)


def fitted(
    examples: FusionExamples,
    centre: FusionWeights,
    strength: float,
    slope_strength: float,
    *,
    narrow: bool = False,
    start: FusionWeights | None = None,
    curvature: Matrix | None = None,
) -> FusionWeights:
    """The weights that minimise the mean softmax cross-entropy plus ``strength`` / 2 times the squared distance to
    ``centre``. ``slope_strength`` is that of the dependence on length; infinite for none. ``narrow`` learns the damped
    view of each source alone and leaves the others at the centre. ``start`` and ``curvature`` (:func:`curvature_of`)
    save time and change nothing.
    """
    length, correction = centre.standard_length(examples.length), examples.correction()
    columns = centre.weight.size
    held = np.repeat([strength] if math.isinf(slope_strength) else [strength, slope_strength], columns)
    if narrow:
        fixed = np.array([view != "log" for _, _, view in centre.space.columns], np.float64)
        held = held + FIXED * np.resize(fixed, held.size)
    if curvature is None:
        curvature = curvature_of(examples, centre)
    factor = scipy.linalg.cholesky(curvature[: held.size, : held.size] + np.diag(held + 1e-8), lower=True)
    middle = _flat(centre)[: held.size]

    def objective(turned: Matrix) -> tuple[float, Matrix]:
        away = scipy.linalg.solve_triangular(factor, turned, lower=True, trans="T")
        loss, gradient = _loss(examples, middle + away, length, correction)
        loss += 0.5 * float(away @ (held * away))
        return loss, scipy.linalg.solve_triangular(factor, gradient + held * away, lower=True)

    begin = factor.T @ (_flat(start or centre)[: held.size] - middle)
    from scipy.optimize import minimize  # servers read weights and never fit them: a fifth of a second of their start

    found = minimize(objective, begin, jac=True, method="L-BFGS-B", options={"maxiter": MAX_ITERATIONS, "ftol": 1e-7})
    flat = middle + scipy.linalg.solve_triangular(factor, found.x, lower=True, trans="T")
    weight, slope = np.asarray(np.pad(flat, (0, 2 * columns - held.size)), np.float32).reshape(2, columns)
    return replace(centre, weight=weight, slope=slope, learned=True)


def curvature_of(examples: FusionExamples, weights: FusionWeights) -> Matrix:
    """The second derivative of the mean cross-entropy at these weights, of a part of the users. Shape (2F, 2F)."""
    part = examples.first(CURVATURE_USERS)
    length = weights.standard_length(part.length)
    share = softmax(part.scores(weights) + part.correction())
    features = np.asarray(part.features, np.float32)
    around = features - np.einsum("nc,ncf->nf", share, features, optimize=True)[:, None]
    around *= np.sqrt(share)[:, :, None]
    columns = features.shape[-1]
    result = np.zeros((2, columns, 2, columns))
    flat = around.reshape(-1, columns)
    for power, places in enumerate((((0, 0),), ((0, 1), (1, 0)), ((1, 1),))):
        by_length = (around * (length**power)[:, None, None]).reshape(-1, columns)
        for row, column in places:
            result[row, :, column] = by_length.T @ flat
    return result.reshape(2 * columns, 2 * columns) / max(len(part), 1)


def mean_loss(examples: FusionExamples, weights: FusionWeights) -> float:
    """The mean cross-entropy of these weights on these examples."""
    length = weights.standard_length(examples.length)
    return _loss(examples, _flat(weights), length, examples.correction())[0]


def _loss(examples: FusionExamples, flat: Matrix, length: FloatArray, correction: FloatArray) -> tuple[float, Matrix]:
    """The mean cross-entropy and its gradient. Shape (F,) without slopes or (2F,) with them, and the same again."""
    num_users, width, columns = examples.features.shape
    features = examples.features.reshape(-1, columns)
    parts = (features @ flat.astype(np.float32).reshape(-1, columns).T).reshape(num_users, width, -1)
    has_slopes = parts.shape[2] > 1
    score = parts[..., 0] + length[:, None] * parts[..., 1] if has_slopes else parts[..., 0]
    score += correction
    score[~examples.present] = -np.inf
    score -= score.max(axis=1, keepdims=True)
    exponent = np.exp(score)
    total = exponent.sum(axis=1, keepdims=True)
    log_likelihood = np.where(examples.chosen > 0, score - np.log(total), 0.0)
    loss = -float(np.sum(examples.chosen * log_likelihood, dtype=np.float64))
    residual = (exponent / total - examples.chosen).astype(np.float32)
    against = np.stack([residual.ravel(), (residual * length[:, None]).ravel()][: 1 + has_slopes])
    return loss / num_users, np.asarray(against @ features, np.float64).ravel() / num_users


def softmax(score: FloatArray) -> FloatArray:
    """Each row's shares; -inf has none. Shape (N, C)."""
    exponent = np.exp(score - score.max(axis=1, keepdims=True))
    return np.asarray(exponent / exponent.sum(axis=1, keepdims=True), np.float32)


def _flat(weights: FusionWeights) -> Matrix:
    return np.concatenate([weights.weight, weights.slope]).astype(np.float64)
