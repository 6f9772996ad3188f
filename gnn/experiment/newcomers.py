"""Room for new items: how far a ranking raises what nobody has chosen yet, so that it is found as well as it is to be.

A fusion that is right on the whole hides what is new: an unseen item is seldom the likeliest one for anybody, so it is
shown to nobody. How much a shop gives for its new items is its own decision; here it is said as a share, and
validation tells the price.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gnn.data import Interactions
from gnn.evaluation import Evaluation, asked_users, evaluate
from gnn.evaluation.slices import Slice
from gnn.fusion import LearnedFusion
from gnn.operators import Operator

UNSEEN = "unseen"
"""The source whose weight is raised."""
METRIC = "ndcg@10"
MOST_COST = 0.1
"""The share of the whole metric that new items may cost."""
HIGHEST, STEPS = 4.0, 6
"""The highest bonus, and how often the interval below it is halved."""
ASKED_USERS = 1_500
"""Users of each kind that are asked: some who chose an unseen item, and some who did not."""
FEWEST_USERS = 20


@dataclass(frozen=True, slots=True)
class Found:
    """How well both kinds of items are found, in NDCG@10; ``whole`` weighs them as they were chosen."""

    unseen: float
    seen: float
    whole: float

    def reaches(self, share: float) -> bool:
        """Whether unseen items are found at least at ``share`` of seen ones."""
        return self.unseen >= share * self.seen


@dataclass(frozen=True, slots=True)
class Raise:
    """The bonus that was chosen on validation, and what it does there."""

    goal: float
    bonus: float
    before: Found
    after: Found

    @property
    def sentence(self) -> str:
        before, after = self.before, self.after
        return (
            f"unseen items are raised by {self.bonus:.2f}: on validation their {METRIC} goes from {before.unseen:.4f} "
            f"to {after.unseen:.4f}, that of seen items from {before.seen:.4f} to {after.seen:.4f}, that of all from "
            f"{before.whole:.4f} to {after.whole:.4f}"
        )

    def to_document(self) -> dict[str, Any]:
        return asdict(self) | {"sentence": self.sentence}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Raise:
        """What :meth:`to_document` described."""
        return cls(document["goal"], document["bonus"], Found(**document["before"]), Found(**document["after"]))


def chosen_raise(
    fusion: LearnedFusion,
    operators: Mapping[str, Operator],
    train: Interactions,
    validation: Interactions,
    goal: float,
    seed: int = 42,
) -> Raise | None:
    """How far unseen items are raised to reach ``goal`` times the NDCG@10 of seen ones, see :func:`least_raise`.

    ``None`` where too few users chose an unseen item to tell. What neither part knows is not in the catalogue yet.
    """
    measure = _Measure.of(fusion, operators, train, validation, seed)
    return None if measure is None else least_raise(measure, goal)


def least_raise(measure: Callable[[float], Found], goal: float) -> Raise:
    """The least bonus that reaches a goal, if it may cost that much; otherwise the most that may be spent.

    ``measure`` tells what a bonus gives. The bonus is found by halving, to within ``HIGHEST / 2 ** STEPS``.
    """
    before = measure(0.0)
    if before.reaches(goal):
        return Raise(goal, 0.0, before, before)
    low, high, short = 0.0, HIGHEST, (0.0, before)
    met: tuple[float, Found] | None = None
    for _ in range(STEPS):
        bonus = (low + high) / 2
        found = measure(bonus)
        affordable, enough = found.whole >= (1.0 - MOST_COST) * before.whole, found.reaches(goal)
        if affordable and enough:
            met = (bonus, found)
        elif affordable:
            short = (bonus, found)
        low, high = (low, bonus) if enough or not affordable else (bonus, high)
    bonus, after = met or short
    return Raise(goal, bonus, before, after)


@dataclass(frozen=True)
class _Measure:
    """How well a fusion finds unseen and seen items under a bonus."""

    fusion: LearnedFusion
    operators: Mapping[str, Operator]
    train: Interactions
    asked: Interactions
    slices: tuple[Slice, ...]
    catalogue: npt.NDArray[np.bool_]
    share: float
    """The share of all choices that are unseen items."""

    @classmethod
    def of(
        cls,
        fusion: LearnedFusion,
        operators: Mapping[str, Operator],
        train: Interactions,
        validation: Interactions,
        seed: int,
    ) -> _Measure | None:
        known = np.bincount(train.item_index, minlength=train.num_items) > 0
        new = ~known[validation.item_index]
        choosers = np.unique(validation.user_index[new])
        if choosers.size < FEWEST_USERS:
            return None
        generator = np.random.default_rng(seed)
        others = np.setdiff1d(asked_users(validation), choosers)
        kept = np.concatenate([generator.permutation(users)[:ASKED_USERS] for users in (choosers, others)])
        catalogue = known.copy()
        catalogue[validation.item_index] = True
        return cls(
            fusion,
            operators,
            train,
            validation.where(np.isin(validation.user_index, kept)),
            (Slice("unseen", items=~known), Slice("seen", items=known)),
            catalogue,
            float(new.mean()),
        )

    def __call__(self, bonus: float) -> Found:
        ranker = self.fusion.raised(UNSEEN, bonus).cross_fitted(self.operators, self.catalogue)
        found = evaluate(ranker, self.train, self.asked, metrics=(METRIC,), slices=self.slices)
        unseen, seen = (_mean(found, at) for at in (0, 1))
        return Found(unseen, seen, self.share * unseen + (1 - self.share) * seen)


def _mean(found: Evaluation, at: int) -> float:
    return float(found.slices[at].metrics.get(METRIC, 0.0))
