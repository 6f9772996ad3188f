"""A row as the database has it, and the plain form our records take: wrong kinds made by hand are left out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, TypeAlias

from graph.records import Edge, Node, Value
from graph.schema import EdgeSpec, EdgeType, NodeSpec, PropertyKind

Table: TypeAlias = str | EdgeType
"""A node type or an edge type."""
NodeKey: TypeAlias = tuple[str, str]
EdgeKey: TypeAlias = tuple[EdgeType, str, str, str]


@dataclass(frozen=True, slots=True)
class EdgeCells:
    """What an edge holds beside its ends."""

    qualifier: str
    weight: float
    timestamp_ms: int | None
    version: int
    properties: dict[str, Value]


def read_value(kind: PropertyKind, value: object) -> Value:
    """The value in its kind's plain form; None when it is of another kind and cannot count as this one."""
    if value is None:
        return None
    if kind is PropertyKind.STRING:
        return value if isinstance(value, str) else None
    if kind is PropertyKind.NUMBER:
        number = isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)
        return float(value) + 0.0 if number else None  # type: ignore[arg-type]
    if kind is PropertyKind.BOOLEAN:
        return value if isinstance(value, bool) else None
    if kind is PropertyKind.STRINGS:
        fits = isinstance(value, list) and all(isinstance(entry, str) for entry in value)
        return value if fits else None  # type: ignore[return-value]
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def read_properties(kinds: Mapping[str, PropertyKind], cells: Sequence[object]) -> dict[str, Value]:
    """The properties that are there, by name in sorted order; ``cells`` come in the order of the schema."""
    if not kinds:
        return {}
    found = {
        name: value
        for (name, kind), cell in zip(kinds.items(), cells, strict=True)
        if cell is not None and (value := read_value(kind, cell)) is not None
    }
    return dict(sorted(found.items()))


def read_cells(spec: EdgeSpec, cells: Sequence[Any]) -> EdgeCells:
    """An edge's cells from ``qualifier, weight, timestamp_ms, version, properties …``."""
    qualifier, weight, timestamp_ms, version, *rest = cells
    number = read_value(PropertyKind.NUMBER, weight)
    return EdgeCells(
        qualifier="" if qualifier is None else qualifier if isinstance(qualifier, str) else str(qualifier),
        weight=1.0 if number is None else number,  # type: ignore[arg-type]
        timestamp_ms=read_value(PropertyKind.TIMESTAMP, timestamp_ms),  # type: ignore[arg-type]
        version=version if isinstance(version, int) else 1,
        properties=read_properties(spec.properties, rest),
    )


def read_node(spec: NodeSpec, node_id: str, version: object, cells: Sequence[object]) -> Node:
    """The record of a node."""
    return Node(spec.name, node_id, read_properties(spec.properties, cells), version if isinstance(version, int) else 1)


def read_edge(spec: EdgeSpec, ends: tuple[str, str], cells: Sequence[Any]) -> Edge:
    """The record of an edge between two ids."""
    read = read_cells(spec, cells)
    return Edge(
        spec.edge_type,
        *ends,
        read.qualifier,
        read.weight,
        read.timestamp_ms,
        read.properties,
        read.version,
    )


def tombstone_record(key: NodeKey | EdgeKey) -> str:
    """What a tombstone says was deleted."""
    parts = list(key) if len(key) == 2 else [*key[0], *key[1:]]
    return json.dumps(parts, ensure_ascii=False, separators=(",", ":"))


def tombstone_key(record: str) -> str:
    """A short key of the record: an index takes no more than 8 kB."""
    return hashlib.sha256(record.encode()).hexdigest()


def buried(record: str, version: int) -> Node | Edge:
    """The record of a deleted row: its key and version."""
    parts = json.loads(record)
    if len(parts) == 2:
        return Node(parts[0], parts[1], {}, version)
    return Edge((parts[0], parts[1], parts[2]), parts[3], parts[4], parts[5], version=version)
