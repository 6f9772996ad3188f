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

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from gnn.compiled import passes
from gnn.data.histories import FloatArray, Histories, IntArray, ItemRows, ItemSets
from gnn.fusion.standing import VIEWS, Barred, View, stand, united, views, views_of
from gnn.operators import ConstantOperator, Operator, OrderedOperator, add_scores, history_scores
from gnn.operators.weighed import CONTEXTS, Weighed

Context: TypeAlias = Literal["even", "recent", "last", "order"]

RANK_DEPTH = 100
SOURCE_DEPTH = 25
PROVISIONAL_DEPTH = 150
BLOCK_BYTES = 32 << 20
"""Scores of a block of histories take about so much: they are read again and again while they are near."""


@dataclass(frozen=True)
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

    @cached_property
    def blocks(self) -> tuple[tuple[str, int, int], ...]:
        """Of each source its name, its first reading and how many readings it has, in column order."""
        counted = Counter(source for source, _ in self.readings())
        ends = accumulate(counted.values())
        return tuple((source, end - count, count) for (source, count), end in zip(counted.items(), ends, strict=True))

    @cached_property
    def num_readings(self) -> int:
        return sum(count for _, _, count in self.blocks)

    @cached_property
    def columns(self) -> tuple[tuple[str, Context, View], ...]:
        return tuple((source, context, view) for source, context in self.readings() for view in VIEWS)

    def block_rows(self, num_items: int) -> int:
        """How many histories fit in one block of scores."""
        per_row = num_items * 4 * self.num_readings
        return min(max(BLOCK_BYTES // max(per_row, 1), 1), 512)


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
    exclude: ItemRows | None = None,
    allowed: npt.NDArray[np.bool_] | None = None,
    depth: int = PROVISIONAL_DEPTH,
    groups: Sequence[npt.NDArray[np.bool_]] = (),
) -> Candidates:
    """The candidates of each history: the best ``depth`` of the summed z-scores, and the best of every source.

    Shapes: ``exclude`` (B, I), non-zero = never a candidate, by default the items of the history;
    ``allowed`` (I,) False = never a candidate; ``groups`` (I,) each, of which the best ``depth`` are candidates too.
    """
    z, barred = raw_scores(operators, space, histories, exclude, allowed)
    total, tops = stand(z, barred, SOURCE_DEPTH, RANK_DEPTH)
    # A source proposes what it scores above its own average; the others are equals it knows nothing of.
    proposed = tops.item_index.transpose(1, 0, 2).reshape(len(histories), -1)
    of_groups = [passes.best(np.where(group, total, np.float32(-np.inf)), depth)[0] for group in groups]
    pool = united([passes.best(total, depth)[0], *of_groups, proposed], histories.num_items)
    return Candidates(pool, views(z, pool, tops))


def features_of(
    operators: Mapping[str, Operator],
    space: FeatureSpace,
    histories: Histories,
    item_index: IntArray,
    *,
    exclude: ItemRows | None = None,
    allowed: npt.NDArray[np.bool_] | None = None,
) -> Candidates:
    """The features of given items, barred ones too: where each stands among the items that are not barred.

    Shapes: ``item_index`` (B, C), -1 for none; ``exclude`` and ``allowed`` as for :func:`candidates`.
    """
    scores, barred = raw_scores(operators, space, histories, exclude, allowed)
    return Candidates(item_index, views_of(scores, barred, np.ascontiguousarray(item_index), RANK_DEPTH))


def raw_scores(
    operators: Mapping[str, Operator],
    space: FeatureSpace,
    histories: Histories,
    exclude: ItemRows | None,
    allowed: npt.NDArray[np.bool_] | None,
) -> tuple[FloatArray, Barred]:
    """The scores of every reading, in column order, and which items are never a candidate. Shape (R, B, I)."""
    weighed = Weighed.of(histories, CONTEXTS if len(space.contexts) > 1 else 1)
    rows = ItemSets(weighed.indptr, weighed.item_index) if exclude is None else exclude
    return _scores(operators, space, histories, weighed), barred_among(rows, allowed)


def barred_among(rows: ItemRows, allowed: npt.NDArray[np.bool_] | None) -> Barred:
    """Which items are never a candidate of each history: its row's, and what is not allowed."""
    items = rows.indices
    shut = np.empty(0, np.int64) if allowed is None or allowed.all() else np.flatnonzero(~allowed)
    return Barred(rows.indptr.astype(np.int32, copy=False), items.astype(np.int32, copy=False), shut)


def _scores(
    operators: Mapping[str, Operator], space: FeatureSpace, histories: Histories, weighed: Weighed
) -> FloatArray:
    """The scores of every reading, in column order. Shape (R, B, I)."""
    scores = np.zeros((space.num_readings, len(histories), histories.num_items), np.float32)
    for source, first, count in space.blocks:
        operator = operators[source]
        if source in space.sequential:
            scores[first] = history_scores(operator, histories)
        else:
            add_scores(operator, weighed, scores[first : first + count])
    return scores
