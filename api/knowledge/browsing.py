"""The neighbours of a node, page by page, read from the release and its overlay."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Struct

from api.http.problems import Forbidden, InvalidField
from graph.errors import NotFound
from graph.records import Direction
from graph.schema import EdgeSpec, EdgeType

if TYPE_CHECKING:
    from graph.view import GraphView, Neighbors

Step: TypeAlias = tuple[EdgeSpec, Literal["out", "in"]]


class EdgeFacts(Struct, omit_defaults=True):
    """What is known of an edge; ``count`` where several parallel edges are shown as one."""

    weight: float
    count: int = 1
    timestamp: str | None = None


class NeighborEntry(Struct):
    """One neighbour: ``node`` is its type and id."""

    node: tuple[str, str]
    title: str
    edge: str
    direction: Literal["in", "out"]
    properties: EdgeFacts


class NeighborsReply(Struct):
    """One page of neighbours; ``next_cursor`` is null on the last."""

    neighbors: list[NeighborEntry]
    next_cursor: str | None


class _Cursor(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """The last neighbour of a page: a key and not an offset, so that edits between pages neither skip nor repeat."""

    edge_type: EdgeType
    direction: Literal["out", "in"]
    node_id: str


_CURSORS = msgspec.json.Decoder(_Cursor)


def neighbors_page(
    view: GraphView,
    node_type: str,
    node_id: str,
    *,
    relation: str | None = None,
    direction: Direction = "both",
    limit: int = 100,
    cursor: str | None = None,
    users: bool = True,
) -> NeighborsReply:
    """One page of the nodes an edge away: by edge type in schema order, out before in, then by node.

    Parallel edges (a product bought five times) are one entry, with their ``count`` and the newest one's
    weight and time.

    ``users=False`` leaves out who dealt with a node.

    Raises:
        Forbidden: when only users would be listed, and they are left out.
        NotFound: when the node is not in the graph.
        InvalidField: for a relation that does not touch this node type, or a cursor of another listing.
    """
    spec = view.schema.node(node_type)
    index = view.index_of(node_type, node_id)
    if index is None or not view.exists(node_type, index):
        raise NotFound(f"there is no {spec.name} with this id", got=node_id, remedy="Check the id and its spelling.")
    steps = _steps(view, node_type, relation, direction)
    if not users:
        steps = _without_users(view, steps)
    after = -1
    if cursor is not None:
        last = _read_cursor(cursor)
        places = [
            at for at, (edge, way) in enumerate(steps) if (edge.edge_type, way) == (last.edge_type, last.direction)
        ]
        place = view.index_of(_far_type(*steps[places[0]]), last.node_id) if places else None
        if place is None:
            raise _bad_cursor()
        steps, after = steps[places[0] :], place
    found: list[tuple[Step, NeighborEntry]] = []
    for step in steps:
        rows = view.neighbors(step[0].edge_type, index, step[1])
        entries = _entries(view, step, rows, after=after, limit=limit + 1 - len(found))
        found += [(step, entry) for entry in entries]
        if len(found) > limit:
            break
        after = -1
    page = found[:limit]
    next_cursor = _write_cursor(*page[-1]) if len(found) > limit else None
    return NeighborsReply([entry for _, entry in page], next_cursor)


def _steps(view: GraphView, node_type: str, relation: str | None, direction: Direction) -> list[Step]:
    touching: list[Step] = []
    for spec in view.schema.edges:
        if spec.source == node_type:
            touching.append((spec, "out"))
        if spec.target == node_type:
            touching.append((spec, "in"))
    if relation is not None and all(spec.relation != relation for spec, _ in touching):
        names = sorted({spec.relation for spec, _ in touching})
        raise InvalidField(
            f"no such edge at a {node_type}",
            field="edge",
            expected="one of " + ", ".join(names) if names else "none, it has no edges",
            got=relation,
            where="edge",
        )
    return [
        (spec, way)
        for spec, way in touching
        if (relation is None or spec.relation == relation) and direction in ("both", way)
    ]


def _without_users(view: GraphView, steps: list[Step]) -> list[Step]:
    kept = [step for step in steps if _far_type(*step) != view.schema.user_type]
    if steps and not kept:
        raise Forbidden(
            "which users dealt with a node is told to operators only",
            expected="a key with the scope operator",
            remedy="Explanations and paths count users without naming them.",
        )
    return kept


def _far_type(edge: EdgeSpec, way: Literal["out", "in"]) -> str:
    return edge.target if way == "out" else edge.source


def _entries(view: GraphView, step: Step, rows: Neighbors, *, after: int, limit: int) -> list[NeighborEntry]:
    """Up to ``limit`` neighbours with a row above ``after``, by row."""
    far_type = _far_type(*step)
    order = np.argsort(rows.indices, kind="stable")
    far_index, starts = np.unique(rows.indices[order], return_index=True)
    ends = np.append(starts[1:], order.size)
    first = int(np.searchsorted(far_index, after, side="right"))
    chosen = range(first, min(first + limit, far_index.size))
    return [
        NeighborEntry(
            (far_type, view.id_of(far_type, int(far_index[at]))),
            view.title(far_type, int(far_index[at])),
            step[0].relation,
            step[1],
            _facts(rows, order[starts[at] : ends[at]]),
        )
        for at in chosen
    ]


def _facts(rows: Neighbors, parallel: npt.NDArray[np.int64]) -> EdgeFacts:
    newest = int(parallel[-1])
    timestamp = None
    if rows.timestamp_s is not None and int(rows.timestamp_s[newest]) >= 0:
        timestamp = datetime.fromtimestamp(int(rows.timestamp_s[newest]), UTC).isoformat()
    return EdgeFacts(round(float(rows.weight[newest]), 6), int(parallel.size), timestamp)


def _write_cursor(step: Step, last: NeighborEntry) -> str:
    key = msgspec.json.encode(_Cursor(step[0].edge_type, step[1], last.node[1]))
    return base64.urlsafe_b64encode(key).decode().rstrip("=")


def _read_cursor(cursor: str) -> _Cursor:
    try:
        raw = base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4))
        return _CURSORS.decode(raw)
    except (binascii.Error, ValueError, msgspec.DecodeError, RecursionError):
        raise _bad_cursor() from None


def _bad_cursor() -> InvalidField:
    return InvalidField(
        "the cursor is not of this listing",
        field="cursor",
        expected="the next_cursor of the page before, with the same edge and direction",
        remedy="Begin again without a cursor.",
    )
