"""Learning the fusion: which pull holds the weights back is cross-fitted, and so is what the gate sees."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from gnn.data import Interactions
from gnn.data.histories import Histories, IntArray
from gnn.fusion.examples import FusionExamples, Material, fusion_examples
from gnn.fusion.features import FeatureSpace
from gnn.fusion.fitting import Lengths, Matrix, curvature_of, fitted, mean_loss
from gnn.fusion.hidden_fitting import learned_layer
from gnn.fusion.ranking import FusedRanker
from gnn.fusion.weights import FusionWeights
from gnn.operators import Operator
from gnn.splits.draws import Draw

MIN_USERS = 20
FOLDS = 5
FEW_USERS = 1_000
"""Up to so many examples the pull is chosen on all folds; above on two, and a hidden layer is tried."""
SCALES = (0.2, 0.6, 1.5)
"""Scales tried for a single source's score within the softmax."""

Towards: TypeAlias = Literal["best", "all"]


@dataclass(frozen=True, slots=True)
class Pull:
    """How learning is held back: how strongly, and towards the best single source or towards all alike.

    With few examples a strong pull to the best source gives about that source, and so never much less.
    ``slope_strength`` is that of the dependence on the history's length, infinite for none: it doubles the weights, and
    pays off with many users only.
    """

    towards: Towards
    strength: float
    slope_strength: float = math.inf
    narrow: bool = False
    """Whether only one weight a source is learned, that of its damped view."""
    hidden: bool = False
    """Whether a hidden layer is learned on top of the weights."""


ALONE = Pull("best", math.inf)
"""Nothing is learned but which source is the best."""
PULLS = (
    *(Pull("best", strength) for strength in (1.0, 0.1, 0.01)),
    *(Pull("all", strength) for strength in (0.1, 0.01, 0.003)),
    *(Pull("all", strength, 10 * strength) for strength in (0.01, 0.001)),
)
"""The pulls one of which is chosen by cross-fitting; for each target the strongest first."""
ORDER_FREE_PULLS = (
    *(Pull("best", strength) for strength in (1.0, 0.1, 0.01)),
    *(Pull("best", strength, narrow=True) for strength in (0.1, 0.01)),
    *(Pull("all", strength, narrow=True) for strength in (0.1, 0.01)),
    *(Pull("all", strength) for strength in (0.1, 0.01)),
)
"""The pulls where the order of events is not known: nothing depends on the history's length.

A part of such data is not quite what will be asked, because what comes later is chosen otherwise. So few weights.
"""


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

    def cross_fitted(
        self, operators: Mapping[str, Operator], allowed: npt.NDArray[np.bool_] | None = None
    ) -> CrossFitted:
        """The ranker whose validation figures are not fitted to the users they are measured on."""
        return CrossFitted(tuple(FusedRanker(operators, weights) for weights in self.folds), self.fold_of, allowed)

    def raised(self, source: str, bonus: float) -> LearnedFusion:
        """The same with more weight on one source in all of it, see :meth:`FusionWeights.raised`."""
        folds = tuple(weights.raised(source, bonus) for weights in self.folds)
        return replace(self, weights=self.weights.raised(source, bonus), folds=folds)


@dataclass(frozen=True)
class CrossFitted:
    """Ranks each user with the weights learned from the other folds. Implements :class:`gnn.ranker.Ranker`.

    ``allowed`` (I,): the items that are ranked at all.
    """

    folds: tuple[FusedRanker, ...]
    fold_of: npt.NDArray[np.int8]
    allowed: npt.NDArray[np.bool_] | None = None

    def rank(self, histories: Histories, k: int, *, repeats: bool = False) -> IntArray:
        fold = self.fold_of[histories.user_index]
        result = np.full((len(histories), k), -1, np.int32)
        for number, ranker in enumerate(self.folds):
            rows = np.flatnonzero(fold == number)
            if rows.size:
                result[rows] = ranker.rank(histories.take(rows), k, repeats=repeats, allowed=self.allowed)
        return result


def learn_fusion(
    operators: Mapping[str, Operator],
    train: Interactions,
    validation: Interactions,
    *,
    further: Sequence[Draw] = (),
    seed: int = 42,
    ordered: bool = True,
    repeats: bool = False,
) -> LearnedFusion:
    """Fusion weights learned from what users chose in ``validation`` after their history in ``train``.

    ``further`` draws teach beside it; a user is in the same fold in all of them.

    With fewer than :data:`MIN_USERS` usable users the prior weights are returned, ``learned=False``.
    """
    space = FeatureSpace.over(operators, ordered=ordered)
    prior = FusionWeights.prior(space)
    generator = np.random.default_rng(seed)
    fold_of = generator.integers(0, FOLDS, train.num_users).astype(np.int8)
    if not operators:
        return LearnedFusion(prior, (prior,) * FOLDS, fold_of, None, 0)
    material = Material.joined(
        [
            fusion_examples(draw.operators, space, draw.train, draw.validation, generator, repeats=repeats)
            for draw in (Draw(operators, train, validation), *further)
        ]
    )
    if len(material.learned) < MIN_USERS:
        return LearnedFusion(prior, (prior,) * FOLDS, fold_of, None, len(material.learned))
    learner = _Learner(material, fold_of, space, ordered, seed)
    pull = learner.chosen_pull()
    folds = tuple(learner.weights(pull, number) for number in range(FOLDS))
    return LearnedFusion(learner.weights(pull), folds, fold_of, pull, len(material.learned))


