"""What a request is about, resolved against the graph: a history to answer, and items never to show."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from api.engine.reading import NOBODY, Profile, profile_of
from api.engine.request import Request
from gnn.histories import IntArray
from graph.schema import EdgeRole, GraphSchema
from graph.view import GraphView


@dataclass(frozen=True, slots=True)
class Session:
    """A resolved request.

    ``history``: item rows, oldest first. ``seen``: items the user has dealt with. ``barred``: never to be shown.
    ``unknown_ids``: ids the graph does not hold, in the order of the request.
    """

    user_index: int
    history: IntArray
    seen: IntArray
    barred: IntArray
    unknown_ids: tuple[str, ...]

    def after(self, items: IntArray) -> Session:
        """The session with some items before its history."""
        return self if not items.size else replace(self, history=np.concatenate([items, self.history]))


def resolve(view: GraphView, request: Request) -> Session:
    """The session behind a request; ids that the graph does not hold are dropped and named."""
    profile = _profile(view, request.user_id)
    unknown: list[str] = [] if request.user_id is None or profile is not NOBODY else [request.user_id]
    against = _kinds_against(view.schema)
    timed = [event for event in request.events if event.timestamp_s is not None]
    untimed = [event for event in request.events if event.timestamp_s is None]
    events = [*sorted(timed, key=lambda event: event.timestamp_s or 0), *untimed]
    happened = [(event.kind, _row(view, event.item_id, unknown)) for event in events]
    cart = _rows(view, request.items, unknown)
    excluded = _rows(view, request.exclude, unknown)
    fresh = [row for kind, row in happened if row is not None and kind not in against]
    touched = [row for _, row in happened if row is not None]
    return Session(
        profile.user_index,
        np.concatenate([profile.item_index, np.array([*fresh, *cart], np.int32)]),
        np.concatenate([profile.seen, np.array(touched, np.int32)]),
        np.array([*cart, *excluded], np.int32),
        tuple(dict.fromkeys(unknown)),
    )


def _profile(view: GraphView, user_id: str | None) -> Profile:
    index = None if user_id is None else view.index_of(view.schema.user_type, user_id)
    return NOBODY if index is None else profile_of(view, index)


def _kinds_against(schema: GraphSchema) -> frozenset[str]:
    """Kinds of interaction that only ever speak against an item, like a return."""
    specs = schema.edges_with(EdgeRole.INTERACTION)
    speaking_for = {spec.kind for spec in specs if spec.positive}
    return frozenset(spec.kind for spec in specs if spec.kind is not None and spec.kind not in speaking_for)


def _row(view: GraphView, item_id: str, unknown: list[str]) -> int | None:
    index = view.index_of(view.schema.item_type, item_id)
    if index is None:
        unknown.append(item_id)
    return index


def _rows(view: GraphView, item_ids: Iterable[str], unknown: list[str]) -> list[int]:
    rows = [_row(view, item_id, unknown) for item_id in item_ids]
    return [row for row in rows if row is not None]
