"""Learning the fusion: a softmax over each user's candidates against what the user chose next.

The score is linear in the features and their products with the history's length, so the loss is convex; it is
minimised by L-BFGS with an L2 pull towards simple weights, which keeps small validation sets honest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from gnn.data import Interactions
from gnn.fusion.features import FeatureSpace, candidates
from gnn.fusion.ranking import FusedRanker
from gnn.fusion.weights import FusionWeights
from gnn.histories import FloatArray, Histories, IntArray
from gnn.operators import Operator

MAX_USERS = 4_000
MAX_CANDIDATES = 128
MIN_USERS = 20
FOLDS = 5
FEW_USERS = 1_000
"""Up to so many examples the pull is chosen on all folds, above on two."""
SCALES = (0.2, 0.6, 1.5)
"""Scales tried for a single source's score within the softmax."""
MAX_ITERATIONS = 60


Towards: TypeAlias = Literal["best", "all"]


@dataclass(frozen=True, slots=True)
class Pull:
    """How learning is held back: how strongly, and towards the best single source or towards all alike.

    With few examples a strong pull to the best source gives about that source, and so never much less.
    """

    towards: Towards
    strength: float

    def fit(self, examples: FusionExamples, space: FeatureSpace) -> FusionWeights:
        """The weights learned from the examples under this pull."""
        return _fit(examples, _centre(self.towards, examples, space), self.strength)


PULLS = (
    *(Pull("best", strength) for strength in (10.0, 1.0, 0.1)),
    *(Pull("all", strength) for strength in (0.3, 0.03, 0.01, 0.003)),
)
"""The pulls one of which is chosen by cross-fitting; for each target the strongest first."""


@dataclass(frozen=True, slots=True)
class FusionExamples:
    """Users to learn from, one row each.

    Shapes: ``user_index`` (N,); ``features`` (N, C, F); ``chosen`` (N, C), the share of the user's choices
    that each candidate is (rows sum to 1); ``present`` (N, C), False in the padding; ``length`` (N,).
    """

    user_index: IntArray
    features: FloatArray
    chosen: FloatArray
    present: npt.NDArray[np.bool_]
    length: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return int(self.user_index.size)

    def take(self, rows: npt.NDArray[np.int64]) -> FusionExamples:
        return FusionExamples(
            self.user_index[rows], self.features[rows], self.chosen[rows], self.present[rows], self.length[rows]
        )


@dataclass(frozen=True)
class LearnedFusion:
    """What learning gives: weights from all examples, and weights per fold for honest validation figures.

    ``fold_of`` (U,) says which fold a user belongs to; user u is judged by ``folds[fold_of[u]]``, which was
    learned from the other folds alone.
    """

    weights: FusionWeights
    folds: tuple[FusionWeights, ...]
    fold_of: npt.NDArray[np.int8]
    pull: Pull | None
    num_examples: int

    def cross_fitted(self, operators: Mapping[str, Operator]) -> CrossFitted:
        """The ranker whose validation figures are not fitted to the users they are measured on."""
        return CrossFitted(tuple(FusedRanker(operators, weights) for weights in self.folds), self.fold_of)


@dataclass(frozen=True)
class CrossFitted:
    """Ranks each user with the weights learned from the other folds. Implements :class:`gnn.ranker.Ranker`."""

    folds: tuple[FusedRanker, ...]
    fold_of: npt.NDArray[np.int8]

    def rank(self, histories: Histories, k: int) -> IntArray:
        fold = self.fold_of[histories.user_index]
        result = np.full((len(histories), k), -1, np.int32)
        for number, ranker in enumerate(self.folds):
            rows = np.flatnonzero(fold == number)
            if rows.size:
                result[rows] = ranker.rank(histories.take(rows), k)
        return result


