"""Histories and audiences, read from the live graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gnn.data.histories import History, IntArray
from gnn.data.knowledge import kind_of, kinds_of
from graph.schema import EdgeRole, EdgeSpec, EdgeType, GraphSchema
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


@dataclass(frozen=True, slots=True)
class _Read:
    """What of a schema makes up profiles: learned edge types with the codes of their kinds, and the others."""

    learned: tuple[tuple[EdgeType, int], ...]
    kinds: tuple[str, ...]
    others: tuple[EdgeType, ...]
    against: frozenset[str]

    @classmethod
    def of(cls, schema: GraphSchema) -> _Read:
        specs = learned_interactions(schema)
        kinds = kinds_of(specs)
        every = schema.edges_with(EdgeRole.INTERACTION)
        others = [spec for spec in every if not spec.holdout and spec not in specs]
        learned = tuple((spec.edge_type, kinds.index(kind_of(spec))) for spec in specs)
        for_items = {spec.kind for spec in every if spec.positive}
        against = frozenset(spec.kind for spec in every if spec.kind is not None and spec.kind not in for_items)
        return cls(learned, kinds, tuple(spec.edge_type for spec in others), against)


_READ: dict[int, tuple[GraphSchema, _Read]] = {}
"""By the identity of the schema: to hash or compare one takes longer than a profile."""
_MOST_READ = 16


def _read_of(schema: GraphSchema) -> _Read:
    kept = _READ.get(id(schema))
    if kept is None or kept[0] is not schema:
        if len(_READ) >= _MOST_READ:
            _READ.clear()
        kept = _READ[id(schema)] = (schema, _Read.of(schema))
    return kept[1]


def kinds_read(schema: GraphSchema) -> tuple[str, ...]:
    """The names of kinds that a history's codes stand for."""
    return _read_of(schema).kinds


def kinds_against(schema: GraphSchema) -> frozenset[str]:
    """Kinds of interaction that only ever speak against an item, like a return."""
    return _read_of(schema).against


def num_events(view: GraphView, user_id: str) -> int:
    """How many events a user's history holds, about; none of an unknown one."""
    row = view.index_of(view.schema.user_type, user_id)
    if row is None:
        return 0
    return sum(view.ends(edge_type, row).size for edge_type, _ in _read_of(view.schema).learned)


def profile_of(view: GraphView, user_index: int) -> Profile:
    """The history of one user; events of the same second keep the graph's order, edge type by edge type.

    A user who does not want to be profiled has none.
    """
    if opted_out(view, user_index):
        return replace(NOBODY)
    read = _read_of(view.schema)
    if not read.learned:
        return NOBODY
    events = [view.events(edge_type, user_index) for edge_type, _ in read.learned]
    item_index, timestamp_s = events[0]
    if len(events) > 1:
        item_index = np.concatenate([items for items, _ in events])
        timestamp_s = np.concatenate([times for _, times in events])
    kind = np.empty(item_index.size, np.uint8)
    start = 0
    for (_, code), (items, _) in zip(read.learned, events, strict=True):
        kind[start : start + items.size] = code
        start += items.size
    seen = [item_index, *(view.ends(edge_type, user_index) for edge_type in read.others)]
    if not (timestamp_s[1:] >= timestamp_s[:-1]).all():
        order = np.argsort(timestamp_s, kind="stable")
        item_index, timestamp_s, kind = item_index[order], timestamp_s[order], kind[order]
    return Profile(user_index, History.of(item_index, timestamp_s, kind, read.kinds), _distinct(seen))


def _distinct(rows: Sequence[IntArray]) -> IntArray:
    """The distinct rows, ascending."""
    ordered = np.sort(np.concatenate(rows)) if len(rows) > 1 else np.sort(rows[0])
    fresh = np.ones(ordered.size, bool)
    np.not_equal(ordered[1:], ordered[:-1], out=fresh[1:])
    return ordered[fresh].astype(np.int32, copy=False)


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
