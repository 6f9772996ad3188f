"""The rows a draft is made of, and what it asks of the database."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from typing import Protocol

from graph.neo4j.rows import EdgeKey, NodeKey
from graph.records import Value
from graph.schema import EdgeSpec, NodeSpec


@dataclass(slots=True)
class NodeRow:
    """A node as it will be."""

    version: int = 0
    properties: dict[str, Value] = field(default_factory=dict)
    live: bool = False
    stored: bool = False
    """Whether the database has it as it is to be kept; False after a delete in this transaction."""
    buried: bool = False
    """Whether the database has a tombstone of it."""
    doomed: bool = False
    """Whether the database's node has to go."""
    sequence: int = 0
    """0 for a row that this transaction does not change."""


@dataclass(slots=True)
class EdgeRow:
    """An edge as it will be."""

    version: int = 0
    weight: float = 1.0
    timestamp_ms: int | None = None
    properties: dict[str, Value] = field(default_factory=dict)
    live: bool = False
    element: str | None = None
    """The driver's name of the relationship, good inside the transaction."""
    twins: tuple[str, ...] = ()
    """Relationships made by hand beside it with the same ends and qualifier: they go when it goes."""
    buried: bool = False
    sequence: int = 0


class State(Protocol):
    """What the database holds now."""

    def nodes(self, spec: NodeSpec, node_ids: Sequence[str]) -> dict[str, NodeRow]: ...

    def live(self, node_type: str) -> Set[str]:
        """Nodes that need not be asked for: they are there. Most states know of none."""
        ...

    def doubtful(self, spec: EdgeSpec, keys: Sequence[tuple[str, str, str]]) -> Sequence[tuple[str, str, str]]:
        """Edges of these that may be there: (source, target, qualifier). The others are surely not."""
        ...

    def edges(self, spec: EdgeSpec, pairs: Sequence[tuple[str, str]]) -> list[tuple[EdgeKey, EdgeRow]]: ...

    def edges_at(self, spec: EdgeSpec, end: str, node_ids: Sequence[str]) -> list[tuple[EdgeKey, EdgeRow]]: ...

    def buried(self, keys: Sequence[NodeKey | EdgeKey]) -> dict[NodeKey | EdgeKey, int]: ...
