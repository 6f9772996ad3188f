"""What is written to and read from a graph store: batches, rows, changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from graph.schema import EdgeType

Value: TypeAlias = str | int | float | bool | list[str] | None
"""A property value; ``None`` in an upsert removes the property. Timestamps are integer milliseconds."""

Properties: TypeAlias = Mapping[str, Value]
NodeKey: TypeAlias = tuple[str, str]
"""``(node_type, node_id)``."""

Direction: TypeAlias = Literal["out", "in", "both"]


@dataclass(frozen=True, slots=True)
class UpsertNodes:
    """Create or update nodes of one type, column by column.

    ``properties`` are merged into what is stored, or replace it with ``replace=True``.
    ``expected_version`` (0 = must not exist) makes the write conditional, row by row.
    """

    node_type: str
    node_ids: Sequence[str]
    properties: Sequence[Properties] | None = None
    replace: bool = False
    expected_version: Sequence[int] | None = None


@dataclass(frozen=True, slots=True)
class UpsertEdges:
    """Create or update edges of one type, column by column.

    An edge is one row per ``(source, edge_type, target, qualifier)``; the qualifier (an invoice, an event
    id) keeps repeated interactions apart. A scalar ``weight`` holds for every row; a missing
    ``timestamp_ms`` (milliseconds since 1970, UTC) is ``None``. With ``create_missing`` absent end nodes
    are created without properties; without it an absent end is :class:`~graph.errors.NotFound`.
    """

    edge_type: EdgeType
    source_ids: Sequence[str]
    target_ids: Sequence[str]
    weight: Sequence[float] | float = 1.0
    timestamp_ms: Sequence[int | None] | None = None
    qualifiers: Sequence[str] | None = None
    properties: Sequence[Properties] | None = None
    create_missing: bool = False


@dataclass(frozen=True, slots=True)
class DeleteNodes:
    """Delete nodes and every edge at them; ids that are not there are ignored."""

    node_type: str
    node_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class DeleteEdges:
    """Delete edges; ``qualifiers=None`` deletes every parallel edge of each pair."""

    edge_type: EdgeType
    source_ids: Sequence[str]
    target_ids: Sequence[str]
    qualifiers: Sequence[str] | None = None


Mutation: TypeAlias = UpsertNodes | UpsertEdges | DeleteNodes | DeleteEdges


@dataclass(frozen=True, slots=True)
class Applied:
    """What one :meth:`GraphStore.apply` did: rows really changed, and the watermark after it.

    ``since`` is the watermark right before: nothing but these mutations lies between the two. ``None`` where a store
    cannot tell.
    """

    changed: int
    watermark: str
    since: str | None = None


@dataclass(frozen=True, slots=True)
class Node:
    node_type: str
    node_id: str
    properties: Properties
    version: int

    @property
    def key(self) -> NodeKey:
        return (self.node_type, self.node_id)


@dataclass(frozen=True, slots=True)
class Edge:
    edge_type: EdgeType
    source_id: str
    target_id: str
    qualifier: str = ""
    weight: float = 1.0
    timestamp_ms: int | None = None
    properties: Properties = field(default_factory=dict)
    version: int = 1


@dataclass(frozen=True, slots=True)
class Neighbor:
    """A node one edge away. ``direction`` is seen from the node asked about."""

    node: NodeKey
    edge: Edge
    direction: Literal["out", "in"]


@dataclass(frozen=True, slots=True)
class NeighborPage:
    neighbors: tuple[Neighbor, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Path:
    """A walk in the graph: ``nodes[i]`` and ``nodes[i + 1]`` are the ends of ``edges[i]``."""

    nodes: tuple[NodeKey, ...]
    edges: tuple[Edge, ...]


@dataclass(frozen=True, slots=True)
class NodeHit:
    """A node found by text, with a score that grows with relevance."""

    node: Node
    score: float


@dataclass(frozen=True, slots=True)
class Change:
    """The latest state of one row that changed, as of ``watermark``; ``record`` of a deleted row keeps its key."""

    operation: Literal["upsert", "delete"]
    record: Node | Edge
    watermark: str
    batch_id: str
    actor: str


@dataclass(frozen=True, slots=True)
class GraphStats:
    """Live nodes per type, live edges per edge type, and the size on disk in bytes (0 when unknown)."""

    nodes: Mapping[str, int]
    edges: Mapping[EdgeType, int]
    size_bytes: int
    watermark: str
