"""Single answers from the copied tables of one moment: nodes, neighbours, paths and search in plain Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa

from graph.cursors import cursor_at, place_of, question_mark
from graph.errors import NotFound
from graph.neo4j.reading.neighborhood import sections_of
from graph.neo4j.reading.paths import path_of
from graph.neo4j.reading.search import searched_types
from graph.records import Direction, Edge, Neighbor, NeighborPage, Node, NodeHit, NodeKey, Path
from graph.schema import EdgeType, GraphSchema
from graph.trails import TrailSearch
from graph.values import check_limit, loaded_properties, text_values
from graph.words import has_words, words_of


class RememberedGraph:
    """The graph as dictionaries; made when the first single answer is asked for."""

    def __init__(self, schema: GraphSchema, nodes: Mapping[str, pa.Table], edges: Mapping[EdgeType, pa.Table]) -> None:
        self._schema = schema
        self._nodes: dict[NodeKey, Node] = {}
        for node_type, table in nodes.items():
            for node_id, properties, version in zip(*(column.to_pylist() for column in table.columns), strict=True):
                self._nodes[node_type, node_id] = Node(node_type, node_id, loaded_properties(properties), version)
        self._edges: dict[tuple[EdgeType, str, str, str], Edge] = {}
        self._around: dict[tuple[str, EdgeType, str], list[tuple[str, Edge]]] = {}
        for edge_type, table in edges.items():
            for source, target, qualifier, weight, timestamp_ms, properties, version in zip(
                *(column.to_pylist() for column in table.columns), strict=True
            ):
                loaded = loaded_properties(properties)
                edge = Edge(edge_type, source, target, qualifier, weight, timestamp_ms, loaded, version)
                self._edges[edge_type, source, target, qualifier] = edge
                self._around.setdefault(("out", edge_type, source), []).append((target, edge))
                self._around.setdefault(("in", edge_type, target), []).append((source, edge))

    def node(self, key: NodeKey) -> Node | None:
        return self._nodes.get(key)

    def record_like(self, record: Node | Edge) -> Node | Edge | None:
        """The row with the record's key."""
        if isinstance(record, Node):
            return self._nodes.get(record.key)
        return self._edges.get((record.edge_type, record.source_id, record.target_id, record.qualifier))

    def around(self, edge_type: EdgeType, direction: str, node_id: str) -> list[tuple[str, Edge]]:
        """The other end and the edge of every edge of a type at a node, by id and qualifier."""
        found = self._around.get((direction, edge_type, node_id), [])
        return sorted(found, key=lambda pair: (pair[0], pair[1].qualifier))

    def _check_there(self, key: NodeKey) -> None:
        if key not in self._nodes:
            raise NotFound("the node is not there", expected=f"a {key[0]} node", got=repr(key[1]))

    def neighbors(
        self,
        key: NodeKey,
        edge_types: Sequence[EdgeType] | None,
        direction: Direction,
        limit: int,
        cursor: str | None,
    ) -> NeighborPage:
        sections = sections_of(self._schema, key[0], edge_types, direction)
        self._check_there(key)
        check_limit(limit)
        question = question_mark([key, sections])
        place = (0, "", "") if cursor is None else tuple(place_of(cursor, question, (int, str, str), len(sections)))
        every = [
            ((at, other, edge.qualifier), Neighbor(((edge_type[2 if way == "out" else 0]), other), edge, way))
            for at, (way, edge_type) in enumerate(sections)
            for other, edge in self.around(edge_type, way, key[1])
        ]
        rest = [(where, neighbor) for where, neighbor in every if where > place]
        more = cursor_at(question, rest[limit - 1][0]) if len(rest) > limit else None
        return NeighborPage(tuple(neighbor for _, neighbor in rest[:limit]), more)

    def paths(
        self,
        source: NodeKey,
        target: NodeKey,
        max_hops: int,
        limit: int,
        edge_types: Sequence[EdgeType] | None,
    ) -> list[Path]:
        for key in (source, target):
            self._schema.node(key[0])
            self._check_there(key)
        chosen = [spec.edge_type for spec in self._schema.edges] if edge_types is None else edge_types
        kept = sorted({self._schema.edge(edge_type).edge_type for edge_type in chosen})
        return [path_of(*trail) for trail in _Trails(self, kept).between(source, target, max_hops, limit)]

    def search(self, text: str, node_type: str | None, limit: int) -> list[NodeHit]:
        check_limit(limit)
        types = [spec.name for spec in searched_types(self._schema, node_type)]
        words = words_of(text)
        exact = [NodeHit(self._nodes[name, text], 2.0) for name in types if (name, text) in self._nodes]
        hits = [
            NodeHit(node, 1.0)
            for node in (self._nodes.values() if words else ())
            if node.node_type in types
            and node.node_id != text
            and has_words("\n".join((node.node_id, *text_values(node.properties))), words)
        ]
        return [*exact, *hits][:limit]


class _Trails(TrailSearch[NodeKey, Edge]):
    def __init__(self, graph: RememberedGraph, edge_types: Sequence[EdgeType]) -> None:
        super().__init__()
        self._graph = graph
        self._edge_types = edge_types

    def read(self, nodes: list[NodeKey]) -> Iterable[tuple[NodeKey, list[tuple[NodeKey, Edge]]]]:
        for node in nodes:
            around: dict[tuple[EdgeType, str, str], tuple[NodeKey, Edge]] = {}
            for edge_type in self._edge_types:
                for way, near, far in (("out", edge_type[0], edge_type[2]), ("in", edge_type[2], edge_type[0])):
                    if near == node[0]:
                        for other, edge in self._graph.around(edge_type, way, node[1]):
                            around.setdefault((edge_type, way, other), ((far, other), edge))
            yield node, list(around.values())
