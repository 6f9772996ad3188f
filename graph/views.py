"""A neighbourhood as a networkx graph, for notebooks and the page; nothing on a hot path."""

from __future__ import annotations

import networkx as nx

from graph.errors import NotFound
from graph.records import NodeKey
from graph.schema import EdgeType
from graph.snapshot import NO_TIME
from graph.view import GraphView


def neighborhood(
    view: GraphView, node_type: str, node_id: str, *, hops: int = 1, limit: int = 100
) -> nx.MultiDiGraph[NodeKey]:
    """The graph around a node: nodes ``(node_type, node_id)`` within ``hops`` edges, at most ``limit`` of them.

    Nodes carry ``node_type``, ``title`` and ``hop``, edges ``relation``, ``weight`` and ``timestamp_s`` where known.
    Nearer nodes come first; at one distance edge types follow the schema and rows are taken evenly, newest edges
    first, so that one popular relation does not crowd out the others. Every edge between two nodes that were
    taken is there.

    Raises:
        NotFound: when there is no such node.
        SchemaError: for a node type that the schema does not know.
    """
    view = view.frozen()
    index = view.index_of(node_type, node_id)
    if index is None:
        raise NotFound(f"no such {node_type}", got=node_id, remedy="Ids are exact; see kindred graph stats.")
    taken: dict[tuple[str, int], int] = {(node_type, index): 0}
    frontier = [(node_type, index)]
    for hop in range(1, hops + 1):
        reached: list[tuple[str, int]] = []
        lanes = [lane for node in frontier for lane in _lanes(view, *node, limit)]
        for place in range(max(map(len, lanes), default=0)):
            for lane in lanes:
                if place < len(lane) and len(taken) < limit and lane[place] not in taken:
                    taken[lane[place]] = hop
                    reached.append(lane[place])
        frontier = reached
    return _graph(view, taken)


def _lanes(view: GraphView, node_type: str, index: int, limit: int) -> list[list[tuple[str, int]]]:
    """The neighbours of a node by edge type and direction, newest first, each at most ``limit`` long."""
    lanes = []
    for spec in view.schema.edges:
        if spec.source == node_type:
            rows = view.neighbors(spec.edge_type, index, "out").indices[::-1]
            lanes.append([(spec.target, row) for row in dict.fromkeys(rows.tolist())][:limit])
        if spec.target == node_type:
            rows = view.neighbors(spec.edge_type, index, "in").indices[::-1]
            lanes.append([(spec.source, row) for row in dict.fromkeys(rows.tolist())][:limit])
    return [lane for lane in lanes if lane]


def _graph(view: GraphView, taken: dict[tuple[str, int], int]) -> nx.MultiDiGraph[NodeKey]:
    graph: nx.MultiDiGraph[NodeKey] = nx.MultiDiGraph()
    for (node_type, row), hop in taken.items():
        key = (node_type, view.id_of(node_type, row))
        graph.add_node(key, node_type=node_type, title=view.title(node_type, row), hop=hop)
    for spec in view.schema.edges:
        for node_type, row in taken:
            if node_type == spec.source:
                _add_edges(graph, view, spec.edge_type, row, taken)
    return graph


def _add_edges(
    graph: nx.MultiDiGraph[NodeKey],
    view: GraphView,
    edge_type: EdgeType,
    row: int,
    taken: dict[tuple[str, int], int],
) -> None:
    source, relation, target = edge_type
    neighbors = view.neighbors(edge_type, row)
    source_key = (source, view.id_of(source, row))
    columns = zip(neighbors.indices.tolist(), neighbors.weight.tolist(), neighbors.timestamp_s.tolist(), strict=True)
    for end, weight, timestamp_s in columns:
        if (target, end) in taken:
            facts: dict[str, object] = {"relation": relation, "weight": weight}
            if timestamp_s != NO_TIME:
                facts["timestamp_s"] = timestamp_s
            graph.add_edge(source_key, (target, view.id_of(target, end)), **facts)
