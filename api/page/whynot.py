"""Why an item is not in a user's list, as the page tells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from api.engine import Engine
from api.engine.questions.missing import MissingPath
from api.engine.questions.whynot import Change, explain
from api.engine.request import Request
from api.page.drawing import told_title
from api.page.rendering import page_address
from graph.view import GraphView


@dataclass(frozen=True, slots=True)
class WhyNot:
    """An item that is not listed: its place, what removed it, and single changes that would bring it in."""

    title: str
    here: str
    rank: int | None
    score: str
    to_enter: str | None
    removals: list[str]
    missing: str | None
    changes: list[tuple[str, dict[str, Any] | None]]
    """Each in words, with the edit to try where it is an edge."""


def why_not(engine: Engine, item_id: str, request: Request) -> WhyNot:
    """What keeps the item out of the answer to a request.

    Raises:
        NotFound: for an item the graph does not hold.
    """
    view = engine.now().view
    found = explain(engine, item_id, request)
    return WhyNot(
        found.title,
        page_address(item=item_id),
        found.rank,
        f"{found.score:.2f}",
        None if found.score_to_enter is None else f"{found.score_to_enter:.2f}",
        [f"{removal.by.replace('_', ' ')}: {removal.says}" for removal in found.removals],
        _edge_in_words(view, found.missing[0]) if found.missing else None,
        [_change(view, change) for change in found.changes],
    )


def _change(view: GraphView, change: Change) -> tuple[str, dict[str, Any] | None]:
    if change.edge is None:
        return f"a boost of {change.factor:g} would bring it to rank {change.rank}", None
    edit = {"do": "add_edge", **change.edge.to_json()["edge"]}
    return f"{_edge_in_words(view, change.edge)} (rank {change.rank})", edit


def _edge_in_words(view: GraphView, missing: MissingPath) -> str:
    edge_type, source, target = missing.edge
    ends = told_title(view, (edge_type[0], source)), told_title(view, (edge_type[2], target))
    return f"{ends[0]} – {edge_type[1].lower().replace('_', ' ')} → {ends[1]}"
