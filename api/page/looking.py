"""What is picked, and what the engine says of it: the context of each part of the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from api.engine import Answer, Engine
from api.engine.answer import RankedItem
from api.engine.finding.search import MAX_QUERY
from api.engine.questions.users import profile
from api.engine.request import RelatedKind, Request
from api.knowledge.browsing import NeighborEntry, neighbors_page
from api.page.drawing import Drawing, ToldReason, drawing_of, role_of, told, told_title
from api.page.rendering import page_address
from api.page.whynot import why_not
from graph.errors import NotFound
from graph.records import NodeKey
from graph.schema import EdgeRole
from graph.view import GraphView

KINDS: tuple[tuple[RelatedKind, str, str], ...] = (
    ("similar", "Similar", "instead of it"),
    ("complementary", "Complementary", "with it, for another need"),
    ("bought_together", "Bought together", "in the same basket"),
    ("cross_category", "Cross-category", "from another category"),
)
LIST_LENGTH = 6
USER_LIST_LENGTH = 12
_TAGS = 3
_NEIGHBORS = 60
_AROUND = 8
_LATEST = 6
_FOUND = 24
_SUGGESTED = 20
_TARGETS = 200
_USERS = 8


@dataclass(frozen=True, slots=True)
class Card:
    """One item of a list: what it is called, what it is, and where its reasons are shown."""

    item_id: str
    title: str
    tags: list[str]
    rank: int
    strength: int
    sources: str
    promotion: str | None
    here: str
    why: str | None
    shown: bool


@dataclass(frozen=True, slots=True)
class CardList:
    """One list with its heading; ``note`` where a fallback filled it."""

    kind: str
    heading: str
    meaning: str
    cards: list[Card]
    note: str | None


@dataclass(frozen=True, slots=True)
class Why:
    """Why one item is in a list: reasons, their drawing, and the request that a what-if repeats."""

    title: str
    here: str
    reasons: list[ToldReason]
    drawing: Drawing | None
    request: dict[str, Any]
    subject: NodeKey
    subject_title: str
    additions: list[tuple[str, str]]
    """Edges that may be imagined at the subject: the relation, and the type of its other end."""
    choices: dict[str, list[tuple[str, str]]]
    """Nodes to choose from, of the types that have few."""


@dataclass(frozen=True, slots=True)
class NeighborGroup:
    """The neighbours by one relation, in one direction."""

    relation: str
    direction: str
    node_type: str
    role: str
    entries: list[tuple[str, str, int]]
    """Title, address, and how many parallel edges."""


def look_at_item(engine: Engine, item_id: str, kind: RelatedKind, why: str | None) -> dict[str, Any]:
    """An item, its four lists, and why the picked one is in the chosen list.

    Raises:
        NotFound: for an item the graph does not hold.
    """
    view = engine.now().view
    item_type = view.schema.item_type
    row = _row(view, (item_type, item_id))
    tags = _tags(view, row, limit=8)
    lists = []
    picked: RankedItem | None = None
    for name, heading, meaning in KINDS:
        answer = engine.related(item_id, name, LIST_LENGTH, reasons=name == kind)
        if name == kind:
            picked = _picked(answer.items, why)
        shown = picked.item_id if picked is not None and name == kind else None
        address = {"item": item_id, "kind": name}
        lists.append(CardList(name, heading, meaning, _cards(view, answer, shown, address), _note(answer)))
    request = {"ask": "related", "item_id": item_id, "kind": kind, "n": LIST_LENGTH, "include": ["properties"]}
    return {
        "view_name": "item",
        "title": view.title(item_type, row),
        "subject_id": item_id,
        "facts": [(name, value) for name, value in _facts(view, item_type, row) if value != ", ".join(tags)],
        "tags": tags,
        "kind": kind,
        "lists": lists,
        "why": _why(view, picked, request, (item_type, item_id), None),
        "groups": _groups(view, (item_type, item_id)),
    }


def look_at_user(engine: Engine, user_id: str, why: str | None) -> dict[str, Any]:
    """A user, known or not: recommendations, why the picked one, and what the graph knows of the user."""
    view = engine.now().view
    asked = Request(user_id, n=USER_LIST_LENGTH, reasons=True)
    answer = engine.recommend(asked)
    picked = _picked(answer.items, why)
    known = profile(engine, user_id)
    item_type = view.schema.item_type
    request = {
        "ask": "recommendations",
        "user_id": user_id,
        "n": USER_LIST_LENGTH,
        "include": ["properties"],
    }
    shown = picked.item_id if picked else None
    return {
        "view_name": "user",
        "title": told_title(view, (view.schema.user_type, user_id)),
        "subject_id": user_id,
        "known": known.known,
        "counts": sorted(known.interactions.items()),
        "latest": [(title, page_address(item=item_id)) for item_id, title in known.latest[:_LATEST]],
        "interests": {
            kind: [(one.title, round(100 * one.share), one.lift) for one in known.interests[kind]]
            for kind in _telling_types(view)
            if kind in known.interests
        },
        "cards": _cards(view, answer, shown, {"user": user_id}),
        "texts": {item.item_id: item.reasons[0].text for item in answer.items if item.reasons},
        "note": _note(answer),
        "why": _why(view, picked, request, (view.schema.user_type, user_id), user_id if known.known else None),
        "whynot": why_not(engine, why, asked) if why is not None and why not in answer.item_ids else None,
        "item_type": item_type,
    }


def look_at_node(
    engine: Engine, node_type: str, node_id: str, cursor: str | None, *, names_users: bool = True
) -> dict[str, Any]:
    """Any node with its neighbours, page by page; an item or a user has its own view.

    Raises:
        SchemaError, NotFound: for a type or a node the graph does not hold.
    """
    view = engine.now().view
    page = neighbors_page(view, node_type, node_id, limit=_NEIGHBORS, cursor=cursor, users=names_users)
    row = _row(view, (node_type, node_id))
    following = page.next_cursor
    return {
        "view_name": "node",
        "title": view.title(node_type, row),
        "node_type": node_type,
        "subject_id": node_id,
        "role": role_of(view, node_type),
        "facts": _facts(view, node_type, row),
        "groups": _grouped(view, page.neighbors),
        "following": page_address(node=f"{node_type}:{node_id}", cursor=following) if following else None,
    }


def look_for(engine: Engine, words: str) -> dict[str, Any]:
    """What a search finds, in words and by meaning."""
    view = engine.now().view
    answer = engine.search(words[:MAX_QUERY], _FOUND)
    named = [
        (one.text, one.node_type, role_of(view, one.node_type), address_of(view, (one.node_type, one.node_id)))
        for one in engine.suggest(words[:MAX_QUERY], 8)
        if one.node_type != view.schema.item_type
    ]
    return {
        "view_name": "search",
        "title": f"“{words}”",
        "cards": _cards(view, answer, None, {}),
        "named": named,
    }


def look_around(engine: Engine, *, names_users: bool = True) -> dict[str, Any]:
    """Where one can begin: what is trending, and a few users where they may be named."""
    view = engine.now().view
    answer = engine.trending("52w", _SUGGESTED)
    users = view.schema.user_type
    first = range(min(view.num_nodes(users), _USERS) if names_users else 0)
    few = [view.id_of(users, row) for row in first if view.exists(users, row)]
    return {
        "view_name": "start",
        "title": "Start",
        "cards": _cards(view, answer, None, {}),
        "users": [(user_id, page_address(user=user_id)) for user_id in few],
        "user_type": users,
    }


def address_of(view: GraphView, key: NodeKey) -> str:
    """Where the page shows a node."""
    if key[0] == view.schema.item_type:
        return page_address(item=key[1])
    if key[0] == view.schema.user_type:
        return page_address(user=key[1])
    return page_address(node=f"{key[0]}:{key[1]}")


def _row(view: GraphView, key: NodeKey) -> int:
    row = view.index_of(*key)
    if row is None or not view.exists(key[0], row):
        raise NotFound(f"there is no {key[0]} with this id", got=key[1], remedy="Search for it, or check the id.")
    return row


def _picked(items: Sequence[RankedItem], why: str | None) -> RankedItem | None:
    return next((item for item in items if item.item_id == why), items[0] if items else None)


def _note(answer: Answer) -> str | None:
    return None if answer.fallback_used is None else f"filled up by {answer.fallback_used}"


def _cards(view: GraphView, answer: Answer, shown: str | None, address: dict[str, str]) -> list[Card]:
    scores = [item.score for item in answer.items]
    low, high = (min(scores), max(scores)) if scores else (0.0, 0.0)
    return [
        Card(
            item.item_id,
            item.title,
            _tags(view, item.item_index, limit=_TAGS),
            item.rank,
            100 if high <= low else round(20 + 80 * (item.score - low) / (high - low)),
            ", ".join(item.sources),
            item.promotion,
            page_address(item=item.item_id),
            page_address(**address, why=item.item_id) + "#why" if address else None,
            item.item_id == shown,
        )
        for item in answer.items
    ]


def _telling_types(view: GraphView) -> list[str]:
    """Types of the items' attributes, such as brand and category; what else an item is linked to is too much here."""
    item = view.schema.item_type
    return list(
        dict.fromkeys(spec.target for spec in view.schema.edges_with(EdgeRole.ATTRIBUTE) if spec.source == item)
    )


