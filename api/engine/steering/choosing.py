"""Which of many good items make a good list: relevance against likeness, a user's mix, and caps.

One greedy pass, as in maximal marginal relevance. At every place the candidate with the highest value is taken:

    value(i) = (1 - c) * ((1 - d) * rel(i) - d * max over j in S of sim(i, j)) - c * KL(p, q(S + i))

``rel`` is the score scaled to 0..1 over the candidates, ``d`` the diversity, ``sim`` the engine's likeness of two
items, ``c`` the strength of the calibration, ``p`` the mix of groups in the user's history and ``q`` that of the
list, smoothed as ``0.99 q + 0.01 p``. A candidate whose group is full is passed over.

Reference: Carbonell & Goldstein, "The use of MMR", 1998; Steck, "Calibrated recommendations", 2018.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from api.engine.steering.grouping import Grouping
from gnn.data.histories import FloatArray, IntArray
from graph.sorting import distinct

SMOOTHING = 0.01
MAX_GROUPS = 64
"""Of a user's mix the largest groups count; the rest is too thin to be met by a list."""


class Quota:
    """Counts how many chosen items share a group, and says who may still come."""

    def __init__(self, at_most: int) -> None:
        self._at_most = at_most
        self._count: dict[int, int] = {}

    def take(self, groups: IntArray) -> None:
        for group in groups.tolist():
            self._count[group] = self._count.get(group, 0) + 1

    @property
    def full(self) -> list[int]:
        """Groups that have all they may have."""
        return [group for group, count in self._count.items() if count >= self._at_most]

    def open(self, grouping: Grouping) -> npt.NDArray[np.bool_]:
        """Which items have no full group. Shape (N,)."""
        shut = np.isin(grouping.group, self.full)
        return np.asarray(np.bincount(grouping.owner[shut], minlength=grouping.indptr.size - 1) == 0)


@dataclass(frozen=True, slots=True)
class Mix:
    """A user's mix and how candidates would add to a list's. Shapes: ``wanted`` (G,), ``adds`` (M, G)."""

    wanted: npt.NDArray[np.float64]
    adds: npt.NDArray[np.float64]
    strength: float

    @classmethod
    def of(cls, history: Grouping, candidates: Grouping, strength: float) -> Mix | None:
        """The mix of a history; ``None`` when its items have no group."""
        shares = _shares(history)
        groups = distinct(history.group)
        total = np.array([shares[history.group == group].sum() for group in groups])
        largest = np.argsort(-total, kind="stable")[:MAX_GROUPS]
        if not largest.size:
            return None
        place = {int(groups[at]): number for number, at in enumerate(largest)}
        adds = np.zeros((candidates.indptr.size - 1, largest.size))
        for owner, group, share in zip(candidates.owner, candidates.group, _shares(candidates), strict=True):
            if int(group) in place:
                adds[owner, place[int(group)]] += share
        return cls(total[largest] / total[largest].sum(), adds, strength)

    def divergence(self, chosen: npt.NDArray[np.float64], size: int) -> npt.NDArray[np.float64]:
        """``KL(p, q)`` of the list with each candidate added. Shapes: ``chosen`` (G,) summed shares → (M,)."""
        mix = (chosen + self.adds) / size
        smoothed = (1 - SMOOTHING) * mix + SMOOTHING * self.wanted
        return np.asarray((self.wanted * np.log(self.wanted / smoothed)).sum(axis=1))


def choose(
    score: FloatArray,
    n: int,
    *,
    diversity: float = 0.0,
    likeness: npt.NDArray[np.floating] | None = None,
    mix: Mix | None = None,
    caps: list[tuple[Quota, Grouping]] | None = None,
) -> list[int]:
    """Positions of up to ``n`` candidates, in the order of the list; fewer when the caps leave fewer.

    Shapes: ``score`` (M,), ``likeness`` (M, M). The quotas go on counting.
    """
    span = float(score.max() - score.min()) if score.size else 0.0
    relevance = (score - score.min()).astype(np.float64) / span if span > 0 else np.ones(score.size)
    alike = np.zeros(score.size)
    held = np.zeros(0 if mix is None else mix.wanted.size)
    open_ = np.ones(score.size, bool)
    for quota, grouping in caps or ():
        open_ &= quota.open(grouping)
    chosen: list[int] = []
    while len(chosen) < n and open_.any():
        value = (1 - diversity) * relevance - diversity * alike
        if mix is not None:
            value = (1 - mix.strength) * value - mix.strength * mix.divergence(held, len(chosen) + 1)
        best = int(np.argmax(np.where(open_, value, -np.inf)))
        chosen.append(best)
        open_[best] = False
        if likeness is not None and diversity > 0:
            alike = np.maximum(alike, likeness[best])
        if mix is not None:
            held += mix.adds[best]
        for quota, grouping in caps or ():
            quota.take(grouping.of(best))
            open_ &= quota.open(grouping)
    return chosen


def _shares(grouping: Grouping) -> npt.NDArray[np.float64]:
    """Each entry's share of its item, which sum to 1 per item. Shape (M,)."""
    return np.asarray(1.0 / np.diff(grouping.indptr)[grouping.owner])