class _Learner:
    """Weights under any pull, from all folds or all but one."""

    def __init__(
        self, material: Material, fold_of: npt.NDArray[np.int8], space: FeatureSpace, ordered: bool, seed: int
    ) -> None:
        self._material = material
        self._ordered = ordered
        self._seed = seed
        self._learned_fold = fold_of[material.learned.user_index]
        self._judged_fold = fold_of[material.judged.user_index]
        self._space = space
        self._lengths = Lengths.of(material.learned)
        self._spread = material.learned.spread()
        self._centres: dict[tuple[Towards, int | None], FusionWeights] = {}
        self._curvatures: dict[Towards, Matrix] = {}
        self._learned: dict[tuple[Pull, int | None], FusionWeights] = {}

    def weights(self, pull: Pull, without: int | None = None, *, start: FusionWeights | None = None) -> FusionWeights:
        """The weights learned under a pull, once; with ``without`` from the other folds alone."""
        if (pull, without) not in self._learned:
            self._learned[pull, without] = self._weights(pull, without, start)
        return self._learned[pull, without]

    def _weights(self, pull: Pull, without: int | None, start: FusionWeights | None) -> FusionWeights:
        centre = self._centre(pull.towards, without)
        if math.isinf(pull.strength):
            return replace(centre, learned=True)
        if pull.hidden:
            linear = self.weights(replace(pull, hidden=False), without, start=start)
            examples = _outside(self._material.learned, self._learned_fold, without)
            return replace(linear, hidden=learned_layer(examples, linear, self._seed))
        if pull.towards not in self._curvatures:
            self._curvatures[pull.towards] = curvature_of(self._material.learned, centre)
        return fitted(
            _outside(self._material.learned, self._learned_fold, without),
            centre,
            pull.strength,
            pull.slope_strength,
            narrow=pull.narrow,
            start=start,
            curvature=self._curvatures[pull.towards],
        )

    def chosen_pull(self) -> Pull:
        """The pull whose weights, learned without a fold, rank that fold best; none, if that is no more than luck.

        The best of several pulls gains about half a standard error by being chosen. A fusion that does not beat the
        best single source by more than that is that source; whether it is served is for the gate to say.

        Where there are many examples two folds choose among the pulls; a hidden layer is learned on top of the best,
        and all folds, whose weights are needed anyway, say whether it gains as well.
        """
        pulls = PULLS if self._ordered else ORDER_FREE_PULLS
        is_many = len(self._material.learned) >= FEW_USERS
        figures = self._judged((ALONE, *pulls), 2 if is_many else FOLDS)
        if not figures:
            return pulls[0]
        best = max(pulls, key=lambda pull: float(figures[pull].mean()))
        if is_many:
            deeper = replace(best, hidden=True)
            figures = self._judged((ALONE, best, deeper), FOLDS)
            if _gains(figures[deeper] - figures[best]):
                best = deeper
        return best if _gains(figures[best] - figures[ALONE]) else ALONE

    def _judged(self, pulls: tuple[Pull, ...], folds: int) -> dict[Pull, npt.NDArray[np.float64]]:
        """NDCG of users in so many folds that the weights were not learned from. Shapes: (N,) each."""
        reached: dict[Pull, list[npt.NDArray[np.float64]]] = {}
        for number in range(folds):
            inside = self._material.judged.take(np.flatnonzero(self._judged_fold == number))
            if not len(inside) or (self._learned_fold != number).sum() < MIN_USERS // 2:
                continue
            start: dict[Towards, FusionWeights] = {}
            for pull in pulls:
                learned = self.weights(pull, number, start=start.get(pull.towards))
                start[pull.towards] = learned
                reached.setdefault(pull, []).append(inside.ndcg(learned))
        return {pull: np.concatenate(parts) for pull, parts in reached.items()}

    @cached_property
    def _alone(self) -> tuple[list[FusionWeights], npt.NDArray[np.float64]]:
        """Each reading of a single source by itself, and the NDCG of each judging user under it. Shape (R, N)."""
        singles = [FusionWeights.single(self._space, *reading) for reading in self._space.readings()]
        return singles, np.stack([self._material.judged.ndcg(weights) for weights in singles])

    def _centre(self, towards: Towards, without: int | None) -> FusionWeights:
        """What learning is pulled to: all sources alike, or the one source that ranks the examples best."""
        if (towards, without) not in self._centres:
            centre = FusionWeights.prior(self._space)
            if towards == "best":
                singles, reached = self._alone
                inside = slice(None) if without is None else self._judged_fold != without
                best = singles[int(np.argmax(reached[:, inside].sum(axis=1)))]
                few = _outside(self._material.learned, self._learned_fold, without).first(FEW_USERS // 2)
                centre = min((best.scaled(scale) for scale in SCALES), key=lambda weights: mean_loss(few, weights))
            self._centres[towards, without] = replace(self._lengths.applied(centre), spread=self._spread)
        return self._centres[towards, without]


def _gains(gain: npt.NDArray[np.float64]) -> bool:
    """Whether a gain is more than what choosing the best of several gives by luck. Shape: (N,)."""
    return float(gain.mean()) > 0.5 * float(gain.std()) / math.sqrt(gain.size)


def _outside(examples: FusionExamples, fold: npt.NDArray[np.int8], without: int | None) -> FusionExamples:
    return examples if without is None else examples.take(np.flatnonzero(fold != without))
