"""Histories and audiences, read from the live graph."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gnn.histories import History, IntArray
from gnn.knowledge import kind_of, kinds_of
from graph.schema import EdgeRole, EdgeSpec, GraphSchema
from graph.view import GraphView

MIN_COUNT = 3
"""Fewer customers than this are never counted in an answer."""

PROFILING = "profiling"
"""The property of a user that, when it is false, makes lists independent of what he did."""

_STRENGTH = {"purchase": 0, "cart": 1, "rating": 2, "view": 4}
_OTHER_KIND = 3


@dataclass(frozen=True, slots=True)
class Profile:
    """What the graph knows of one user.

    ``history``: positive interactions. ``seen`` (M,): every item of any interaction, ascending.
    """

    user_index: int
    history: History
    seen: IntArray


NOBODY = Profile(-1, History.of([]), np.empty(0, np.int32))


def learned_interactions(schema: GraphSchema) -> tuple[EdgeSpec, ...]:
    """The interactions a history is made of, in schema order."""
    return tuple(
        spec for spec in schema.edges_with(EdgeRole.INTERACTION) if spec.positive and spec.learn and not spec.holdout
    )


def telling_interactions(schema: GraphSchema) -> tuple[EdgeSpec, ...]:
    """The same, those that say most first: a purchase before a view."""
    return tuple(sorted(learned_interactions(schema), key=lambda spec: _STRENGTH.get(spec.kind or "", _OTHER_KIND)))


def opted_out(view: GraphView, user_index: int) -> bool:
    """Whether a user does not want to be profiled."""
    return view.property(view.schema.user_type, user_index, PROFILING) is False


def profile_of(view: GraphView, user_index: int) -> Profile:
    """The history of one user; events of the same second keep the graph's order, edge type by edge type.

    A user who does not want to be profiled has none.
    """
    schema = view.schema
    if opted_out(view, user_index):
        return replace(NOBODY)
    learned = learned_interactions(schema)
    if not learned:
        return NOBODY
    kinds = kinds_of(learned)
    positive = [(kinds.index(kind_of(spec)), *view.events(spec.edge_type, user_index)) for spec in learned]
    item_index = np.concatenate([items for _, items, _ in positive])
    timestamp_s = np.concatenate([times for _, _, times in positive])
    kind = np.concatenate([np.full(items.size, code, np.uint8) for code, items, _ in positive])
    order = np.argsort(timestamp_s, kind="stable")
    others = [
        view.ends(spec.edge_type, user_index)
        for spec in schema.edges_with(EdgeRole.INTERACTION)
        if not spec.holdout and spec not in learned
    ]
    return Profile(
        user_index,
        History.of(item_index[order], timestamp_s[order], kind[order], kinds),
        np.unique(np.concatenate([item_index, *others])).astype(np.int32),
    )


@dataclass(frozen=True, slots=True)
class Audiences:
    """The distinct users of M items, one item after the other. Shapes: ``indptr`` (M + 1,), ``user_index`` (N,)."""

    indptr: npt.NDArray[np.int64]
    user_index: IntArray

    @classmethod
    def of(cls, view: GraphView, spec: EdgeSpec, item_index: IntArray) -> Audiences:
        """The users joined to some items by one edge type."""
        expansion = view.expand(spec.edge_type, item_index, "in", distinct=True)
        indptr = np.zeros(item_index.size + 1, np.int64)
        np.cumsum(expansion.lengths, out=indptr[1:])
        return cls(indptr, expansion.indices)

    def __getitem__(self, position: int) -> IntArray:
        return self.user_index[self.indptr[position] : self.indptr[position + 1]]

    @property
    def sizes(self) -> npt.NDArray[np.int64]:
        """How many users each item has. Shape (M,)."""
        return np.diff(self.indptr)

    def sampled(self, limit: int) -> Audiences:
        """The last ``limit`` users of each item."""
        sizes = self.sizes
        if int(sizes.max(initial=0)) <= limit:
            return self
        place = np.arange(self.user_index.size) - np.repeat(self.indptr[:-1], sizes)
        keep = place >= np.repeat(sizes - limit, sizes)
        indptr = np.zeros_like(self.indptr)
        np.cumsum(np.minimum(sizes, limit), out=indptr[1:])
        return Audiences(indptr, self.user_index[keep])
