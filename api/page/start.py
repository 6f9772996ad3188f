"""The page at ``/``: what is picked, beside the live release and how the server does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from api.engine.request import RelatedKind
from api.http.problems import NotReady
from api.observing.pulse import PulseFigures
from api.page.looking import look_around, look_at_item, look_at_node, look_at_user, look_for
from api.page.rendering import render
from api.parts import engine_of
from api.serving.live import Live
from api.serving.serving import Serving
from graph.errors import InputError, NotFound, SchemaError

FIGURES = ("recall@20", "ndcg@20", "hr@10")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address names: at most one of item, user, node and words is looked at, in this order."""

    item: str | None = None
    user: str | None = None
    node: str | None = None
    words: str | None = None
    kind: RelatedKind = "similar"
    why: str | None = None
    cursor: str | None = None
    names_users: bool = True
    """Whether the one who looks may learn which users there are, and who dealt with what."""


@dataclass(frozen=True, slots=True)
class EvaluationTable:
    """How the models of a release compared; each figure with its share of the best one, for a bar."""

    protocol: str
    figures: list[str]
    rows: list[tuple[str, str, bool, list[tuple[str, int] | None]]]


def index_page(serving: Serving, asked: Asked, pulse: PulseFigures) -> tuple[str, int]:
    """The page and its status; 404 when what was asked for is not there."""
    rows = serving.releases()
    context: dict[str, Any] = {
        "asked": asked,
        "pulse": pulse,
        "stale": serving.stale,
        "releases": [(row, verdict(row.gate)) for row in rows],
        "tables": [table for row in rows if row.current and (table := evaluation_table(row.metrics)) is not None],
    }
    try:
        live = serving.live
    except NotReady as error:
        return render(
            "page.html", **context, live=None, view_name="trouble", title="Not ready", trouble=str(error)
        ), 200
    context |= {"live": live, "watermark": live.view.watermark}
    try:
        return render("page.html", **context, **_looked(live, asked)), 200
    except (InputError, SchemaError, NotFound) as error:
        status = 404 if isinstance(error, NotFound) else 422
        return _trouble(context, "Not found", error), status


def _trouble(context: dict[str, Any], title: str, error: Exception) -> str:
    return render("page.html", **context, view_name="trouble", title=title, trouble=str(error))


def _looked(live: Live, asked: Asked) -> dict[str, Any]:
    engine = engine_of(live)
    if asked.item:
        return look_at_item(engine, asked.item, asked.kind, asked.why)
    if asked.user:
        return look_at_user(engine, asked.user, asked.why)
    if asked.node:
        node_type, _, node_id = asked.node.partition(":")
        return look_at_node(engine, node_type, node_id, asked.cursor, names_users=asked.names_users)
    if asked.words and asked.words.strip():
        return look_for(engine, asked.words)
    return look_around(engine, names_users=asked.names_users)


def verdict(gate: Any) -> str:
    """The gate's sentence; a release written by other code than ours may have anything there, or nothing."""
    if isinstance(gate, dict) and "sentence" in gate:
        return str(gate["sentence"])
    return "" if gate is None else msgspec.json.encode(gate).decode()


def evaluation_table(evaluation: Any) -> EvaluationTable | None:
    """The table that training measured, or nothing where a release has none."""
    table = evaluation.get("table") if isinstance(evaluation, dict) else None
    if not table:
        return None
    best = {name: max((row[name] for row in table if name in row), default=0.0) or 1.0 for name in FIGURES}
    rows = [
        (
            str(row.get("model")),
            str(row.get("measured_on", "")),
            bool(row.get("served")),
            [(f"{row[name]:.4f}", round(100 * row[name] / best[name])) if name in row else None for name in FIGURES],
        )
        for row in table
    ]
    return EvaluationTable(str(evaluation.get("protocol", "")), list(FIGURES), rows)
