"""The stored schema, and the small number each of its types has in the file."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from graph.schema import EdgeType, GraphSchema


@dataclass(frozen=True, slots=True)
class Catalogue:
    """A schema with the file's number of every node and edge type, both ways."""

    text: str
    schema: GraphSchema
    node_types: Mapping[str, int]
    edge_types: Mapping[EdgeType, int]
    node_names: Mapping[int, str]
    edge_names: Mapping[int, EdgeType]

    def node_type(self, name: str) -> int:
        """The number of a node type; :class:`~graph.errors.SchemaError` when there is none."""
        number = self.node_types.get(name)
        return self.node_types[self.schema.node(name).name] if number is None else number

    def edge_type(self, name: EdgeType) -> int:
        """The number of an edge type; :class:`~graph.errors.SchemaError` when there is none."""
        key = tuple(name)
        number = self.edge_types.get(key) if len(key) == 3 else None
        return self.edge_types[self.schema.edge(name).edge_type] if number is None else number


def read_catalogue(connection: sqlite3.Connection, known: Catalogue | None = None) -> Catalogue | None:
    """The stored catalogue, None when no schema was ever ensured; ``known`` when it is still the same."""
    row = connection.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
    if row is None:
        return None
    text: str = row[0]
    if known is not None and known.text == text:
        return known
    nodes: dict[int, str] = dict(connection.execute("SELECT id, name FROM node_types"))
    rows = connection.execute("SELECT id, source, relation, target FROM edge_types")
    edges: dict[int, EdgeType] = {number: (source, relation, target) for number, source, relation, target in rows}
    return Catalogue(
        text=text,
        schema=GraphSchema.parse(text),
        node_types={name: number for number, name in nodes.items()},
        edge_types={name: number for number, name in edges.items()},
        node_names=nodes,
        edge_names=edges,
    )


def write_catalogue(connection: sqlite3.Connection, schema: GraphSchema) -> bool:
    """Whether the stored schema changed by merging ``schema`` into it; call inside a write transaction."""
    stored = read_catalogue(connection)
    merged = schema if stored is None else stored.schema.merged(schema)
    text = merged.to_json()
    if stored is not None and stored.text == text:
        return False
    connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('schema', ?)", (text,))
    connection.executemany(
        "INSERT INTO node_types (name) VALUES (?) ON CONFLICT DO NOTHING", [(spec.name,) for spec in merged.nodes]
    )
    connection.executemany(
        "INSERT INTO edge_types (source, relation, target) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        [spec.edge_type for spec in merged.edges],
    )
    return True
