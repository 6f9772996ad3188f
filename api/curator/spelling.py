"""The schema as it is spelled in the database: the names that stand in queries, styles and the guide."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from api.curator.words import literal, name
from graph.schema import EdgeRole, EdgeSpec, EdgeType, GraphSchema, NodeSpec, PropertyKind
from graph.stored_names import SchemaNames, StoredNames


@dataclass(frozen=True, slots=True)
class Spelling:
    """Names as they stand in Cypher, in backticks where they need them.

    They differ from the schema's where the graph was adopted, or shares its database with another one.
    """

    schema: GraphSchema
    names: StoredNames = field(default_factory=SchemaNames)

    @property
    def item(self) -> NodeSpec:
        return self.schema.node(self.schema.item_type)

    def label(self, node_type: str) -> str:
        return name(self.names.plain_label(node_type))

    def key(self, node_type: str) -> str:
        """The property that identifies a node."""
        return name(self.names.plain_key(node_type))

    def property(self, node_type: str, property_name: str) -> str:
        return name(self.names.plain_node_property(node_type, property_name))

    def relation(self, edge_type: EdgeType) -> str:
        return name(self.names.plain_type(edge_type))

    def relations(self, edges: Iterable[EdgeSpec]) -> str:
        """Several as an alternative, each once."""
        return "|".join(dict.fromkeys(self.relation(edge.edge_type) for edge in edges))

    def weight(self, edge_type: EdgeType) -> str:
        """The property that holds a relation's weight; absent means 1."""
        return name(self.names.plain_edge_cell(edge_type, "weight"))

    def own(self, text: str) -> str:
        """A bookkeeping label."""
        return name(self.names.prefixed(text))

    def plain_caption(self, node_type: str) -> str:
        """The property that names a node to people: the title, else the key."""
        title = self.schema.node(node_type).title
        return self.names.plain_key(node_type) if title is None else self.names.plain_node_property(node_type, title)

    def caption(self, node_type: str) -> str:
        return name(self.plain_caption(node_type))

    def node(self, variable: str, node_type: str, node_id: str) -> str:
        """The pattern of one node."""
        return f"({variable}:{self.label(node_type)} {{{self.key(node_type)}: {literal(node_id)}}})"

    def ours(self, variable: str) -> str:
        """The condition that a node is the graph's and no bookkeeping."""
        prefix = self.names.prefixed("")
        bookkeeping = f"any(label IN labels({variable}) WHERE label STARTS WITH '{prefix}Kindred')"
        if not prefix:
            return f"NOT {bookkeeping}"
        return f"any(label IN labels({variable}) WHERE label STARTS WITH '{prefix}') AND NOT {bookkeeping}"

    def mark(self, property_name: str) -> str | None:
        """A boolean by which curators mark items; ``None`` where this graph has no such property."""
        if self.item.properties.get(property_name) is not PropertyKind.BOOLEAN:
            return None
        return self.property(self.item.name, property_name)

    def item_edges(self, role: EdgeRole) -> tuple[EdgeSpec, ...]:
        """Edge types of one role that begin at an item, in schema order."""
        return tuple(spec for spec in self.schema.edges_with(role) if spec.source == self.item.name)
