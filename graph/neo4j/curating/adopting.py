"""A graph that Kindred did not create: a small YAML says which label and relationship type plays which role."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from graph.curation import curated
from graph.errors import MappingError, NotFound
from graph.neo4j.cypher import statements
from graph.neo4j.cypher.names import EDGE_CELLS, Adopted, AdoptedEdge, AdoptedNode
from graph.neo4j.store import Neo4jStore
from graph.neo4j.wire.line import LONG_S
from graph.records import GraphStats
from graph.schema import EdgeRole, GraphSchema, NodeRole, PropertyKind


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class PropertyFrom(_Document):
    """A property under another name: ``{from: productName, kind: string}``."""

    stored: str = Field(alias="from", min_length=1, max_length=200)
    kind: PropertyKind = PropertyKind.STRING


class NodeFrom(_Document):
    """Where a node type's nodes are."""

    label: str
    key: str = "id"
    role: NodeRole
    title: str | None = None
    text: str | None = None
    properties: dict[str, PropertyKind | PropertyFrom] = Field(default_factory=dict)


class EdgeFrom(_Document):
    """Where an edge type's relationships are; ``weight``, ``timestamp_ms`` and ``qualifier`` name properties."""

    source: str
    relation: str
    target: str
    type: str
    role: EdgeRole
    kind: str | None = None
    positive: bool = True
    learn: bool = True
    words: str | None = None
    weight: str | None = None
    timestamp_ms: str | None = None
    qualifier: str | None = None
    properties: dict[str, PropertyKind | PropertyFrom] = Field(default_factory=dict)


class Adoption(_Document):
    """The whole mapping: node types by their name, and edge types."""

    nodes: dict[str, NodeFrom]
    edges: list[EdgeFrom] = Field(default_factory=list)

    def schema_and_names(self) -> tuple[GraphSchema, Adopted]:
        """The schema it describes, and where each of its names is found.

        Raises:
            SchemaError: when the roles do not fit together.
        """
        nodes = [
            {"name": name, "role": node.role, "title": node.title, "text": node.text}
            | {"properties": _kinds(node.properties)}
            for name, node in self.nodes.items()
        ]
        own = {"type", *EDGE_CELLS, "properties"}
        edges = [edge.model_dump(exclude=own) | {"properties": _kinds(edge.properties)} for edge in self.edges]
        schema = curated(GraphSchema.parse({"nodes": nodes, "edges": edges}), self._names_in_use())
        adopted = Adopted(
            nodes={
                name: AdoptedNode(label=node.label, key=node.key, properties=_stored(node.properties))
                for name, node in self.nodes.items()
            },
            edges={
                f"{edge.source}-{edge.relation}-{edge.target}": AdoptedEdge(
                    type=edge.type, properties=_stored(edge.properties) | _cells(edge)
                )
                for edge in self.edges
            },
        )
        return schema, adopted

    def _names_in_use(self) -> set[str]:
        """Property names of items, and relationship types, that the mapping gives another meaning."""
        items = [node for node in self.nodes.values() if node.role is NodeRole.ITEM]
        stored = {name for node in items for name in (node.key, *_stored(node.properties).values())}
        return stored | {edge.type for edge in self.edges}


def _kinds(properties: dict[str, PropertyKind | PropertyFrom]) -> dict[str, PropertyKind]:
    return {name: one.kind if isinstance(one, PropertyFrom) else one for name, one in properties.items()}


def _stored(properties: dict[str, PropertyKind | PropertyFrom]) -> dict[str, str]:
    """Each property's name in the database: what the mapping says is exactly where it is."""
    return {name: one.stored if isinstance(one, PropertyFrom) else name for name, one in properties.items()}


def _cells(edge: EdgeFrom) -> dict[str, str]:
    return {cell: stored for cell in EDGE_CELLS if (stored := getattr(edge, cell)) is not None}


def read_adoption(path: Path) -> Adoption:
    """The mapping in a YAML file.

    Raises:
        NotFound: when there is no such file.
        MappingError: when it is not a mapping.
    """
    try:
        return Adoption.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise NotFound("no such mapping file", got=str(path)) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise MappingError(
            f"the mapping cannot be used: {place}: {first['msg']}", where=str(path), remedy="See docs/neo4j.md."
        ) from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise MappingError("the mapping cannot be read", expected="YAML in UTF-8", where=str(path)) from error


def adopt(store: Neo4jStore, adoption: Adoption) -> tuple[GraphStats, dict[str, int]]:
    """What the adopted graph holds, and by node type how many nodes have no usable key and stay unseen."""
    schema, adopted = adoption.schema_and_names()
    store.adopt(schema, adopted)
    names = store.knowledge.catalogue(fresh=True).names
    unseen = {}
    for spec in schema.nodes:
        (row,) = store.line.command(statements.count_unkeyed_nodes(names, spec.name), timeout_s=LONG_S)
        if row["count"]:
            unseen[spec.name] = row["count"]
    return store.stats(), unseen
