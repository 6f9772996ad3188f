"""What a request is about, resolved against the graph: a history to answer, and items never to show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from api.engine.reading import NOBODY, Profile, kinds_against, kinds_read, profile_of
from api.engine.request import Event, Request
from gnn.data.histories import NO_KIND, History, IntArray
from graph.schema import GraphSchema
from graph.view import GraphView

_CART = "cart"
"""The kind of what lies in a cart."""


@dataclass(frozen=True, slots=True)
class Session:
    """A resolved request.

    ``past``: what happened, oldest first. ``seen``: items the user has dealt with. ``barred``: never to be shown.
    ``unknown_ids``: ids the graph does not hold, in the order of the request.
    """

    user_index: int
    past: History
    seen: IntArray
    barred: IntArray
    unknown_ids: tuple[str, ...]

    @property
    def history(self) -> IntArray:
        """The items of the past. Shape (N,)."""
        return self.past.item_index

    def after(self, items: IntArray) -> Session:
        """The session with some items before its history."""
        return self if not items.size else replace(self, past=History.of(items).then(self.past))


def resolve(view: GraphView, request: Request, now_s: int) -> Session:
    """The session behind a request; ids that the graph does not hold are dropped and named.

    What has no time happens now: it is never before what has one.
    """
    profile = _profile(view, request.user_id)
    unknown: list[str] = [] if request.user_id is None or profile is not NOBODY else [request.user_id]
    if not (request.events or request.items or request.exclude):
        return Session(profile.user_index, profile.history, profile.seen, np.empty(0, np.int32), tuple(unknown))
    against = kinds_against(view.schema)
    events: Sequence[Event] = request.events
    timed = [event for event in events if event.timestamp_s is not None]
    if timed:
        untimed = [event for event in events if event.timestamp_s is None]
        events = [*sorted(timed, key=lambda event: event.timestamp_s or 0), *untimed]
        now_s = max([now_s, *(event.timestamp_s or 0 for event in timed)])
    known = [(event, row) for event in events if (row := _row(view, event.item_id, unknown)) is not None]
    cart = _rows(view, request.items, unknown)
    excluded = _rows(view, request.exclude, unknown)
    happened = [
        (row, now_s if event.timestamp_s is None else event.timestamp_s, event.kind)
        for event, row in known
        if event.kind not in against
    ]
    past = _past(view.schema, [*happened, *((row, now_s, _CART) for row in cart)])
    return Session(
        profile.user_index,
        profile.history.then(past) if len(profile.history) else past,
        np.concatenate([profile.seen, np.array([row for _, row in known], np.int32)]),
        np.array([*cart, *excluded], np.int32),
        tuple(dict.fromkeys(unknown)),
    )


def _profile(view: GraphView, user_id: str | None) -> Profile:
    index = None if user_id is None else view.index_of(view.schema.user_type, user_id)
    return NOBODY if index is None else profile_of(view, index)


def _past(schema: GraphSchema, happened: Sequence[tuple[int, int, str]]) -> History:
    """The history of item rows, times and names of kinds; a kind that the graph does not learn from is none."""
    kinds = kinds_read(schema)
    codes = [kinds.index(kind) if kind in kinds else NO_KIND for _, _, kind in happened]
    return History.of([row for row, _, _ in happened], [time_s for _, time_s, _ in happened], codes, kinds)


def _row(view: GraphView, item_id: str, unknown: list[str]) -> int | None:
    index = view.index_of(view.schema.item_type, item_id)
    if index is None:
        unknown.append(item_id)
    return index


def _rows(view: GraphView, item_ids: Iterable[str], unknown: list[str]) -> list[int]:
    rows = [_row(view, item_id, unknown) for item_id in item_ids]
    return [row for row in rows if row is not None]
