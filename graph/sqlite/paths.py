"""How paths are walked in the file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

from graph.records import Edge, NodeKey, Path
from graph.schema import EdgeType
from graph.sqlite.catalogue import Catalogue
from graph.trails import TrailSearch
from graph.values import loaded_properties

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
"""Edge type, source and target as the file's numbers, and the qualifier."""


class PathSearch(TrailSearch[int, _Step]):
    """The paths of one question; of parallel edges the first by qualifier stands for all."""

    def __init__(
        self, connection: sqlite3.Connection, catalogue: Catalogue, edge_types: Sequence[EdgeType] | None
    ) -> None:
        super().__init__()
        self._connection = connection
        self._catalogue = catalogue
        chosen = catalogue.edge_types if edge_types is None else edge_types
        self._edge_types = sorted({catalogue.edge_type(edge_type) for edge_type in chosen})

    def paths(self, source: int, target: int, max_hops: int, limit: int) -> list[Path]:
        """The trails as paths in the graph."""
        return [self._path(nodes, steps) for nodes, steps in self.between(source, target, max_hops, limit)]

    def read(self, nodes: list[int]) -> Iterator[tuple[int, list[tuple[int, _Step]]]]:
        return ((node, list(self._around(node))) for node in nodes)

    def _around(self, node: int) -> Iterator[tuple[int, _Step]]:
        for edge_type in self._edge_types:
            for other, qualifier in self._connection.execute(_OUT, (edge_type, node, self.edges_left)):
                yield other, (edge_type, node, other, qualifier)
            for other, qualifier in self._connection.execute(_IN, (edge_type, node, self.edges_left)):
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
