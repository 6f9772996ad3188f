"""Paths between two nodes: both ends are walked outwards until the walks meet."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

from graph.errors import InputError
from graph.records import Edge, NodeKey, Path
from graph.schema import EdgeType
from graph.sqlite.catalogue import Catalogue
from graph.values import loaded_properties

_MAX_EDGES_READ = 200_000
_MAX_TRAILS = 200_000
_MAX_HOPS = 8

_OUT = """
    SELECT target, min(qualifier) FROM edges WHERE edge_type = ? AND source = ? AND NOT deleted GROUP BY target LIMIT ?
"""
_IN = """
    SELECT source, min(qualifier) FROM edges WHERE edge_type = ? AND target = ? AND NOT deleted GROUP BY source LIMIT ?
"""
_NODE = "SELECT node_type, node_id FROM nodes WHERE id = ?"
_EDGE = """
    SELECT weight, timestamp_ms, properties, version FROM edges
    WHERE edge_type = ? AND source = ? AND target = ? AND qualifier = ?
"""

_Step = tuple[int, int, int, str]
"""An edge as stored: edge type, source, target, qualifier."""

_Trail = tuple[tuple[int, ...], tuple[_Step, ...]]
"""Nodes walked from one end, and the steps between them."""


class PathSearch:
    """The paths of one question. Work is bounded: behind very large hubs some paths are not found.

    Of parallel edges of one type between two nodes the first by qualifier stands for all.
    """

    def __init__(
        self, connection: sqlite3.Connection, catalogue: Catalogue, edge_types: Sequence[EdgeType] | None
    ) -> None:
        self._connection = connection
        self._catalogue = catalogue
        chosen = catalogue.edge_types if edge_types is None else edge_types
        self._edge_types = sorted({catalogue.edge_type(edge_type) for edge_type in chosen})
        self._steps: dict[int, list[tuple[int, _Step]]] = {}
        self._edges_left = _MAX_EDGES_READ
        self._trails_left = _MAX_TRAILS

    def between(self, source: int, target: int, max_hops: int, limit: int) -> list[Path]:
        """At most ``limit`` paths of at most ``max_hops`` edges, shortest first; none from a node to itself."""
        if not 1 <= max_hops <= _MAX_HOPS:
            raise InputError("max_hops cannot be used", expected=f"1 to {_MAX_HOPS}", got=max_hops)
        if limit < 1:
            raise InputError("the limit cannot be used", expected="at least 1", got=limit)
        found: list[Path] = []
        if source == target:
            return found
        ahead: list[_Trail] = [((source,), ())]
        behind: list[_Trail] = [((target,), ())]
        for _ in range(max_hops):
            # The smaller side walks: work grows with the degree of what is walked through.
            if len(ahead) <= len(behind):
                ahead = self._walked(ahead, target)
            else:
                behind = self._walked(behind, source)
            for nodes, steps in _joined(ahead, behind):
                found.append(self._path(nodes, steps))
                if len(found) == limit:
                    return found
        return found

    def _walked(self, trails: list[_Trail], end: int) -> list[_Trail]:
        """Every trail one step longer, in every direction that does not come back or pass through ``end``."""
        longer: list[_Trail] = []
        for nodes, steps in trails:
            if nodes[-1] == end:
                continue
            for node, step in self._around(nodes[-1]):
                if node not in nodes:
                    if not self._trails_left:
                        return longer
                    self._trails_left -= 1
                    longer.append(((*nodes, node), (*steps, step)))
        return longer

    def _around(self, node: int) -> list[tuple[int, _Step]]:
        known = self._steps.get(node)
        if known is None:
            known = self._steps[node] = list(self._read(node))
            self._edges_left -= len(known)
        return known

    def _read(self, node: int) -> Iterator[tuple[int, _Step]]:
        for edge_type in self._edge_types:
            limit = max(0, self._edges_left)
            for other, qualifier in self._connection.execute(_OUT, (edge_type, node, limit)):
                yield other, (edge_type, node, other, qualifier)
            for other, qualifier in self._connection.execute(_IN, (edge_type, node, limit)):
                yield other, (edge_type, other, node, qualifier)

    def _path(self, nodes: tuple[int, ...], steps: tuple[_Step, ...]) -> Path:
        keys: dict[int, NodeKey] = {}
        for node in nodes:
            node_type, node_id = self._connection.execute(_NODE, (node,)).fetchone()
            keys[node] = (self._catalogue.node_names[node_type], node_id)
        edges = []
        for step in steps:
            edge_type, source, target, qualifier = step
            weight, timestamp_ms, properties, version = self._connection.execute(_EDGE, step).fetchone()
            edges.append(
                Edge(
                    edge_type=self._catalogue.edge_names[edge_type],
                    source_id=keys[source][1],
                    target_id=keys[target][1],
                    qualifier=qualifier,
                    weight=weight,
                    timestamp_ms=timestamp_ms,
                    properties=loaded_properties(properties),
                    version=version,
                )
            )
        return Path(tuple(keys[node] for node in nodes), tuple(edges))


def _joined(ahead: list[_Trail], behind: list[_Trail]) -> Iterator[_Trail]:
    """The walks from the source continued by those from the target, where they meet and nowhere else."""
    meeting: dict[int, list[_Trail]] = {}
    for nodes, steps in behind:
        meeting.setdefault(nodes[-1], []).append((nodes, steps))
    tries = _MAX_TRAILS
    for nodes, steps in ahead:
        for back_nodes, back_steps in meeting.get(nodes[-1], ()):
            tries -= 1
            if tries < 0:
                return
            if set(nodes).isdisjoint(back_nodes[:-1]):
                yield (*nodes, *back_nodes[-2::-1]), (*steps, *back_steps[::-1])
