"""The mapping document: the graph it makes, the tables it reads, and the checks across both."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from graph.curation import curated
from graph.schema import (
    EdgeRole,
    EdgeSpec,
    GraphSchema,
    NodeRole,
    NodeSpec,
    NodeTypeName,
    PropertyKind,
    PropertyName,
    RelationName,
)
from ingest.mapping.base import ONE_OR_MANY, TEXT_KEYS, Part, Text
from ingest.mapping.rules import Derivations, EdgeLabel
from ingest.mapping.tables import Table

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


class Property(Part):
    """A property: its kind, and which value wins when rows disagree."""

    kind: PropertyKind
    resolve: Literal["most_frequent", "smallest", "largest", "longest"] = Field(
        "most_frequent", description="Ties go to the smallest value, so the order of the rows never matters."
    )


def _kind_alone(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


PropertyLike = Annotated[Property, BeforeValidator(_kind_alone)]


class NodeType(Part):
    """A node type of the graph this mapping makes."""

    role: NodeRole = NodeRole.ATTRIBUTE
    title: PropertyName | None = Field(None, description="The property that is its display name.")
    text: str | None = Field(
        None, description="Template of the text an encoder reads: properties, and relations for the names they lead to."
    )
    properties: dict[PropertyName, PropertyLike] = Field(default_factory=dict)


class EdgeTypeEntry(Part):
    """An edge type of the graph this mapping makes; its key is the relation unless `relation` says otherwise."""

    source: NodeTypeName
    target: NodeTypeName
    role: EdgeRole
    relation: RelationName | None = None
    kind: str | None = None
    positive: bool = True
    learn: bool = True
    holdout: bool = False
    words: str | None = None
    properties: dict[PropertyName, PropertyLike] = Field(default_factory=dict)
    repeat: Literal["latest", "earliest", "largest", "sum"] = Field(
        "latest",
        description="Which row is kept of several with the same ends and qualifier (ties: the largest weight). "
        "`sum` adds the weights; then a row that comes twice counts twice.",
    )


class GraphEntry(Part):
    """The node types and edge types."""

    nodes: dict[NodeTypeName, NodeType]
    edges: dict[EdgeLabel, EdgeTypeEntry] = Field(default_factory=dict)


class MappingDocument(Part):
    """What a mapping file says: the graph to make, and the tables it is made from."""

    mapping: Literal[1] = Field(description="The version of this format.")
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    title: str = ""
    about: Annotated[tuple[str, ...], ONE_OR_MANY] = Field((), description="Origin, terms, quirks; for people.")
    folder: str | None = Field(None, description="The data's folder inside the data directory, when it is there.")
    variables: Annotated[dict[str, Text], TEXT_KEYS] = Field(
        default_factory=dict, description="Texts for ${name} in file names; the caller may replace them."
    )
    graph: GraphEntry
    tables: dict[str, Table] = Field(min_length=1)
    derive: Derivations = Derivations()

    def graph_schema(self) -> GraphSchema:
        """The graph schema, with the derived edge types in it."""
        nodes = [
            NodeSpec(
                name=name,
                role=node.role,
                properties={key: entry.kind for key, entry in node.properties.items()},
                title=node.title,
                text=node.text,
            )
            for name, node in self.graph.nodes.items()
        ]
        edges = [self.edge_spec(label) for label in self.graph.edges]
        if self.derive.next is not None:
            item = next(name for name, node in self.graph.nodes.items() if node.role is NodeRole.ITEM)
            edges.append(
                EdgeSpec(
                    source=item,
                    relation=self.derive.next.relation,
                    target=item,
                    role=EdgeRole.ITEM_RELATION,
                    learn=False,
                    derived=True,
                    words=self.derive.next.words,
                )
            )
        return curated(GraphSchema(nodes=tuple(nodes), edges=tuple(edges)))

    def edge_spec(self, label: str) -> EdgeSpec:
        """The edge type named ``label`` under `graph.edges`."""
        entry = self.graph.edges[label]
        return EdgeSpec(
            source=entry.source,
            relation=entry.relation or label,
            target=entry.target,
            role=entry.role,
            kind=entry.kind,
            positive=entry.positive,
            learn=entry.learn,
            holdout=entry.holdout,
            words=entry.words,
            properties={key: value.kind for key, value in entry.properties.items()},
        )

    @property
    def described_types(self) -> frozenset[str]:
        """Node types for which some rule makes nodes; an edge to any other type makes its own ends."""
        tables = self.tables.values()
        nodes = {rule.type for table in tables for rule in table.nodes}
        return frozenset(nodes | {rule.type for table in tables for rule in table.hierarchies})

    @property
    def next_labels(self) -> tuple[str, ...]:
        """The edge types that `derive.next` reads."""
        if self.derive.next is None:
            return ()
        return self.derive.next.interactions or tuple(
            label
            for label, entry in self.graph.edges.items()
            if entry.role is EdgeRole.INTERACTION and entry.positive and not entry.holdout
        )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        problems = list(self._unknown_names())
        if problems:
            raise ValueError(problems[0])
        self.graph_schema()
        return self

    def _unknown_names(self) -> Iterator[str]:
        nodes, edges = self.graph.nodes, self.graph.edges
        relations = {entry.relation or label for label, entry in edges.items()}
        for name, node in nodes.items():
            for placeholder in _PLACEHOLDER.findall(node.text or ""):
                if placeholder not in node.properties and placeholder not in relations:
                    yield f"graph.nodes.{name}.text names {placeholder!r}, which is neither a property nor a relation"
        for label in self.next_labels:
            if label not in edges:
                yield f"derive.next names the unknown edge type {label!r}; there are: {', '.join(edges)}"
        for name, table in self.tables.items():
            for place, rule in enumerate(table.nodes):
                where = f"tables.{name}.nodes.{place}"
                if rule.type not in nodes:
                    yield f"{where} names the unknown node type {rule.type!r}; there are: {', '.join(nodes)}"
                else:
                    yield from _unknown_properties(where, rule.properties, nodes[rule.type].properties)
            for place, edge_rule in enumerate(table.edges):
                where = f"tables.{name}.edges.{place}"
                for label in edge_rule.labels:
                    if label not in edges:
                        yield f"{where} names the unknown edge type {label!r}; there are: {', '.join(edges)}"
                    else:
                        yield from _unknown_properties(where, edge_rule.properties, edges[label].properties)
            for place, hierarchy in enumerate(table.hierarchies):
                where = f"tables.{name}.hierarchies.{place}"
                if hierarchy.type not in nodes:
                    yield f"{where} names the unknown node type {hierarchy.type!r}"
                elif hierarchy.edge not in edges:
                    yield f"{where} names the unknown edge type {hierarchy.edge!r}"
                elif hierarchy.title is not None and hierarchy.title not in nodes[hierarchy.type].properties:
                    yield f"{where}.title: {hierarchy.title!r} is not a property of {hierarchy.type}"
            yield from self._unknown_tables(name, table)

    def _unknown_tables(self, name: str, table: Table) -> Iterator[str]:
        for reference in _references(table):
            if reference not in self.tables:
                yield f"tables.{name} looks into the unknown table {reference!r}; there are: {', '.join(self.tables)}"
            elif next(_references(self.tables[reference]), None) is not None:
                yield f"tables.{name} looks into {reference!r}, which itself looks into others; that is not supported"


def _unknown_properties(where: str, used: dict[str, Any], known: dict[str, Any]) -> Iterator[str]:
    for name in used:
        if name not in known:
            yield f"{where}.properties: {name!r} is not declared under `graph`; there are: {', '.join(known) or 'none'}"


def _references(part: object) -> Iterator[str]:
    """Names of the tables a part of a mapping looks into, however deep."""
    if isinstance(part, (tuple, list)):
        for entry in part:
            yield from _references(entry)
    elif isinstance(part, dict):
        for entry in part.values():
            yield from _references(entry)
    elif isinstance(part, Part):
        target = getattr(part, "table", None)
        if isinstance(target, str):
            yield target
        for field in type(part).model_fields:
            yield from _references(getattr(part, field))
