"""What every operator is: an item-to-item operator applied to a history, and the ranking by one.

Every model Kindred serves ends as one of these, so serving needs numpy and scipy, not a training framework,
and an event counts in the next answer because a history is an input, not a stored vector.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from gnn.data.histories import FloatArray, Histories, IntArray
from gnn.operators.weighed import Weighed
from gnn.ranker import top_k

Arrays: TypeAlias = dict[str, npt.NDArray[np.generic]]


class Operator(Protocol):
    """Scores every item from weighted histories."""

    kind: ClassVar[str]

    def score(self, weights: sp.csr_array, user_index: IntArray | None = None) -> FloatArray:
        """Scores of all items. Shapes: ``weights`` (B, I) CSR, ``user_index`` (B,) or None → (B, I)."""
        ...

    def arrays(self) -> Arrays:
        """Everything needed to rebuild the operator, as named arrays."""
        ...


@runtime_checkable
class OrderedOperator(Operator, Protocol):
    """An operator that reads the events of a history in their order, which weights cannot tell."""

    def score_ordered(self, histories: Histories) -> FloatArray:
        """Scores of all items. Shape (B, I)."""
        ...


def add_scores(operator: Operator, weighed: Weighed, out: FloatArray, scale: float = 1.0) -> None:
    """Adds ``scale`` times an operator's scores in the first C readings to ``out``. Shape (C, B, I).

    By a method ``add_scores`` of the operator's own, where it scores a history in all its readings at once.
    """
    own = getattr(operator, "add_scores", None)
    if own is None:
        add_stacked(operator, weighed, out, scale)
    else:
        own(weighed, out, scale)


def add_stacked(operator: Operator, weighed: Weighed, out: FloatArray, scale: float = 1.0) -> None:
    """The same through :meth:`Operator.score`, the readings one below the other."""
    scores = operator.score(weighed.stacked(len(out)), weighed.users(len(out)))
    out += np.float32(scale) * scores.reshape(out.shape)


def history_scores(operator: Operator, histories: Histories) -> FloatArray:
    """Scores of all items from whole histories: in order if the operator reads it, else every item alike. (B, I)."""
    if isinstance(operator, OrderedOperator):
        return operator.score_ordered(histories)
    return operator.score(histories.even(), histories.user_index)


@dataclass(frozen=True)
class OperatorRanker:
    """Ranks by one operator over whole histories."""

    operator: Operator

    def rank(self, histories: Histories, k: int, *, repeats: bool = False) -> IntArray:
        scores = np.array(history_scores(self.operator, histories), np.float32)
        if not repeats:
            seen = histories.even()
            scores[np.repeat(np.arange(len(histories)), np.diff(seen.indptr)), seen.indices] = -np.inf
        return top_k(scores, k)
