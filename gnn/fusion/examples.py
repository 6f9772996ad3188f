"""What the fusion learns from and is judged by: users, their candidates, and which of these they chose next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from gnn.data import Interactions
from gnn.data.histories import FloatArray, IntArray
from gnn.fusion.features import FeatureSpace, candidates
from gnn.fusion.weights import FusionWeights
from gnn.operators import Operator

MAX_USERS = 40_000
FEWEST_CANDIDATES, MOST_CANDIDATES = 48, 128
"""Candidates per user to learn from; fewer when there are many users, who say more than candidates do."""
EXAMPLE_BYTES = 2 << 30
"""What features may take if every user taught; about a third do."""
JUDGED_USERS = 6_000
SPREAD_USERS = 1_000


@dataclass(frozen=True, slots=True)
class FusionExamples:
    """Users to learn from, one row each.

    Shapes: ``user_index`` (N,); ``features`` (N, C, F); ``chosen`` (N, C), the share of the user's choices
    that each candidate is (rows sum to 1); ``present`` (N, C), False in the padding; ``length`` (N,);
    ``num_chosen`` (N,), how many choices the user made, candidates or not; ``stands_for`` (N,), how many of the
    user's candidates each one that was not chosen stands for, 1 where none were left out.
    """

    user_index: IntArray
    features: npt.NDArray[np.floating]
    chosen: FloatArray
    present: npt.NDArray[np.bool_]
    length: npt.NDArray[np.int64]
    num_chosen: npt.NDArray[np.int64]
    stands_for: FloatArray

    def __len__(self) -> int:
        return int(self.user_index.size)

    def take(self, rows: npt.NDArray[np.int64]) -> FusionExamples:
        return FusionExamples(*(getattr(self, field.name)[rows] for field in fields(self)))

    @classmethod
    def joined(cls, parts: Sequence[FusionExamples]) -> FusionExamples:
        """All of them, one below the other; the width is that of the widest."""
        if len(parts) == 1:
            return parts[0]
        width = max(part.chosen.shape[1] for part in parts)

        def stacked(name: str) -> Any:
            return np.concatenate([_widened(getattr(part, name), width) for part in parts])

        return cls(*(stacked(field.name) for field in fields(cls)))

    def first(self, count: int) -> FusionExamples:
        """At most the first ``count`` users."""
        return self.take(np.arange(min(count, len(self))))

    def spread(self) -> FloatArray:
        """The standard deviation of each feature among the candidates. Shape (F,)."""
        some = slice(SPREAD_USERS)
        return np.asarray(self.features[some][self.present[some]].std(axis=0, dtype=np.float64), np.float32)

    def scores(self, weights: FusionWeights) -> FloatArray:
        """Each candidate's score, -inf in the padding. Shape (N, C)."""
        score = weights.scores(self.features, self.length)
        score[~self.present] = -np.inf
        return score

    def correction(self) -> FloatArray:
        """What a softmax over these candidates adds to their scores, to be about that over all of them. Shape (N, C).

        The log of how many each stands for: without it what was chosen seems to have few rivals. Bengio & Senécal,
        "Adaptive importance sampling to accelerate training of a neural probabilistic language model", 2008.
        """
        return np.where(self.chosen > 0, np.float32(0), np.log(self.stands_for)[:, None])

    def ndcg(self, weights: FusionWeights, k: int = 20) -> npt.NDArray[np.float64]:
        """NDCG@k of each user: what the gate will ask for. Shape (N,)."""
        best = np.argsort(-self.scores(weights), axis=1, kind="stable")[:, :k]
        discount = 1.0 / np.log2(np.arange(k) + 2.0)
        gain = (np.take_along_axis(self.chosen, best, axis=1) > 0) @ discount[: best.shape[1]]
        return np.asarray(gain / np.cumsum(discount)[np.minimum(self.num_chosen, k) - 1])


def _widened(array: npt.NDArray[Any], width: int) -> npt.NDArray[Any]:
    """The array with zeros up to a width. Shapes: (N,) as it is, (N, C, …) → (N, width, …)."""
    if array.ndim == 1 or array.shape[1] == width:
        return array
    return np.pad(array, [(0, 0), (0, width - array.shape[1]), *[(0, 0)] * (array.ndim - 2)])


