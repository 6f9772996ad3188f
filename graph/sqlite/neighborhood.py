"""The neighbours of one node, a page at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Literal

from graph.cursors import cursor_at, place_of, question_mark
from graph.errors import InputError
from graph.records import Direction, Edge, Neighbor, NeighborPage, NodeKey
from graph.schema import EdgeType
from graph.sqlite.catalogue import Catalogue
from graph.values import loaded_properties

_OUT = """
    SELECT e.target, e.qualifier, n.node_id, e.weight, e.timestamp_ms, e.properties, e.version
    FROM edges AS e CROSS JOIN nodes AS n ON n.id = e.target
    WHERE e.edge_type = ? AND e.source = ? AND (e.target, e.qualifier) > (?, ?) AND NOT e.deleted
    ORDER BY e.target, e.qualifier LIMIT ?
"""
_IN = """
    SELECT e.source, e.qualifier, n.node_id, e.weight, e.timestamp_ms, e.properties, e.version
    FROM edges AS e CROSS JOIN nodes AS n ON n.id = e.source
    WHERE e.edge_type = ? AND e.target = ? AND (e.source, e.qualifier) > (?, ?) AND NOT e.deleted
    ORDER BY e.source, e.qualifier LIMIT ?
"""
_Section = tuple[Literal["out", "in"], int]
"""A direction and an edge type's number; neighbours are listed section by section."""

_Place = tuple[int, int, str]
"""A section's position, and the last neighbour seen in it: its number and the qualifier."""

_MAX_LIMIT = 100_000
_START: _Place = (0, 0, "")


def sections_of(
    catalogue: Catalogue, node_type: str, edge_types: Sequence[EdgeType] | None, direction: Direction
) -> list[_Section]:
    """The edge types a node of ``node_type`` can have neighbours by, outgoing ones first.

    Raises:
        SchemaError: for an edge type that the schema does not have.
    """
    wanted = None if edge_types is None else {catalogue.edge_type(edge_type) for edge_type in edge_types}
    sections: list[_Section] = []
    directions: tuple[Literal["out", "in"], ...] = ("out", "in") if direction == "both" else (direction,)
    if not set(directions) <= {"out", "in"}:
        raise InputError("the direction cannot be used", expected="out, in or both", got=direction)
    for one in directions:
        for (source, _, target), number in sorted(catalogue.edge_types.items()):
            if (source if one == "out" else target) == node_type and (wanted is None or number in wanted):
                sections.append((one, number))
    return sections


def neighbor_page(
    connection: sqlite3.Connection,
    catalogue: Catalogue,
    node: tuple[NodeKey, int],
    sections: Sequence[_Section],
    limit: int,
    cursor: str | None,
) -> NeighborPage:
    """At most ``limit`` neighbours after ``cursor``; ``node`` is its key and its number.

    The order is that of the sections, then of first appearance in the store: pages stay right while edges are
    written, and a page costs the same wherever it lies.
    """
    if limit < 1:
        raise InputError("the limit cannot be used", expected="at least 1", got=limit)
    limit = min(limit, _MAX_LIMIT)
    key, number = node
    question = question_mark([key, sections])
    place = _START if cursor is None else _place(cursor, question, len(sections))
    found: list[Neighbor] = []
    last = place
    for position in range(place[0], len(sections)):
        direction, edge_type = sections[position]
        _, other, qualifier = place if position == place[0] else _START
        name = catalogue.edge_names[edge_type]
        rows = connection.execute(
            _OUT if direction == "out" else _IN, (edge_type, number, other, qualifier, limit - len(found) + 1)
        )
        for other, qualifier, other_id, weight, timestamp_ms, properties, version in rows:
            if len(found) == limit:
                return NeighborPage(tuple(found), cursor_at(question, last))
            source_id, target_id = (key[1], other_id) if direction == "out" else (other_id, key[1])
            loaded = loaded_properties(properties)
            edge = Edge(name, source_id, target_id, qualifier, weight, timestamp_ms, loaded, version)
            found.append(Neighbor((name[2] if direction == "out" else name[0], other_id), edge, direction))
            last = (position, other, qualifier)
    return NeighborPage(tuple(found), None)


def _place(cursor: str, question: int, sections: int) -> _Place:
    position, other, qualifier = place_of(cursor, question, (int, int, str), sections)
    return position, other, qualifier
