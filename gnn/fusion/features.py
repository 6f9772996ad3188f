"""Fusion features: three views of every source's score, over three readings of the history.

A source (a walk, an embedding, the text, popularity) scores all items. What carries over between data sets
is not that score but where it stands among the others, so each score is seen as

- ``z``: its z-score over all items,
- ``log``: ``log(1 + max(z, 0))``, which damps the head,
- ``rank``: ``10 / (rank + 10)`` within the best :data:`RANK_DEPTH`, else 0,

and every source reads the history in full (``even``), by recency (``recent``: 1 / (1 + steps back)) and by its
last event alone (``last``). A source that reads the order of events itself has one reading (``order``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from gnn import compiled
from gnn.histories import FloatArray, Histories, IntArray
from gnn.operators import ConstantOperator, Operator, OrderedOperator, history_scores

Context: TypeAlias = Literal["even", "recent", "last", "order"]
View: TypeAlias = Literal["z", "log", "rank"]

VIEWS: tuple[View, ...] = ("z", "log", "rank")
RANK_DEPTH = 100
SOURCE_DEPTH = 25
PROVISIONAL_DEPTH = 150
BLOCK_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class FeatureSpace:
    """Names the F feature columns: every source in every context it depends on, in every view."""

    sources: tuple[str, ...]
    contexts: tuple[Context, ...] = ("even", "recent", "last")
    constant: frozenset[str] = frozenset()
    """Sources that do not read the history, and so have one context only."""
    sequential: frozenset[str] = frozenset()
    """Sources that read the order of events themselves, and so have one context only."""

    @classmethod
    def over(cls, operators: Mapping[str, Operator], *, ordered: bool = True) -> FeatureSpace:
        """The space over these operators; ``ordered=False`` when the order of events means nothing."""
        constant = frozenset(name for name, source in operators.items() if isinstance(source, ConstantOperator))
        sequential = frozenset(name for name, source in operators.items() if isinstance(source, OrderedOperator))
        contexts: tuple[Context, ...] = ("even", "recent", "last") if ordered else ("even",)
        return cls(tuple(operators), contexts, constant, sequential)

    def readings(self) -> Iterator[tuple[str, Context]]:
        """Every (source, context), in column order; each has ``len(VIEWS)`` columns."""
        for source in self.sources:
            if source in self.sequential:
                yield source, "order"
                continue
            for context in self.contexts[:1] if source in self.constant else self.contexts:
                yield source, context

    @property
    def columns(self) -> tuple[tuple[str, Context, View], ...]:
        return tuple((source, context, view) for source, context in self.readings() for view in VIEWS)

    def block_rows(self, num_items: int) -> int:
        """How many histories fit in one block of scores."""
        per_row = num_items * 4 * sum(1 for _ in self.readings())
        return int(np.clip(BLOCK_BYTES // max(per_row, 1), 1, 512))


@dataclass(frozen=True, slots=True)
class Candidates:
    """Candidate items of B histories with their features.

    Shapes: ``item_index`` (B, C), -1 pads short rows; ``features`` (B, C, F), 0 in the padding.
    """

    item_index: IntArray
    features: FloatArray


def candidates(
    operators: Mapping[str, Operator],
    space: FeatureSpace,
    histories: Histories,
    *,
    exclude: sp.csr_array | None = None,
    allowed: npt.NDArray[np.bool_] | None = None,
    depth: int = PROVISIONAL_DEPTH,
    groups: Sequence[npt.NDArray[np.bool_]] = (),
) -> Candidates:
    """The candidates of each history: the best ``depth`` of the summed z-scores, and the best of every source.

    Shapes: ``exclude`` (B, I), non-zero = never a candidate, by default the items of the history;
    ``allowed`` (I,) False = never a candidate; ``groups`` (I,) each, of which the best ``depth`` are candidates too.
    """
    barred = _barred(histories, exclude, allowed)
    scores = []
    provisional = np.zeros(barred.shape, np.float32)
    for z in _readings(operators, space, histories):
        compiled.gather(z, barred, provisional, -3.0, 10.0)
        scores.append(z)
    provisional[barred] = -np.inf
    best = [compiled.best(z, RANK_DEPTH) for z in scores]
    # A source proposes what it scores above its own average; the others are equals it knows nothing of.
    proposed = [np.where(values > 0, index, -1)[:, :SOURCE_DEPTH] for index, values in best]
    of_groups = [compiled.best(np.where(group, provisional, np.float32(-np.inf)), depth)[0] for group in groups]
    pool = _union([compiled.best(provisional, depth)[0], *of_groups, *proposed])
    features = np.zeros((*pool.shape, len(scores) * len(VIEWS)), np.float32)
    for number, (z, (_, top_scores)) in enumerate(zip(scores, best, strict=True)):
        compiled.put_views(z, pool, top_scores, features, number * len(VIEWS), RANK_DEPTH)
    return Candidates(pool, features)


def features_of(
    operators: Mapping[str, Operator],
    space: FeatureSpace,
    histories: Histories,
    item_index: IntArray,
    *,
    exclude: sp.csr_array | None = None,
    allowed: npt.NDArray[np.bool_] | None = None,
) -> Candidates:
    """The features of given items, barred ones too: where each stands among the items that are not barred.

    Shapes: ``item_index`` (B, C), -1 for none; ``exclude`` and ``allowed`` as for :func:`candidates`.
    """
    barred = _barred(histories, exclude, allowed)
    columns = len(space.columns)
    features = np.zeros((*item_index.shape, columns), np.float32)
    for number, z in enumerate(_readings(operators, space, histories)):
        _, top_scores = compiled.best(np.where(barred, np.float32(-np.inf), z), RANK_DEPTH)
        compiled.put_views(z, item_index, top_scores, features, number * len(VIEWS), RANK_DEPTH)
    return Candidates(item_index, features)


def _barred(
    histories: Histories, exclude: sp.csr_array | None, allowed: npt.NDArray[np.bool_] | None
) -> npt.NDArray[np.bool_]:
    """Which items are never a candidate of each history. Shape (B, I)."""
    if exclude is None:
        exclude = histories.even()
    barred = np.zeros((len(histories), histories.num_items), bool)
    barred[np.repeat(np.arange(len(histories)), np.diff(exclude.indptr)), exclude.indices] = True
    if allowed is not None:
        barred |= ~allowed
    return barred


def _readings(operators: Mapping[str, Operator], space: FeatureSpace, histories: Histories) -> Iterator[FloatArray]:
    """The z-scores of every reading, in column order. Shape (B, I) each."""
    weights = {context: getattr(histories, context)() for context in space.contexts}
    for source, context in space.readings():
        if context == "order":
            yield compiled.standardized(history_scores(operators[source], histories))
        else:
            known = histories.user_index if context == "even" else None
            yield compiled.standardized(operators[source].score(weights[context], known))


def _union(parts: list[IntArray]) -> IntArray:
    """Each row's distinct non-negative entries, ascending, padded with -1."""
    joined = np.sort(np.concatenate(parts, axis=1), axis=1)
    fresh = joined >= 0
    fresh[:, 1:] &= joined[:, 1:] != joined[:, :-1]
    counts = fresh.sum(axis=1)
    pool = np.full((len(joined), max(int(counts.max(initial=0)), 1)), -1, np.int32)
    pool[np.arange(pool.shape[1]) < counts[:, None]] = joined[fresh]
    return pool