@dataclass(frozen=True)
class Material:
    """Examples to learn from, with few candidates each, and some of the same users with all of theirs, to judge by.

    Among a random part of the candidates the order of sources is not what it is among all of them.
    """

    learned: FusionExamples
    judged: FusionExamples

    @classmethod
    def joined(cls, parts: Sequence[Material]) -> Material:
        """The material of several draws."""
        return cls(
            FusionExamples.joined([part.learned for part in parts]),
            FusionExamples.joined([part.judged for part in parts]),
        )


def fusion_examples(
    operators: Mapping[str, Operator],
    space: FeatureSpace,
    train: Interactions,
    validation: Interactions,
    generator: np.random.Generator,
    *,
    repeats: bool = False,
) -> Material:
    """Candidates and choices of up to :data:`MAX_USERS` users.

    Users whose choices no source finds teach nothing and are left out of the examples; they count where it is judged.
    """
    histories = train.histories()
    relevant = validation.matrix()
    users = np.flatnonzero((np.diff(relevant.indptr) > 0) & (histories.lengths > 0))
    if users.size > MAX_USERS:
        users = np.sort(generator.choice(users, MAX_USERS, replace=False))
    room = EXAMPLE_BYTES // (4 * max(users.size, 1) * max(len(space.columns), 1))
    width = int(np.clip(room, FEWEST_CANDIDATES, MOST_CANDIDATES))
    judges = np.zeros(train.num_users, bool)
    judges[generator.permutation(users)[:JUDGED_USERS]] = True
    learned, judged = _Collected(len(space.columns)), _Collected(len(space.columns))
    step = space.block_rows(train.num_items)
    for start in range(0, users.size, step):
        block = users[start : start + step]
        asked = histories.take(block)
        pool = candidates(operators, space, asked, exclude=asked.none() if repeats else None)
        for row, user in enumerate(block):
            filled = int(np.count_nonzero(pool.item_index[row] >= 0))
            items, features = pool.item_index[row, :filled], pool.features[row, :filled]
            targets = relevant.indices[relevant.indptr[user] : relevant.indptr[user + 1]]
            hit = np.isin(items, targets)
            if hit.any():
                keep, stands_for = _sample(hit, width, generator)
                told = (histories.lengths[user], targets.size, stands_for)
                learned.add(user, features[keep], hit[keep], *told)
            if judges[user]:
                told = (histories.lengths[user], targets.size, 1.0)
                judged.add(user, features.astype(np.float16), hit, *told)
    return Material(learned.examples(), judged.examples())


class _Collected:
    """Users with candidates, one at a time."""

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._users: list[tuple[int, int, int]] = []
        self._stands_for: list[float] = []
        self._features: list[npt.NDArray[np.floating]] = []
        self._hits: list[npt.NDArray[np.bool_]] = []

    def add(
        self,
        user: int,
        features: npt.NDArray[np.floating],
        hit: npt.NDArray[np.bool_],
        length: int,
        num_chosen: int,
        stands_for: float,
    ) -> None:
        self._users.append((int(user), int(length), int(num_chosen)))
        self._stands_for.append(stands_for)
        self._features.append(features)
        self._hits.append(hit)

    def examples(self) -> FusionExamples:
        width = max((hit.size for hit in self._hits), default=0)
        kind = self._features[0].dtype if self._features else np.dtype(np.float32)
        features = np.zeros((len(self._users), width, self._columns), kind)
        chosen = np.zeros((len(self._users), width), np.float32)
        present = np.zeros((len(self._users), width), bool)
        for row, (part, hit) in enumerate(zip(self._features, self._hits, strict=True)):
            features[row, : hit.size] = part
            chosen[row, : hit.size] = hit / max(int(hit.sum()), 1)
            present[row, : hit.size] = True
        table = np.array(self._users, np.int64).reshape(-1, 3)
        return FusionExamples(
            table[:, 0].astype(np.int32),
            features,
            chosen,
            present,
            table[:, 1],
            table[:, 2],
            np.array(self._stands_for, np.float32),
        )


def _sample(
    hit: npt.NDArray[np.bool_], width: int, generator: np.random.Generator
) -> tuple[npt.NDArray[np.int64], float]:
    """The choices, at most half of ``width``, and a random part of the other candidates: ``width`` positions.

    With them how many of the others each that was taken stands for.
    """
    positives = np.flatnonzero(hit)
    if positives.size > width // 2:
        positives = generator.choice(positives, width // 2, replace=False)
    others = np.flatnonzero(~hit)
    room = width - positives.size
    if others.size <= room:
        return np.concatenate([positives, others]), 1.0
    return np.concatenate([positives, generator.choice(others, room, replace=False)]), others.size / room
