"""The neighbours of one node, a page at a time, in the order of their ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from neo4j import Transaction

from graph.cursors import cursor_at, place_of, question_mark
from graph.errors import InputError, NotFound
from graph.neo4j.cypher import statements
from graph.neo4j.cypher.names import Catalogue
from graph.neo4j.rows import read_edge
from graph.records import Direction, Neighbor, NeighborPage, NodeKey
from graph.schema import EdgeType, GraphSchema
from graph.values import check_limit

Section = tuple[Literal["out", "in"], EdgeType]
"""A direction and an edge type; neighbours are listed section by section."""

_MAX_LIMIT = 100_000


def sections_of(
    schema: GraphSchema, node_type: str, edge_types: Sequence[EdgeType] | None, direction: Direction
) -> list[Section]:
    """The edge types a node of ``node_type`` can have neighbours by, outgoing ones first.

    Raises:
        SchemaError: for a type that the schema does not have.
    """
    schema.node(node_type)
    wanted = None if edge_types is None else {schema.edge(edge_type).edge_type for edge_type in edge_types}
    directions: tuple[Literal["out", "in"], ...] = ("out", "in") if direction == "both" else (direction,)
    if not set(directions) <= {"out", "in"}:
        raise InputError("the direction cannot be used", expected="out, in or both", got=direction)
    return [
        (one, edge_type)
        for one in directions
        for edge_type in sorted(spec.edge_type for spec in schema.edges)
        if edge_type[0 if one == "out" else 2] == node_type and (wanted is None or edge_type in wanted)
    ]


def neighbor_page(
    transaction: Transaction,
    catalogue: Catalogue,
    key: NodeKey,
    sections: Sequence[Section],
    limit: int,
    cursor: str | None,
) -> NeighborPage:
    """At most ``limit`` neighbours after ``cursor``; the node is there."""
    check_limit(limit)
    limit = min(limit, _MAX_LIMIT)
    question = question_mark([key, sections])
    position, last_other, last_qualifier = (
        (0, "", "") if cursor is None else place_of(cursor, question, (int, str, str), len(sections))
    )
    found: list[Neighbor] = []
    place: tuple[int, str, str] = (position, last_other, last_qualifier)
    for at in range(position, len(sections)):
        direction, edge_type = sections[at]
        spec = catalogue.schema.edge(edge_type)
        other, qualifier = (last_other, last_qualifier) if at == position else ("", "")
        rows = transaction.run(
            statements.neighbor_section(catalogue.names, spec, direction),
            id=key[1],
            other=other,
            qualifier=qualifier,
            limit=limit - len(found) + 1,
        ).values()
        for other, cells in rows:
            if len(found) == limit:
                return NeighborPage(tuple(found), cursor_at(question, place))
            ends = (key[1], other) if direction == "out" else (other, key[1])
            edge = read_edge(spec, ends, cells)
            found.append(Neighbor((edge_type[2] if direction == "out" else edge_type[0], other), edge, direction))
            place = (at, other, edge.qualifier)
    return NeighborPage(tuple(found), None)


def check_there(transaction: Transaction, catalogue: Catalogue, key: NodeKey) -> None:
    """Nothing, when the node is there; :class:`~graph.errors.NotFound` otherwise."""
    node_type, node_id = key
    spec = catalogue.schema.node(node_type)
    if not transaction.run(statements.find_nodes(catalogue.names, spec), ids=[node_id]).values():
        raise NotFound("the node is not there", expected=f"a {node_type} node", got=node_id)
