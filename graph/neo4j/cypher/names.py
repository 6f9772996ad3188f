"""What the types of the schema are called in the database, and the only way a name gets into Cypher."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field

from graph.errors import SettingsError
from graph.schema import EdgeType, GraphSchema

EDGE_CELLS = ("qualifier", "weight", "timestamp_ms")
"""What every relationship may carry beside the schema's properties; a default is not written out."""

META, TURN, BATCH, TOMBSTONE = "KindredMeta", "KindredTurn", "KindredBatch", "KindredTombstone"
"""The labels of Kindred's own bookkeeping; queries and styles of curators can leave them out."""


def quoted(name: str) -> str:
    """The name as Cypher takes it, whatever is in it."""
    return "`" + name.replace("`", "``") + "`"


class AdoptedNode(BaseModel):
    """A node type that lives under a label Kindred did not choose."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str = Field(min_length=1, max_length=200)
    key: str = Field(default="id", min_length=1, max_length=200)
    properties: dict[str, str] = Field(default_factory=dict)
    """Property of the schema → property in the database; one that is not named keeps its name."""


class AdoptedEdge(BaseModel):
    """An edge type that lives under a relationship type Kindred did not choose."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: str = Field(min_length=1, max_length=200)
    properties: dict[str, str] = Field(default_factory=dict)
    """As for nodes; ``weight``, ``timestamp_ms`` and ``qualifier`` may be named too."""


class Adopted(BaseModel):
    """Every name of an adopted graph that differs from the schema's; kept beside the schema."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    nodes: dict[str, AdoptedNode] = Field(default_factory=dict)
    edges: dict[str, AdoptedEdge] = Field(default_factory=dict)
    """By ``Source-RELATION-Target``."""


@dataclass(frozen=True, slots=True)
class Names:
    """Quoted names of labels, relationship types and properties.

    They come from the schema's allow-list or from an adoption; ``graph`` keeps several graphs apart in one database
    (the Community edition has one) by a prefix of every label.
    """

    graph: str = ""
    adopted: Adopted = field(default_factory=Adopted)

    def prefixed(self, name: str) -> str:
        """A name that no other graph in the database has."""
        return f"{self.graph}_{name}" if self.graph else name

    def own(self, label: str) -> str:
        """The quoted label of a kind of bookkeeping node."""
        return quoted(self.prefixed(label))

    def plain_label(self, node_type: str) -> str:
        adopted = self.adopted.nodes.get(node_type)
        return adopted.label if adopted is not None else self.prefixed(node_type)

    def label(self, node_type: str) -> str:
        return quoted(self.plain_label(node_type))

    def plain_key(self, node_type: str) -> str:
        adopted = self.adopted.nodes.get(node_type)
        return adopted.key if adopted is not None else "id"

    def key(self, node_type: str) -> str:
        """The quoted property that holds a node's id."""
        return quoted(self.plain_key(node_type))

    def plain_type(self, edge_type: EdgeType) -> str:
        adopted = self.adopted.edges.get("-".join(edge_type))
        return adopted.type if adopted is not None else edge_type[1]

    def type(self, edge_type: EdgeType) -> str:
        """The quoted relationship type."""
        return quoted(self.plain_type(edge_type))

    def plain_node_property(self, node_type: str, name: str) -> str:
        adopted = self.adopted.nodes.get(node_type)
        if adopted is not None and name in adopted.properties:
            return adopted.properties[name]
        # A leading underscore is outside the schema's pattern for properties, so nothing can be in the way.
        return f"_{name}" if name == self.plain_key(node_type) else name

    def node_property(self, node_type: str, name: str) -> str:
        return quoted(self.plain_node_property(node_type, name))

    def edge_property(self, edge_type: EdgeType, name: str) -> str:
        adopted = self.adopted.edges.get("-".join(edge_type))
        if adopted is not None and name in adopted.properties:
            return quoted(adopted.properties[name])
        return quoted(f"_{name}" if name in EDGE_CELLS else name)

    def plain_edge_cell(self, edge_type: EdgeType, name: str) -> str:
        adopted = self.adopted.edges.get("-".join(edge_type))
        return adopted.properties.get(name, name) if adopted is not None else name

    def edge_cell(self, edge_type: EdgeType, name: str) -> str:
        """The quoted property that holds an edge's weight, time or qualifier."""
        return quoted(self.plain_edge_cell(edge_type, name))


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The stored schema with the names its types have in this database."""

    schema: GraphSchema
    names: Names
    version: str
    """Changes with the schema and with the names."""


def checked_graph_name(name: str) -> str:
    """The name, when it can prefix a label."""
    if not (name.isascii() and name.isalnum() and name[0].isalpha() and len(name) <= 40):
        raise SettingsError(
            "the graph's name cannot be used",
            expected="a letter, then at most 39 letters and digits",
            got=name,
            remedy="Name another graph: neo4j://host/database?graph=NAME.",
        )
    return name
