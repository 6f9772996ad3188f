"""Ranking metrics per user, computed for a block of users at once.

Everything works on *hits*: which places of a ranked list hold a relevant item. The normalisations are those of
the papers' definitions: recall divides by all relevant items, and the ideal gain of NDCG is that of the best
list of k places over *all* relevant items, not over the retrieved ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from gnn.data.histories import IntArray
from graph.errors import InputError

BoolArray: TypeAlias = npt.NDArray[np.bool_]
PerUser: TypeAlias = npt.NDArray[np.float64]
Counts: TypeAlias = npt.NDArray[np.int64]


def hits(ranked: IntArray, relevant: sp.csr_array) -> BoolArray:
    """Which places hold a relevant item.

    Shapes: ``ranked`` (B, k) with -1 for no item, ``relevant`` (B, I) → (B, k).
    """
    num_rows, num_items = relevant.shape
    rows = np.repeat(np.arange(num_rows, dtype=np.int64), np.diff(relevant.indptr))
    wanted = np.sort(rows * num_items + relevant.indices)
    asked = np.arange(num_rows, dtype=np.int64)[:, None] * num_items + ranked
    if wanted.size == 0:
        return np.zeros(ranked.shape, np.bool_)
    at = np.minimum(np.searchsorted(wanted, asked), wanted.size - 1)
    return np.asarray((wanted[at] == asked) & (ranked >= 0))


def recall(hit: BoolArray, num_relevant: Counts, k: int) -> PerUser:
    """The share of a user's relevant items found in the first ``k`` places. Shapes: (B, ≥k), (B,) → (B,)."""
    return np.asarray(hit[:, :k].sum(axis=1) / np.maximum(num_relevant, 1), np.float64)


def precision(hit: BoolArray, num_relevant: Counts, k: int) -> PerUser:
    """The share of the first ``k`` places that are relevant. Shapes: (B, ≥k), (B,) → (B,)."""
    return np.asarray(hit[:, :k].sum(axis=1) / k, np.float64)


def hit_rate(hit: BoolArray, num_relevant: Counts, k: int) -> PerUser:
    """1 for users with a relevant item in the first ``k`` places. Shapes: (B, ≥k), (B,) → (B,).

    Next-basket papers call it PHR, personal hit ratio.
    """
    return np.asarray(hit[:, :k].any(axis=1), np.float64)


def mrr(hit: BoolArray, num_relevant: Counts, k: int) -> PerUser:
    """One over the rank of the first relevant item, 0 without one in ``k`` places. Shapes: (B, ≥k), (B,) → (B,)."""
    first = hit[:, :k].argmax(axis=1)
    return np.asarray(np.where(hit[:, :k].any(axis=1), 1.0 / (first + 1.0), 0.0), np.float64)


def ndcg(hit: BoolArray, num_relevant: Counts, k: int) -> PerUser:
    """Discounted gain over that of the best possible list of ``k``. Shapes: (B, ≥k), (B,) → (B,).

    Reference: Järvelin & Kekäläinen, "Cumulated gain-based evaluation of IR techniques", 2002.
    """
    discount = 1.0 / np.log2(np.arange(2, k + 2))
    ideal = np.concatenate([[0.0], np.cumsum(discount)])[np.minimum(num_relevant, k)]
    gain = hit[:, :k] @ discount[: hit[:, :k].shape[1]]
    return np.asarray(gain / np.maximum(ideal, 1e-12), np.float64)


_METRICS: dict[str, Callable[[BoolArray, Counts, int], PerUser]] = {
    "recall": recall,
    "precision": precision,
    "hr": hit_rate,
    "phr": hit_rate,
    "mrr": mrr,
    "ndcg": ndcg,
}


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric with its cut-off; ``name`` is how tables call it."""

    kind: str
    k: int

    @classmethod
    def parse(cls, name: str) -> Metric:
        """The metric called ``name``, such as ``"recall@20"``.

        Raises:
            InputError: for a name that is not ``KIND@K`` with a known kind and a positive K.
        """
        kind, at, cutoff = name.partition("@")
        if kind not in _METRICS or not at or not cutoff.isdecimal() or int(cutoff) < 1:
            raise InputError("unknown metric", expected=f"one of {', '.join(_METRICS)} with @k", got=name)
        return cls(kind, int(cutoff))

    @property
    def name(self) -> str:
        return f"{self.kind}@{self.k}"

    def __call__(self, hit: BoolArray, num_relevant: Counts) -> PerUser:
        """The metric of each user. Shapes: (B, ≥k), (B,) → (B,)."""
        return _METRICS[self.kind](hit, num_relevant, self.k)


DEFAULT_METRICS = ("recall@20", "ndcg@20", "precision@20", "mrr@20", "hr@10", "recall@10", "ndcg@10", "phr@10")


def parse_metrics(names: Sequence[str]) -> tuple[Metric, ...]:
    """The metrics called ``names``, each once, in order."""
    return tuple(Metric.parse(name) for name in dict.fromkeys(names))


@dataclass(frozen=True, slots=True)
class Exposure:
    """What the lists show, apart from whether it is wanted.

    ``coverage``: the share of the catalogue that is in at least one list. ``novelty``: the mean self-information
    of a shown item in bits, ``-log2`` of the share of interactions it had (one is added to every count, so that an
    unseen item is finite). ``popularity_lift``: how much more popular shown items are than those of the same users'
    histories, as a ratio minus 1.

    Reference: Castells, Hurley & Vargas, "Novelty and diversity in recommender systems", 2015;
    Abdollahpouri et al., "The unfairness of popularity bias in recommendation", 2019.
    """

    coverage: float
    novelty: float
    popularity_lift: float


def exposure(ranked: IntArray, item_count: Counts, mean_history_popularity: float) -> Exposure:
    """The exposure of ranked lists. Shapes: ``ranked`` (B, k), ``item_count`` (I,) interactions seen per item."""
    shown = ranked[ranked >= 0]
    if shown.size == 0:
        return Exposure(0.0, 0.0, 0.0)
    share = (item_count + 1.0) / (item_count.sum() + item_count.size)
    popularity = float(item_count[shown].mean())
    lift = popularity / mean_history_popularity - 1.0 if mean_history_popularity > 0 else 0.0
    return Exposure(np.unique(shown).size / item_count.size, float(-np.log2(share[shown]).mean()), lift)
