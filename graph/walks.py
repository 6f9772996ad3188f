"""Walks of two steps and what they count: who else was taken with an item, and what shares its attributes.

Counts are of distinct things: a user who bought an item three times is one user.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from types import ModuleType
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from graph.compiled import loops
from graph.schema import EdgeType
from graph.snapshot import NO_TIME, IntArray
from graph.snapshot.edges import LongArray
from graph.sorting import distinct
from graph.view import GraphView, Side

EdgeTypes: TypeAlias = EdgeType | Sequence[EdgeType]

_DENSE_SHARE = 16
"""Counting into one cell per item beats sorting from this share of the items on (1/16)."""


class Counts(NamedTuple):
    """Rows reached by a walk, ascending, and in how many ways. Shapes: (N,)."""

    indices: IntArray
    counts: LongArray

    def strongest(self, k: int) -> Counts:
        """The k highest counts first; equal ones by row."""
        order = np.lexsort((self.indices, -self.counts))[:k]
        return Counts(self.indices[order], self.counts[order])


_NOTHING = Counts(np.zeros(0, np.int32), np.zeros(0, np.int64))


def several(edge_types: EdgeTypes) -> tuple[EdgeType, ...]:
    """One edge type or many, as many."""
    if edge_types and isinstance(edge_types[0], str):
        return (edge_types,)  # type: ignore[return-value]  # a tuple of three names is one edge type
    return tuple(edge_types)  # type: ignore[arg-type]


def co_interaction(view: GraphView, edge_types: EdgeTypes, item_index: int, *, max_users: int | None = None) -> Counts:
    """Items that users of this item also took, with the number of such users; the item itself is left out.

    ``max_users`` bounds the work for a very popular item: only its most recent users count.
    """
    types = several(edge_types)
    compiled = loops("graph.compiled.walks") if len(types) == 1 else None
    if compiled is not None and max_users is None and (table := view.unchanged(types[0])) is not None:
        num_items = table.into.indptr.size - 1
        if item_index < num_items and not table.has_parallel_edges:
            return Counts(*compiled.there_and_back(item_index, *table.into, *table.out, *_TALLY.cells(num_items)))
    view = view.frozen()
    users = users_of(view, types, item_index, max_users=max_users)
    if not users.size:
        return _NOTHING
    num_items = view.num_nodes(types[0][2])
    if compiled is not None:
        return _reached(compiled, view, types[0], users, num_items, without=item_index)
    return _counted(_distinct_targets(view, types, users), num_items, without=item_index)


def shared_attributes(
    view: GraphView, edge_types: EdgeTypes, item_index: int, *, max_items: int | None = None
) -> Counts:
    """Items that share attributes with this one, with the number of shared attribute nodes.

    Edge types may lead from or to the item type. An attribute of more than ``max_items`` items says little
    and is passed over.
    """
    view = view.frozen()
    item_type = view.schema.item_type
    reached = []
    for edge_type in several(edge_types):
        there: Side = "out" if edge_type[0] == item_type else "in"
        back: Side = "in" if there == "out" else "out"
        attributes = distinct(view.ends(edge_type, item_index, there))
        step = view.expand(edge_type, attributes, back, distinct=True)
        if max_items is None:
            reached.append(step.indices)
        else:
            reached.append(step.indices[np.repeat(step.lengths <= max_items, step.lengths)])
    items = np.concatenate(reached) if reached else np.zeros(0, np.int32)
    return _counted(items, view.num_nodes(item_type), without=item_index)


def baskets(view: GraphView, edge_types: EdgeTypes, item_index: int, *, max_baskets: int | None = None) -> Counts:
    """Items in the same basket as this one (same user, same qualifier), with the number of such baskets.

    Edges without a qualifier are in no basket. ``max_baskets`` keeps the most recent ones.
    """
    view = view.frozen()
    reached = []
    for edge_type in several(edge_types):
        row = view.edge_row(edge_type, item_index, "in")
        named = np.flatnonzero(row.qualifier >= 0)
        if max_baskets is not None:
            named = named[max(0, named.size - max_baskets) :]
        wanted = _basket(row.indices[named], row.qualifier[named])
        users = distinct(row.indices[named])
        step = view.expand(edge_type, users, "out", columns=True)
        assert step.qualifier is not None
        found = np.isin(_basket(users[step.owner], step.qualifier), wanted)
        # Parallel edges differ in their qualifier, so an item is in a basket once.
        reached.append(step.indices[found])
    items = np.concatenate(reached) if reached else np.zeros(0, np.int32)
    return _counted(items, view.num_nodes(view.schema.item_type), without=item_index)


def next_item(
    view: GraphView, edge_types: EdgeTypes, item_index: int, *, window: int = 1, max_users: int | None = None
) -> Counts:
    """Items taken within the next ``window`` events after this one, with the number of users who did so.

    The events of all edge types are one sequence per user; events of unknown time are passed over.
    """
    types = several(edge_types)
    view = view.frozen()
    users = users_of(view, types, item_index, max_users=max_users)
    if not users.size:
        return _NOTHING
    owner, items = _sequences(view, types, users)
    seed = np.flatnonzero(items == item_index)
    pairs = []
    for gap in range(1, window + 1):
        at = seed[seed + gap < items.size]
        at = at[owner[at] == owner[at + gap]]
        pairs.append(owner[at] << 32 | items[at + gap])
    led_to = distinct(np.concatenate(pairs)) if pairs else np.zeros(0, np.int64)
    reached = (led_to & 0xFFFFFFFF).astype(np.int32)
    return _counted(reached, view.num_nodes(types[0][2]), without=item_index)


def users_of(view: GraphView, edge_types: EdgeTypes, item_index: int, *, max_users: int | None = None) -> IntArray:
    """Users who took an item, each once; with ``max_users`` those who took it last."""
    types = several(edge_types)
    if len(types) == 1 and not view.has_parallel_edges(types[0]):
        users = view.ends(types[0], item_index, "in")  # oldest first, each user once
        return users if max_users is None or users.size <= max_users else np.sort(users[-max_users:])
    if max_users is None:
        return distinct(np.concatenate([view.ends(edge_type, item_index, "in") for edge_type in types]))
    rows = [view.edge_row(edge_type, item_index, "in") for edge_type in types]
    users = np.concatenate([row.indices for row in rows])
    return np.sort(_latest(users, np.concatenate([row.timestamp_ms for row in rows]), max_users))


def common_users(view: GraphView, edge_types: EdgeTypes, left_item: int, right_item: int) -> IntArray:
    """Users who took both items, ascending."""
    view = view.frozen()
    left, right = users_of(view, edge_types, left_item), users_of(view, edge_types, right_item)
    return np.intersect1d(left, right)


def common_user_counts(
    view: GraphView,
    edge_types: EdgeTypes,
    history: Sequence[int] | IntArray,
    candidate: int,
    *,
    without_user: int | None = None,
) -> LongArray:
    """How many users took each item of a history and the candidate too: the evidence behind a recommendation.

    ``without_user`` leaves out the one who asks. Shape (len(history),).
    """
    types = several(edge_types)
    view = view.frozen()
    users = users_of(view, types, candidate)
    if without_user is not None:
        users = users[users != without_user]
    items = np.asarray(history, np.int32)
    if not users.size:
        return np.zeros(items.size, np.int64)
    taken = np.bincount(_distinct_targets(view, types, users), minlength=view.num_nodes(types[0][2]))
    return np.asarray(taken[items], np.int64)


def common_neighbors(view: GraphView, edge_type: EdgeType, left: int, right: int, direction: Side = "out") -> IntArray:
    """Nodes joined to both by this edge type (the attributes two items share), ascending."""
    view = view.frozen()
    return np.intersect1d(view.ends(edge_type, left, direction), view.ends(edge_type, right, direction))


def _distinct_targets(view: GraphView, types: tuple[EdgeType, ...], users: IntArray) -> IntArray:
    """Each user's items once, users one after the other."""
    if len(types) == 1:
        return view.expand(types[0], users, "out", distinct=True).indices
    pairs = []
    for edge_type in types:
        step = view.expand(edge_type, users, "out", distinct=True)
        pairs.append(step.owner << 32 | step.indices)
    return (distinct(np.concatenate(pairs)) & 0xFFFFFFFF).astype(np.int32)


