"""Full ranking of all items for every test user, in blocks, and what comes out of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from gnn.data import Interactions
from gnn.data.histories import IntArray
from gnn.evaluation.metrics import DEFAULT_METRICS, Exposure, Metric, PerUser, exposure, hits, parse_metrics
from gnn.evaluation.significance import Difference, bootstrap_interval, paired_bootstrap
from gnn.evaluation.slices import Slice, default_slices
from gnn.ranker import Ranker
from graph.errors import InputError
from graph.sorting import distinct

_BLOCK_SCORES = 16_000_000
"""Scores a ranker may hold at a time: 64 MB of float32."""


@dataclass(frozen=True)
class SliceResult:
    """Mean metrics over the users of one slice who have something relevant in it."""

    name: str
    num_users: int
    metrics: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How well one ranker did.

    Shapes: ``user_index`` (N,) the users who had something relevant, ascending; ``per_user[metric]`` (N,);
    ``ranked`` (N, K) the lists themselves.
    """

    user_index: IntArray
    ranked: IntArray
    per_user: Mapping[str, PerUser]
    exposure: Exposure
    slices: tuple[SliceResult, ...]
    seconds: float

    @property
    def num_users(self) -> int:
        return int(self.user_index.size)

    @property
    def metrics(self) -> dict[str, float]:
        """The mean of each metric over users."""
        return {name: float(values.mean()) if values.size else 0.0 for name, values in self.per_user.items()}

    def interval(self, metric: str, *, seed: int = 42) -> tuple[float, float]:
        """The 95 % bootstrap interval of one metric's mean."""
        return bootstrap_interval(self._values(metric), seed=seed)

    def compare(self, other: Evaluation, metric: str, *, samples: int = 2000, seed: int = 42) -> Difference:
        """This ranker minus another on the same users, with interval and p-value.

        Raises:
            InputError: when the two were not measured on the same users.
        """
        if not np.array_equal(self.user_index, other.user_index):
            raise InputError("two evaluations cannot be compared", expected="the same users", got="different ones")
        return paired_bootstrap(self._values(metric), other._values(metric), samples=samples, seed=seed)

    def _values(self, metric: str) -> PerUser:
        if metric not in self.per_user:
            raise InputError("the metric was not measured", expected=", ".join(self.per_user), got=metric)
        return self.per_user[metric]

    @staticmethod
    def averaged(evaluations: Sequence[Evaluation]) -> Evaluation:
        """One ranker measured several times, each user's mean over the times they were asked; lists, exposure and
        slices are the first time's.
        """
        first, *others = evaluations
        if not others:
            return first
        users = distinct(np.concatenate([each.user_index for each in evaluations]))
        place = [np.searchsorted(users, each.user_index) for each in evaluations]
        asked = np.concatenate(place)
        times = np.bincount(asked, minlength=users.size)
        per_user = {
            name: np.bincount(asked, np.concatenate([each.per_user[name] for each in evaluations]), users.size) / times
            for name in first.per_user
        }
        ranked = np.empty((users.size, first.ranked.shape[1]), first.ranked.dtype)
        for rows, each in zip(reversed(place), reversed(evaluations), strict=True):
            ranked[rows] = each.ranked
        return replace(first, user_index=users, ranked=ranked, per_user=per_user)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the per-user values and lists, as JSON-ready values."""
        return {
            "users": self.num_users,
            "metrics": self.metrics,
            "intervals": {name: list(self.interval(name)) for name in self.per_user},
            "exposure": asdict(self.exposure),
            "slices": [asdict(part) for part in self.slices],
            "seconds": self.seconds,
        }


def evaluate(
    ranker: Ranker,
    seen: Interactions,
    relevant: Interactions,
    *,
    metrics: Sequence[str] = DEFAULT_METRICS,
    slices: Sequence[Slice] | None = None,
    block_users: int | None = None,
    repeats: bool = False,
) -> Evaluation:
    """Measures a ranker on every user who has something relevant, ranking all items and leaving seen ones out.

    With ``repeats`` seen items are ranked too, because people choose them again.

    ``seen`` is what the ranker may look at: the histories it is given, and the counts that slices, novelty and
    popularity lift are cut by. ``slices`` defaults to :func:`gnn.evaluation.slices.default_slices`.

    Raises:
        InputError: when the two sets of interactions are not about the same users and items.
    """
    if (seen.num_users, seen.num_items) != (relevant.num_users, relevant.num_items):
        raise InputError(
            "seen and relevant interactions do not fit together",
            expected=f"{seen.num_users} users × {seen.num_items} items",
            got=f"{relevant.num_users} × {relevant.num_items}",
        )
    users = asked_users(relevant)
    started = perf_counter()
    k = max(metric.k for metric in parse_metrics(metrics))
    ranked = ranked_lists(ranker, seen, users, k, block_users=block_users, repeats=repeats)
    seconds = perf_counter() - started
    return evaluate_lists(ranked, seen, relevant, metrics=metrics, slices=slices, seconds=seconds)


def asked_users(relevant: Interactions) -> IntArray:
    """The users who have something relevant, ascending. Shape (N,)."""
    return distinct(relevant.user_index).astype(np.int32)


def evaluate_lists(
    ranked: IntArray,
    seen: Interactions,
    relevant: Interactions,
    *,
    metrics: Sequence[str] = DEFAULT_METRICS,
    slices: Sequence[Slice] | None = None,
    seconds: float = 0.0,
) -> Evaluation:
    """Measures lists that were made before, one for each of :func:`asked_users`. Shape: ``ranked`` (N, K)."""
    chosen = parse_metrics(metrics)
    parts = default_slices(seen) if slices is None else tuple(slices)
    users = asked_users(relevant)
    wanted = relevant.matrix()[users]
    hit = hits(ranked, wanted)
    num_relevant = np.diff(wanted.indptr).astype(np.int64)
    item_count = np.bincount(seen.item_index, minlength=seen.num_items)
    return Evaluation(
        user_index=users,
        ranked=ranked,
        per_user={metric.name: metric(hit, num_relevant) for metric in chosen},
        exposure=exposure(ranked, item_count, _mean_history_popularity(seen, users, item_count)),
        slices=tuple(_measure(part, chosen, users, ranked, hit, wanted) for part in parts),
        seconds=seconds,
    )


def ranked_lists(
    ranker: Ranker,
    seen: Interactions,
    users: IntArray,
    k: int,
    *,
    block_users: int | None = None,
    repeats: bool = False,
) -> IntArray:
    """The lists a ranker gives to some users, block by block, so that users × items never exist at once.

    Shapes: ``users`` (N,) → (N, k).
    """
    histories = seen.histories()
    ranked = np.full((users.size, k), -1, np.int32)
    for block in _blocks(users.size, block_users or max(1, min(2048, _BLOCK_SCORES // max(1, seen.num_items)))):
        asked = histories.take(users[block])
        ranked[block] = ranker.rank(asked, k, repeats=True) if repeats else ranker.rank(asked, k)
    return ranked


def _blocks(size: int, step: int) -> Iterator[slice]:
    return (slice(start, min(start + step, size)) for start in range(0, size, step))


def _mean_history_popularity(seen: Interactions, users: IntArray, item_count: npt.NDArray[np.int64]) -> float:
    asked = np.zeros(seen.num_users, np.bool_)
    asked[users] = True
    of_history = item_count[seen.item_index[asked[seen.user_index]]]
    return float(of_history.mean()) if of_history.size else 0.0


def _measure(
    part: Slice,
    metrics: Sequence[Metric],
    users: IntArray,
    ranked: IntArray,
    hit: npt.NDArray[np.bool_],
    wanted: sp.csr_array,
) -> SliceResult:
    rows = np.repeat(np.arange(users.size), np.diff(wanted.indptr))
    if part.items is not None:
        hit = hit & part.items[ranked]
        rows = rows[part.items[wanted.indices]]
    num_relevant = np.bincount(rows, minlength=users.size)
    members = num_relevant > 0
    if part.users is not None:
        members &= part.users[users]
    if not members.any():
        return SliceResult(part.name, 0, {})
    values = {metric.name: float(metric(hit[members], num_relevant[members]).mean()) for metric in metrics}
    return SliceResult(part.name, int(members.sum()), values)