def _tags(view: GraphView, item: int, *, limit: int) -> list[str]:
    """The titles of the item's attributes, such as brand and category."""
    found: list[str] = []
    for spec in view.schema.edges_with(EdgeRole.ATTRIBUTE):
        if spec.source == view.schema.item_type:
            found += [view.title(spec.target, row) for row in view.ends(spec.edge_type, item).tolist()[:limit]]
    return list(dict.fromkeys(found))[:limit]


def _facts(view: GraphView, node_type: str, row: int) -> list[tuple[str, str]]:
    spec = view.schema.node(node_type)
    return [
        (name.replace("_", " "), ", ".join(map(str, value)) if isinstance(value, list) else str(value))
        for name, value in view.properties(node_type, row).items()
        if name != spec.title and value is not None and value != []
    ]


def _why(
    view: GraphView, picked: RankedItem | None, request: dict[str, Any], subject: NodeKey, user_id: str | None
) -> Why | None:
    if picked is None:
        return None
    reasons = told(view, picked.reasons, user_id)
    row = view.index_of(*subject)
    additions = [
        (spec.relation, spec.target) for spec in view.schema.edges if spec.source == subject[0] and not spec.holdout
    ]
    return Why(
        picked.title,
        page_address(item=picked.item_id),
        reasons,
        drawing_of(view, reasons),
        request,
        subject,
        told_title(view, subject),
        additions if row is not None else [],
        {target: _choices(view, target) for _, target in additions if view.num_nodes(target) <= _TARGETS},
    )