def learn_fusion(
    operators: Mapping[str, Operator],
    train: Interactions,
    validation: Interactions,
    *,
    seed: int = 42,
    ordered: bool = True,
) -> LearnedFusion:
    """Fusion weights learned from what users chose in ``validation`` after their history in ``train``.

    With fewer than :data:`MIN_USERS` usable users the prior weights are returned, ``learned=False``.
    """
    space = FeatureSpace.over(operators, ordered=ordered)
    prior = FusionWeights.prior(space)
    generator = np.random.default_rng(seed)
    fold_of = generator.integers(0, FOLDS, train.num_users).astype(np.int8)
    if not operators:
        return LearnedFusion(prior, (prior,) * FOLDS, fold_of, None, 0)
    examples = fusion_examples(operators, space, train, validation, generator)
    if len(examples) < MIN_USERS:
        return LearnedFusion(prior, (prior,) * FOLDS, fold_of, None, len(examples))
    pull = _chosen_pull(examples, fold_of, space)
    folds = []
    for number in range(FOLDS):
        outside = examples.take(np.flatnonzero(fold_of[examples.user_index] != number))
        folds.append(pull.fit(outside, space))
    return LearnedFusion(pull.fit(examples, space), tuple(folds), fold_of, pull, len(examples))


def _chosen_pull(examples: FusionExamples, fold_of: npt.NDArray[np.int8], space: FeatureSpace) -> Pull:
    """The pull whose weights, learned without a fold, rank that fold best."""
    fold = fold_of[examples.user_index]
    judged = FOLDS if len(examples) < FEW_USERS else 2
    reached = dict.fromkeys(PULLS, 0.0)
    for number in range(judged):
        inside, outside = (examples.take(np.flatnonzero(mask)) for mask in (fold == number, fold != number))
        if not len(inside) or not len(outside):
            continue
        for towards in ("best", "all"):
            centre = weights = _centre(towards, outside, space)
            for pull in PULLS:
                if pull.towards == towards:
                    weights = _fit(outside, centre, pull.strength, start=weights)
                    reached[pull] += _ndcg(inside, weights)
    return max(PULLS, key=lambda pull: reached[pull])


