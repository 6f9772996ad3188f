"""The graph schema: which node and edge types exist, and which role each plays."""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum
from typing import Annotated, Self, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from graph.errors import SchemaError

EdgeType: TypeAlias = tuple[str, str, str]
"""``(source node type, relation, target node type)``, as in PyG's ``HeteroData``."""

HIDDEN = "hidden"
"""The boolean property of an item by which a curator hides it from every list."""

_NODE_TYPE = re.compile(r"[A-Z][A-Za-z0-9]{0,62}\Z")
_RELATION = re.compile(r"[A-Z][A-Z0-9_]{0,62}\Z")
_PROPERTY = re.compile(r"[a-z][a-z0-9_]{0,62}\Z")


def _matches(pattern: re.Pattern[str], what: str) -> AfterValidator:
    def check(name: str) -> str:
        if not pattern.match(name):
            raise ValueError(f"{what} must match {pattern.pattern}, got {name!r}")
        return name

    return AfterValidator(check)


NodeTypeName: TypeAlias = Annotated[str, _matches(_NODE_TYPE, "node type")]
RelationName: TypeAlias = Annotated[str, _matches(_RELATION, "relation")]
PropertyName: TypeAlias = Annotated[str, _matches(_PROPERTY, "property")]


class NodeRole(StrEnum):
    """What a node type stands for in a recommendation."""

    USER = "user"
    ITEM = "item"
    ATTRIBUTE = "attribute"


class EdgeRole(StrEnum):
    """What an edge type stands for in a recommendation."""

    INTERACTION = "interaction"
    ATTRIBUTE = "attribute"
    ITEM_RELATION = "item_relation"
    HIERARCHY = "hierarchy"
    SOCIAL = "social"
    KNOWLEDGE = "knowledge"


class PropertyKind(StrEnum):
    """The type of one property's values."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"
    STRINGS = "strings"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NodeSpec(_Frozen):
    """One node type: its role, its properties, and which property is its display name."""

    name: NodeTypeName
    role: NodeRole
    properties: dict[PropertyName, PropertyKind] = Field(default_factory=dict)
    title: PropertyName | None = None
    text: str | None = None
    """Template of the text a text encoder reads, e.g. ``"{title}. {brand}. {description}"``."""

    @model_validator(mode="after")
    def _title_is_a_property(self) -> Self:
        if self.title is not None and self.title not in self.properties:
            raise ValueError(f"title {self.title!r} is not a property of {self.name}")
        return self


class EdgeSpec(_Frozen):
    """One edge type: its role, and for interactions its kind."""

    source: NodeTypeName
    relation: RelationName
    target: NodeTypeName
    role: EdgeRole
    kind: str | None = None
    """For interactions: ``view``, ``cart``, ``purchase``, ``rating``, ``return`` …"""
    positive: bool = True
    """Whether an interaction of this type speaks *for* the item (a return does not)."""
    learn: bool = True
    """Whether models may learn from it; derived and leaking relations are shown, not learned."""
    derived: bool = False
    """Computed from interactions by an ingest: nobody states or edits such an edge, the next ingest makes it anew."""
    holdout: bool = False
    """Interactions kept for testing only (a data set's own test file); never learned from."""
    words: str | None = None
    """How the relation reads in an explanation, e.g. ``"same brand"``."""
    properties: dict[PropertyName, PropertyKind] = Field(default_factory=dict)

    @property
    def edge_type(self) -> EdgeType:
        return (self.source, self.relation, self.target)

    @model_validator(mode="after")
    def _kind_belongs_to_interactions(self) -> Self:
        if (self.kind is not None) != (self.role is EdgeRole.INTERACTION):
            raise ValueError(f"{self.relation}: interactions, and only they, have a kind")
        return self


class GraphSchema(_Frozen):
    """Names node types and edge types with their roles; the allow-list of every name.

    Raises:
        SchemaError: through :meth:`parse`, when the description is inconsistent.
    """

    nodes: tuple[NodeSpec, ...]
    edges: tuple[EdgeSpec, ...] = ()

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        names = [node.name for node in self.nodes]
        for role in (NodeRole.USER, NodeRole.ITEM):
            holders = [node.name for node in self.nodes if node.role is role]
            if len(holders) != 1:
                raise ValueError(f"exactly one node type has the role {role}, got {holders}")
        if len(set(names)) != len(names):
            raise ValueError(f"node types must differ, got {names}")
        edge_types = [edge.edge_type for edge in self.edges]
        if len(set(edge_types)) != len(edge_types):
            raise ValueError(f"edge types must differ, got {edge_types}")
        for edge in self.edges:
            for end in (edge.source, edge.target):
                if end not in names:
                    raise ValueError(f"{edge.relation} names the unknown node type {end!r}")
            if edge.role is EdgeRole.INTERACTION and (edge.source, edge.target) != (
                self._name_of(NodeRole.USER),
                self._name_of(NodeRole.ITEM),
            ):
                raise ValueError(f"{edge.relation}: an interaction goes from the user to the item type")
        return self

    def _name_of(self, role: NodeRole) -> str:
        return next(node.name for node in self.nodes if node.role is role)

    @classmethod
    def parse(cls, document: object, *, where: str | None = None) -> GraphSchema:
        """The schema described by a JSON-like document or JSON text."""
        try:
            if isinstance(document, (str, bytes)):
                return cls.model_validate_json(document)
            return cls.model_validate(document)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise SchemaError(
                f"the graph schema is not usable: {place + ': ' if place else ''}{first['msg']}", where=where
            ) from error

    @property
    def user_type(self) -> str:
        return self._name_of(NodeRole.USER)

    @property
    def item_type(self) -> str:
        return self._name_of(NodeRole.ITEM)

    def node(self, node_type: str) -> NodeSpec:
        """The spec of ``node_type``; :class:`SchemaError` when the schema has no such type."""
        for spec in self.nodes:
            if spec.name == node_type:
                return spec
        raise SchemaError(
            "unknown node type",
            expected="one of " + ", ".join(spec.name for spec in self.nodes),
            got=node_type,
        )

    def edge(self, edge_type: EdgeType) -> EdgeSpec:
        """The spec of ``edge_type``; :class:`SchemaError` when the schema has no such type."""
        for spec in self.edges:
            if spec.edge_type == edge_type:
                return spec
        raise SchemaError(
            "unknown edge type",
            expected="one of " + ", ".join("-".join(spec.edge_type) for spec in self.edges),
            got="-".join(map(str, edge_type)),
        )

    def edges_with(self, role: EdgeRole) -> tuple[EdgeSpec, ...]:
        """The edge specs of one role, in schema order."""
        return tuple(spec for spec in self.edges if spec.role is role)

    def merged(self, other: GraphSchema) -> GraphSchema:
        """This schema plus the types of ``other``; a type in both is taken from ``other``."""
        nodes = {spec.name: spec for spec in (*self.nodes, *other.nodes)}
        edges = {spec.edge_type: spec for spec in (*self.edges, *other.edges)}
        return GraphSchema.parse({"nodes": tuple(nodes.values()), "edges": tuple(edges.values())})

    def to_json(self) -> str:
        return self.model_dump_json(exclude_defaults=True)

    @property
    def version(self) -> str:
        """Twelve hex digits that change with the schema's content."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:12]


def no_schema(where: str) -> SchemaError:
    """The error for a store that has no schema yet."""
    return SchemaError(
        "the graph has no schema yet", where=where, remedy="Ingest a source first, or call ensure_schema."
    )
