"""Edits of the graph as clients send them, and what they mean as mutations."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta, Struct

from api.http.limits import checked_id
from api.http.problems import InvalidField
from api.http.timestamps import timestamp_ms_of
from graph.records import DeleteEdges, DeleteNodes, Mutation, UpsertEdges, UpsertNodes, Value
from graph.schema import EdgeRole, EdgeSpec, GraphSchema

Key: TypeAlias = tuple[str, str]
"""A node as its type and id."""
MAX_EDITS = 100
PropertyValue: TypeAlias = str | bool | int | float | list[str] | None


class _Edit(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="do"):
    """Base of the edits; ``do`` says which."""


class AddNode(_Edit, frozen=True, kw_only=True, tag="add_node"):
    """A node, or more properties of one that is there."""

    node: Key
    properties: Annotated[dict[str, PropertyValue], Meta(max_length=100)] = msgspec.field(default_factory=dict)


class RemoveNode(_Edit, frozen=True, kw_only=True, tag="remove_node"):
    """A node, with every edge at it."""

    node: Key


class _EdgeEdit(_Edit, frozen=True, kw_only=True):
    edge: str
    source: Key = msgspec.field(name="from")
    target: Key = msgspec.field(name="to")


class AddEdge(_EdgeEdit, frozen=True, kw_only=True, tag="add_edge"):
    """An edge between two nodes that are there; an interaction without a ``timestamp`` happens now."""

    weight: float = 1.0
    timestamp: int | float | str | None = None


class RemoveEdge(_EdgeEdit, frozen=True, kw_only=True, tag="remove_edge"):
    """Every edge of this relation between the two."""


class SetProperty(_Edit, frozen=True, kw_only=True, tag="set_property"):
    """One property of a node; null removes it."""

    node: Key
    name: str
    value: PropertyValue = None


Edit: TypeAlias = AddNode | RemoveNode | AddEdge | RemoveEdge | SetProperty


def mutation_of(edit: Edit, schema: GraphSchema, now_ms: int, place: str) -> Mutation:
    """What an edit means; :class:`InvalidField` names the field (after ``place``) that cannot be used."""
    if isinstance(edit, AddNode):
        properties: dict[str, Value] = dict(edit.properties)
        return UpsertNodes(edit.node[0], [checked_id(edit.node[1], place + "node")], [properties])
    if isinstance(edit, RemoveNode):
        return DeleteNodes(edit.node[0], [checked_id(edit.node[1], place + "node")])
    if isinstance(edit, SetProperty):
        return UpsertNodes(edit.node[0], [checked_id(edit.node[1], place + "node")], [{edit.name: edit.value}])
    spec = _spec(edit, schema, place)
    source, target = checked_id(edit.source[1], place + "from"), checked_id(edit.target[1], place + "to")
    if isinstance(edit, RemoveEdge):
        return DeleteEdges(spec.edge_type, [source], [target])
    time: int | None = now_ms if spec.role is EdgeRole.INTERACTION else None
    if edit.timestamp is not None:
        time = timestamp_ms_of(edit.timestamp, now_ms, place + "timestamp")
    return UpsertEdges(spec.edge_type, [source], [target], weight=edit.weight, timestamp_ms=[time])


def _spec(edit: AddEdge | RemoveEdge, schema: GraphSchema, place: str) -> EdgeSpec:
    asked = (edit.source[0], edit.edge, edit.target[0])
    found = next((spec for spec in schema.edges if spec.edge_type == asked), None)
    if found is None:
        raise InvalidField(
            "the graph has no such edges",
            field=place + "edge",
            expected="one of " + ", ".join("-".join(spec.edge_type) for spec in schema.edges),
            got="-".join(asked),
            where=place + "edge",
        )
    return found