def _centre(towards: Towards, examples: FusionExamples, space: FeatureSpace) -> FusionWeights:
    """The weights that learning is pulled to: all sources alike, or the one source that ranks the examples best."""
    if towards == "all":
        return FusionWeights.prior(space)
    few = examples.take(np.arange(min(len(examples), FEW_USERS // 2)))
    single = max(
        (FusionWeights.single(space, *reading) for reading in space.readings()), key=lambda weights: _ndcg(few, weights)
    )
    return min((single.scaled(scale) for scale in SCALES), key=lambda weights: _loss(few, weights))


def fusion_examples(
    operators: Mapping[str, Operator],
    space: FeatureSpace,
    train: Interactions,
    validation: Interactions,
    generator: np.random.Generator,
) -> FusionExamples:
    """Candidates and choices of up to :data:`MAX_USERS` users; users whose choices no source finds are left out."""
    histories = train.histories()
    relevant = validation.matrix()
    users = np.flatnonzero((np.diff(relevant.indptr) > 0) & (histories.lengths > 0))
    if users.size > MAX_USERS:
        users = np.sort(generator.choice(users, MAX_USERS, replace=False))
    columns = len(space.columns)
    kept_users, features, chosen, present = [], [], [], []
    step = space.block_rows(train.num_items)
    for start in range(0, users.size, step):
        block = users[start : start + step]
        pool = candidates(operators, space, histories.take(block))
        for row, user in enumerate(block):
            item_index = pool.item_index[row]
            targets = relevant.indices[relevant.indptr[user] : relevant.indptr[user + 1]]
            hit = np.isin(item_index, targets)
            if not hit.any():
                continue
            keep = _sample(item_index, hit, generator)
            row_features = np.zeros((MAX_CANDIDATES, columns), np.float32)
            row_features[: keep.size] = pool.features[row, keep]
            share = np.zeros(MAX_CANDIDATES, np.float32)
            share[: keep.size] = hit[keep] / hit[keep].sum()
            kept_users.append(user)
            features.append(row_features)
            chosen.append(share)
            present.append(np.arange(MAX_CANDIDATES) < keep.size)
    if not kept_users:
        empty = np.zeros((0, MAX_CANDIDATES), np.float32)
        return FusionExamples(
            np.zeros(0, np.int32),
            np.zeros((0, MAX_CANDIDATES, columns), np.float32),
            empty,
            empty.astype(bool),
            np.zeros(0, np.int64),
        )
    at = np.array(kept_users, np.int32)
    return FusionExamples(at, np.stack(features), np.stack(chosen), np.stack(present), histories.lengths[at])


def _sample(item_index: IntArray, hit: npt.NDArray[np.bool_], generator: np.random.Generator) -> npt.NDArray[np.int64]:
    """All choices and a random part of the other candidates, at most :data:`MAX_CANDIDATES` positions."""
    positives = np.flatnonzero(hit)[: MAX_CANDIDATES // 2]
    others = np.flatnonzero((item_index >= 0) & ~hit)
    room = MAX_CANDIDATES - positives.size
    if others.size > room:
        others = generator.choice(others, room, replace=False)
    return np.concatenate([positives, others])


def _fit(
    examples: FusionExamples, prior: FusionWeights, pull: float, *, start: FusionWeights | None = None
) -> FusionWeights:
    """The weights that minimise the mean softmax cross-entropy plus ``pull`` times the distance to the prior."""
    log_length = np.log1p(examples.length.astype(np.float64))
    mean, scale = float(log_length.mean()), float(max(log_length.std(), 1e-3))
    length = np.clip((log_length - mean) / scale, -3.0, 3.0).astype(np.float32)
    centre = np.concatenate([prior.weight, prior.slope]).astype(np.float64)
    begin = start or prior
    columns = prior.weight.size

    def objective(flat: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        weight, slope = flat.astype(np.float32).reshape(2, columns)
        loss, residual = _cross_entropy(examples, weight, slope, length)
        both = np.stack([residual.ravel(), (residual * length[:, None]).ravel()])
        gradient = np.asarray(both @ examples.features.reshape(-1, columns), np.float64).ravel()
        away = flat - centre
        return (
            loss / len(examples) + 0.5 * pull * float(away @ away),
            gradient / len(examples) + pull * away,
        )

    found = minimize(
        objective,
        np.concatenate([begin.weight, begin.slope]).astype(np.float64),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": MAX_ITERATIONS},
    )
    weight, slope = np.asarray(found.x, np.float32).reshape(2, columns)
    return FusionWeights(prior.space, weight, slope, mean, scale, learned=True)


def _cross_entropy(
    examples: FusionExamples, weight: FloatArray, slope: FloatArray, length: FloatArray
) -> tuple[float, FloatArray]:
    """Summed loss, and its gradient with respect to the scores.

    Shapes: ``weight``, ``slope`` (F,), ``length`` (N,) → (), (N, C).
    """
    score = _scores(examples, weight, slope, length)
    score -= score.max(axis=1, keepdims=True)
    exponent = np.exp(score)
    total = exponent.sum(axis=1, keepdims=True)
    log_likelihood = np.where(examples.chosen > 0, score - np.log(total), 0.0)
    loss = -float(np.sum(examples.chosen * log_likelihood, dtype=np.float64))
    return loss, np.asarray(exponent / total - examples.chosen, np.float32)


def _scores(examples: FusionExamples, weight: FloatArray, slope: FloatArray, length: FloatArray) -> FloatArray:
    """Each candidate's score, -inf in the padding. Shape (N, C)."""
    num_users, width, columns = examples.features.shape
    parts = examples.features.reshape(-1, columns) @ np.stack([weight, slope], axis=1)
    score = parts[:, 0].reshape(num_users, width) + length[:, None] * parts[:, 1].reshape(num_users, width)
    score[~examples.present] = -np.inf
    return np.asarray(score, np.float32)


def _ndcg(examples: FusionExamples, weights: FusionWeights, k: int = 20) -> float:
    """Summed NDCG@k of the candidates in the order of their scores: what the gate will ask for."""
    score = _scores(examples, weights.weight, weights.slope, weights.standard_length(examples.length))
    best = np.argsort(-score, axis=1, kind="stable")[:, :k]
    discount = 1.0 / np.log2(np.arange(best.shape[1]) + 2.0)
    gain = (np.take_along_axis(examples.chosen, best, axis=1) > 0) @ discount
    ideal = np.cumsum(discount)[np.minimum((examples.chosen > 0).sum(axis=1), k) - 1]
    return float(np.sum(gain / ideal))


def _loss(examples: FusionExamples, weights: FusionWeights) -> float:
    """The mean cross-entropy of these weights on these examples."""
    length = weights.standard_length(examples.length)
    return _cross_entropy(examples, weights.weight, weights.slope, length)[0] / max(len(examples), 1)
