"""The shop's activity: positive interactions as columns, the snapshot's and what came since."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gnn.data import NO_TIME
from gnn.data.histories import IntArray
from graph.overlay import EdgeChanges, Overlay
from graph.schema import EdgeSpec
from graph.snapshot import EdgeTable, Snapshot
from graph.sorting import stable_order


@dataclass(frozen=True, slots=True)
class Activity:
    """N interactions as columns. Shapes: (N,) each; ``basket`` is -1 without an invoice."""

    user_index: IntArray
    item_index: IntArray
    timestamp_s: npt.NDArray[np.int64]
    basket: IntArray

    def __len__(self) -> int:
        return int(self.user_index.size)

    @classmethod
    def of(cls, snapshot: Snapshot, specs: Iterable[EdgeSpec]) -> Activity:
        """All interactions of some edge types in a snapshot."""
        return cls.joined([_columns(snapshot.edges(spec.edge_type)) for spec in specs])

    @classmethod
    def joined(cls, parts: list[Activity]) -> Activity:
        """Several activities one after the other; baskets of different parts stay apart."""
        baskets = [np.empty(0, np.int32)]
        first_free = 0
        for part in parts:
            baskets.append(np.where(part.basket >= 0, part.basket + first_free, -1).astype(np.int32))
            first_free += int(part.basket.max(initial=-1)) + 1
        return cls(
            np.concatenate([np.empty(0, np.int32), *(part.user_index for part in parts)]),
            np.concatenate([np.empty(0, np.int32), *(part.item_index for part in parts)]),
            np.concatenate([np.empty(0, np.int64), *(part.timestamp_s for part in parts)]),
            np.concatenate(baskets),
        )

    def where(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.int64] | slice) -> Activity:
        """The interactions chosen by a mask, by positions or by a slice."""
        return Activity(self.user_index[chosen], self.item_index[chosen], self.timestamp_s[chosen], self.basket[chosen])

    def by_time(self) -> Activity:
        """The same interactions, oldest first; those without a time before all others."""
        return self.where(stable_order(self.timestamp_s))


@dataclass(frozen=True, slots=True)
class _Changes:
    """What an overlay says of one edge type: the edges as they are now, and the keys it speaks of."""

    of: EdgeChanges
    now: Activity
    keys: frozenset[tuple[int, int, int]]
    """``(user, item, qualifier code)`` of every edge that came, changed or went."""


class ActivityFeed:
    """The activity of some edge types as of now. Safe to read from several threads."""

    def __init__(self, snapshot: Snapshot, overlay: Overlay | None, specs: Iterable[EdgeSpec]) -> None:
        self._snapshot = snapshot
        self._overlay = overlay
        self._specs = tuple(specs)
        self._lock = threading.Lock()
        self._base: tuple[Activity, ...] | None = None
        self._changes: dict[int, _Changes] = {}

    def over(self, overlay: Overlay | None) -> ActivityFeed:
        """The same snapshot's activity under another overlay."""
        other = ActivityFeed(self._snapshot, overlay, self._specs)
        other._base = self._base
        return other

    @property
    def version(self) -> int:
        """Moves whenever an answer may differ."""
        return 0 if self._overlay is None else self._overlay.state.version

    def between(self, start_s: int, stop_s: int) -> Activity:
        """Interactions after ``start_s`` and up to ``stop_s``, oldest first; those without a time never."""
        parts = []
        for base, changes in self._parts():
            parts.append(base.where(_span(base.timestamp_s, start_s, stop_s)))
            if changes is not None:
                parts[-1] = _without(parts[-1], changes.keys)
                times = changes.now.timestamp_s
                parts.append(changes.now.where((times > max(start_s, NO_TIME)) & (times <= stop_s)))
        return Activity.joined(parts).by_time()

    def newest_s(self, until_s: int) -> int | None:
        """The time of the newest interaction that is not after ``until_s``; ``None`` when none has a time."""
        newest = NO_TIME
        for base, changes in self._parts():
            stop = int(np.searchsorted(base.timestamp_s, until_s, side="right"))
            newest = max(newest, int(base.timestamp_s[stop - 1]) if stop else NO_TIME)
            if changes is not None:
                times = changes.now.timestamp_s
                newest = max(newest, int(times[times <= until_s].max(initial=NO_TIME)))
        return None if newest == NO_TIME else newest

    def last_s(self, num_users: int) -> npt.NDArray[np.int64]:
        """When each user was last here; ``NO_TIME`` where unknown. Shape (U,). What was taken back still counts."""
        last = np.full(num_users, NO_TIME, np.int64)
        for base, changes in self._parts():
            for part in (base,) if changes is None else (base, changes.now):
                inside = part.user_index < num_users
                np.maximum.at(last, part.user_index[inside], part.timestamp_s[inside])
        return last

    def since_snapshot(self) -> Activity:
        """What came or changed since the snapshot."""
        with self._lock:
            changes = [self._changes_of(number) for number in range(len(self._specs))]
        return Activity.joined([changed.now for changed in changes if changed is not None])

    def _parts(self) -> list[tuple[Activity, _Changes | None]]:
        with self._lock:
            if self._base is None:
                self._base = tuple(Activity.of(self._snapshot, [spec]).by_time() for spec in self._specs)
            return [(base, self._changes_of(number)) for number, base in enumerate(self._base)]

    def _changes_of(self, number: int) -> _Changes | None:
        if self._overlay is None:
            return None
        changes = self._overlay.state.edges[self._specs[number].edge_type]
        known = self._changes.get(number)
        if known is None or known.of is not changes:
            known = _read(changes)
            self._changes[number] = known
        return known if known.keys else None


def _span(times: npt.NDArray[np.int64], start_s: int, stop_s: int) -> slice:
    first = int(np.searchsorted(times, max(start_s, NO_TIME), side="right"))
    return slice(first, int(np.searchsorted(times, stop_s, side="right")))


def _read(changes: EdgeChanges) -> _Changes:
    keys = []
    now = []
    for user in changes.out:
        for (item, code), state in (changes.out.get(user) or {}).items():
            keys.append((user, item, code))
            if state is not None:
                time = NO_TIME if state.timestamp_ms == NO_TIME else state.timestamp_ms // 1000
                now.append((user, item, time, code))
    columns = np.array(now, np.int64).reshape(-1, 4)
    users, items, codes = (columns[:, at].astype(np.int32) for at in (0, 1, 3))
    return _Changes(changes, Activity(users, items, columns[:, 2], codes), frozenset(keys))


def _without(activity: Activity, keys: frozenset[tuple[int, int, int]]) -> Activity:
    """The activity without the edges of these keys."""
    users = np.fromiter({user for user, _, _ in keys}, np.int32)
    suspects = np.flatnonzero(np.isin(activity.user_index, users))
    gone = [
        at
        for at in suspects.tolist()
        if (int(activity.user_index[at]), int(activity.item_index[at]), int(activity.basket[at])) in keys
    ]
    keep = np.ones(len(activity), bool)
    keep[gone] = False
    return activity.where(keep)


def _columns(table: EdgeTable) -> Activity:
    degree = np.diff(table.out.indptr)
    users = np.repeat(np.arange(degree.size, dtype=np.int32), degree)
    times = table.timestamp_s_at(slice(None)).astype(np.int64)
    baskets = table.qualifier_at(slice(None)).astype(np.int32)
    return Activity(users, np.asarray(table.out.indices, np.int32), times, baskets)
