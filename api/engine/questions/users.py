"""What can be asked about one user: a given list ranked, attributes that suit, the profile of interests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from api.engine.answer import Answer, RankedItem
from api.engine.engine import Engine
from api.engine.questions.interests import RECOMMENDED, Interest, attribute_types, interests
from api.engine.reading import learned_interactions, opted_out, profile_of
from api.engine.request import Request
from graph.records import NodeKey
from graph.schema import EdgeRole

PROFILE_ATTRIBUTES = 5
"""Attributes of each type that a profile names."""


@dataclass(frozen=True, slots=True)
class NamedInterest:
    """An interest in words: the attribute, and the items that are its evidence, by key and title."""

    node: NodeKey
    title: str
    relation: str
    score: float
    share: float
    lift: float
    chosen: tuple[tuple[str, str], ...]
    recommended: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """What the graph knows of a user: how often he did what, what he did last, and what he is interested in.

    ``lift`` above 1: more than others. ``known`` is False for a user the graph does not hold.
    """

    known: bool
    interactions: dict[str, int]
    last_at_s: int | None
    latest: tuple[tuple[str, str], ...]
    interests: dict[str, list[NamedInterest]]
    graph_watermark: str


def order(engine: Engine, request: Request, item_ids: Sequence[str]) -> Answer:
    """The given items, best first for the request's user; ids the graph does not hold are named in ``unknown_ids``.

    Items the user has seen stay in the list: it was asked for.
    """
    moment = engine.now()
    view, item_type = moment.view, moment.view.schema.item_type
    rows = {item_id: view.index_of(item_type, item_id) for item_id in dict.fromkeys(item_ids)}
    known = {item_id: row for item_id, row in rows.items() if row is not None and row < moment.sources.num_items}
    scores = engine.scored(request, list(known.values()))
    best = np.argsort(-scores.score, kind="stable")
    ids = list(known)
    items = []
    for rank, at in enumerate(best.tolist(), 1):
        parts = [name for name, part in scores.parts(at).items() if part > 0]
        row = int(scores.item_index[at])
        items.append(
            RankedItem(
                ids[at], row, view.title(item_type, row), float(scores.score[at]), rank,
                tuple(parts) if scores.speaks else ("popularity",),
            )
        )  # fmt: skip
    unknown = tuple(item_id for item_id in rows if item_id not in known)
    return Answer(
        tuple(items),
        None if scores.speaks else "popularity",
        tuple(dict.fromkeys((*scores.asked.session.unknown_ids, *unknown))),
        engine.release_id,
        engine.trained_at,
        view.watermark,
    )


def attributes_for(engine: Engine, user_id: str, node_type: str, n: int) -> list[NamedInterest]:
    """The attributes of one type that suit a user best; for an unknown user those most chosen.

    Raises:
        SchemaError: when items have no attributes of this type.
    """
    return _interests(engine, user_id, [node_type], n)[node_type]


def profile(engine: Engine, user_id: str) -> Profile:
    """The profile of a user, as of now."""
    view = engine.now().view
    schema = view.schema
    user = view.index_of(schema.user_type, user_id)
    counts: dict[str, int] = {}
    latest: tuple[tuple[str, str], ...] = ()
    last_at_s = None
    if user is not None and not opted_out(view, user):
        for spec in schema.edges_with(EdgeRole.INTERACTION):
            if not spec.holdout and (size := int(view.ends(spec.edge_type, user).size)):
                counts[spec.relation] = size
        history = profile_of(view, user).history
        latest = _named_items(engine, tuple(dict.fromkeys(history.item_index[::-1].tolist()))[:10])
        times = history.timestamp_s[history.timestamp_s >= 0]
        last_at_s = int(times.max()) if times.size else None
    types = attribute_types(schema) if user is not None else ()
    found = _interests(engine, user_id, types, PROFILE_ATTRIBUTES)
    own = {kind: [one for one in named if one.share > 0] for kind, named in found.items()}
    return Profile(user is not None, counts, last_at_s, latest, {k: v for k, v in own.items() if v}, view.watermark)


def _interests(engine: Engine, user_id: str, node_types: Sequence[str], n: int) -> dict[str, list[NamedInterest]]:
    moment = engine.now()
    view, sources = moment.view, moment.sources
    user = view.index_of(view.schema.user_type, user_id)
    history = np.empty(0, np.int32) if user is None else profile_of(view, user).history.item_index
    history = history[sources.allowed[history]]
    answer = engine.recommend(replace(Request(user_id), n=RECOMMENDED))
    suiting = np.array([item.item_index for item in answer.items], np.int32)
    popularity = np.zeros(sources.num_items, np.float32)
    for spec in learned_interactions(view.schema):
        popularity += np.bincount(view.matrix(spec.edge_type).indices, minlength=sources.num_items)
    return {
        node_type: [_named(engine, one) for one in interests(moment, history, suiting, node_type, popularity, n)]
        for node_type in node_types
    }


def _named(engine: Engine, interest: Interest) -> NamedInterest:
    view = engine.view
    return NamedInterest(
        (interest.node_type, view.id_of(interest.node_type, interest.index)),
        view.title(interest.node_type, interest.index),
        interest.relation,
        round(interest.score, 4),
        round(interest.share, 4),
        round(interest.lift, 2),
        _named_items(engine, interest.chosen),
        _named_items(engine, interest.recommended),
    )


def _named_items(engine: Engine, items: tuple[int, ...]) -> tuple[tuple[str, str], ...]:
    view = engine.view
    item_type = view.schema.item_type
    return tuple((view.id_of(item_type, item), view.title(item_type, item)) for item in items)