def _choices(view: GraphView, node_type: str) -> list[tuple[str, str]]:
    rows = [row for row in range(view.num_nodes(node_type)) if view.exists(node_type, row)]
    return [(view.id_of(node_type, row), view.title(node_type, row)) for row in rows]


def _groups(view: GraphView, key: NodeKey) -> list[NeighborGroup]:
    """What an item is connected to, people left out."""
    entries = []
    order = (EdgeRole.ATTRIBUTE, EdgeRole.ITEM_RELATION)
    for spec in sorted(view.schema.edges, key=lambda spec: (*(spec.role is not role for role in order), spec.role)):
        if spec.source == key[0] and spec.target != view.schema.user_type:
            entries += neighbors_page(view, *key, relation=spec.relation, direction="out", limit=_AROUND).neighbors
    return _grouped(view, list({(entry.edge, entry.node): entry for entry in entries}.values()))


def _grouped(view: GraphView, entries: Sequence[NeighborEntry]) -> list[NeighborGroup]:
    groups: dict[tuple[str, str, str], NeighborGroup] = {}
    for entry in entries:
        node_type = entry.node[0]
        group = groups.setdefault(
            (entry.edge, entry.direction, node_type),
            NeighborGroup(entry.edge, entry.direction, node_type, role_of(view, node_type), []),
        )
        group.entries.append((entry.title, address_of(view, entry.node), entry.properties.count))
    return list(groups.values())
