"""What a graph's types are called where they are kept: what people who write queries by hand have to know."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from graph.schema import EdgeType


class StoredNames(Protocol):
    """Names in the database for names of the schema, as they are: without quotes."""

    def prefixed(self, name: str) -> str:
        """The name of something of the store's own, a bookkeeping label or an index; the prefix alone for ``""``."""
        ...

    def plain_label(self, node_type: str) -> str: ...

    def plain_key(self, node_type: str) -> str:
        """The property that holds a node's id."""
        ...

    def plain_node_property(self, node_type: str, name: str) -> str: ...

    def plain_type(self, edge_type: EdgeType) -> str: ...

    def plain_edge_cell(self, edge_type: EdgeType, name: str) -> str:
        """The property that holds an edge's weight, time or qualifier."""
        ...


class SchemaNames:
    """The schema's own names: where nothing else is called otherwise."""

    def prefixed(self, name: str) -> str:
        return name

    def plain_label(self, node_type: str) -> str:
        return node_type

    def plain_key(self, node_type: str) -> str:
        return "id"

    def plain_node_property(self, node_type: str, name: str) -> str:
        return name

    def plain_type(self, edge_type: EdgeType) -> str:
        return edge_type[1]

    def plain_edge_cell(self, edge_type: EdgeType, name: str) -> str:
        return name


@runtime_checkable
class OpenToQueries(Protocol):
    """What a store may offer beside the protocol whose graph people ask and edit in its own language."""

    def stored_names(self) -> StoredNames: ...