class _Tally(threading.local):
    """Cells to count in, zero between two walks. Each thread has its own."""

    def __init__(self) -> None:
        self._cells, self._marks = np.zeros(0, np.int32), np.zeros(0, np.uint64)

    def cells(self, count: int) -> tuple[IntArray, npt.NDArray[np.uint64]]:
        """At least so many cells, and a bit for each."""
        if count > self._cells.size:
            self._cells, self._marks = np.zeros(count, np.int32), np.zeros((count + 63) // 64, np.uint64)
        return self._cells, self._marks


_TALLY = _Tally()
_NO_ROWS = np.zeros(0, np.int32)
_ALL_FIRST = np.zeros(0, np.bool_)


def _reached(
    compiled: ModuleType, view: GraphView, edge_type: EdgeType, users: IntArray, num_items: int, *, without: int
) -> Counts:
    """The users' items, each once a user, counted in one go; what changed since the snapshot is read beside it."""
    table = view.snapshot.edges(edge_type)
    users, changed = view.told_apart(edge_type, users)
    more = view.expand(edge_type, changed, distinct=True).indices if changed.size else _NO_ROWS
    first = table.columns.first_of_pair
    cells, marks = _TALLY.cells(num_items)
    found, counts = compiled.reached(
        users, *table.out, _ALL_FIRST if first is None else first, more, without, cells, marks
    )
    return Counts(found, counts)


def _sequences(view: GraphView, types: tuple[EdgeType, ...], users: IntArray) -> tuple[LongArray, IntArray]:
    """Every user's timed events in order, users one after the other: owner and item of each."""
    steps = [view.expand(edge_type, users, "out", columns=True) for edge_type in types]
    owner = np.concatenate([step.owner for step in steps])
    items = np.concatenate([step.indices for step in steps])
    times = np.concatenate([step.timestamp_ms for step in steps if step.timestamp_ms is not None])
    known = times != NO_TIME
    owner, items, times = owner[known], items[known], times[known]
    if len(types) > 1:
        order = np.lexsort((items, times, owner))
        owner, items = owner[order], items[order]
    return owner, items


def _latest(users: IntArray, timestamp_ms: LongArray, limit: int) -> IntArray:
    """The ``limit`` distinct users with the latest times; of equal ones the higher rows."""
    order = np.lexsort((users, timestamp_ms))[::-1]
    _, first = np.unique(users[order], return_index=True)
    return users[order][np.sort(first)[:limit]]


def _basket(users: IntArray, qualifier: npt.NDArray[np.int32]) -> LongArray:
    return users.astype(np.int64) << 32 | (qualifier.astype(np.int64) + 1)


def _counted(items: IntArray, num_items: int, *, without: int) -> Counts:
    if items.size * _DENSE_SHARE < num_items:
        indices, counts = np.unique(items, return_counts=True)
        keep = indices != without
        return Counts(indices[keep].astype(np.int32), counts[keep].astype(np.int64))
    dense = np.bincount(items, minlength=num_items)
    dense[without] = 0
    found = np.flatnonzero(dense)
    return Counts(found.astype(np.int32), dense[found])
