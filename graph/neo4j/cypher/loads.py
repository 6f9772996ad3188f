"""The statements of a load's chain: rows that are surely new, as columns, numbered one after the other from ``$first``.

A column is a parameter of its own, named ``c0``, ``c1`` and so on in the order given: that is less to send and to
unpack than a list a row.

A plain transaction (:func:`~graph.neo4j.cypher.statements.create_nodes` and ``create_edges``) sends rows instead, each
with its own number: a draft numbers rows of all types, new and changed, in the order they came in, so those of one type
and kind do not follow one another.
"""

from __future__ import annotations

from collections.abc import Sequence

from graph.neo4j.cypher.names import Names, quoted
from graph.neo4j.cypher.statements import edge_column
from graph.schema import EdgeSpec, NodeSpec

_ROWS = "UNWIND range(0, size($c0) - 1) AS at"


def create_nodes(names: Names, spec: NodeSpec, columns: Sequence[str]) -> str:
    """Nodes from their ids and the ``columns``; the server's names of them come back in one list."""
    cells = [f"{names.key(spec.name)}: $c0[at]", "_seq: $first + at"]
    for number, name in enumerate(columns, 1):
        key = quoted(name) if name == "_version" else names.node_property(spec.name, name)
        cells.append(f"{key}: $c{number}[at]")
    return f"""
        {_ROWS} CREATE (n:{names.label(spec.name)} {{{", ".join(cells)}}})
        RETURN count(*) AS count, collect(elementId(n)) AS elements
    """


def create_edges(names: Names, spec: EdgeSpec, columns: Sequence[str]) -> str:
    """Edges from sources, targets and the ``columns``, as the everyday statements name them (``edge_column``)."""
    source, target = names.label(spec.source), names.label(spec.target)
    return f"""
        {_ROWS}
        MATCH (s:{source} {{{names.key(spec.source)}: $c0[at]}})
        MATCH (t:{target} {{{names.key(spec.target)}: $c1[at]}})
        {_create(names, spec, columns)}
    """


def create_edges_of_elements(names: Names, spec: EdgeSpec, columns: Sequence[str]) -> str:
    """The same where the server's names of the ends are known: ``$sources`` and ``$targets``.

    An element's name may be another node's by now, if somebody has deleted ours: so label and id are looked at. They
    are not in the pattern, where the planner would look for all nodes of the label instead.
    """
    is_source = f"s:{names.label(spec.source)} AND s.{names.key(spec.source)} = $c0[at]"
    is_target = f"t:{names.label(spec.target)} AND t.{names.key(spec.target)} = $c1[at]"
    return f"""
        {_ROWS}
        MATCH (s) WHERE elementId(s) = $sources[at]
        MATCH (t) WHERE elementId(t) = $targets[at]
        WITH s, t, at, {is_source} AND {is_target} AS still WHERE still
        {_create(names, spec, columns)}
    """


def _create(names: Names, spec: EdgeSpec, columns: Sequence[str]) -> str:
    cells = ["_seq: $first + at"]
    cells += [f"{edge_column(names, spec, name)}: $c{number}[at]" for number, name in enumerate(columns, 2)]
    return f"CREATE (s)-[:{names.type(spec.edge_type)} {{{', '.join(cells)}}}]->(t) RETURN count(*) AS count"
