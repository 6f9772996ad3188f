"""How paths are walked in the database: many nodes with each question."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from neo4j import Transaction

from graph.neo4j.cypher import statements
from graph.neo4j.cypher.names import Catalogue
from graph.neo4j.rows import read_edge
from graph.records import Edge, NodeKey, Path
from graph.schema import EdgeType
from graph.trails import TrailSearch


class PathSearch(TrailSearch[NodeKey, Edge]):
    """The paths of one question; of parallel edges the first by qualifier stands for all."""

    def __init__(self, transaction: Transaction, catalogue: Catalogue, edge_types: Sequence[EdgeType] | None) -> None:
        super().__init__()
        self._transaction = transaction
        self._catalogue = catalogue
        self._edges = walked_edges(catalogue, edge_types)

    def read(self, nodes: list[NodeKey]) -> Iterable[tuple[NodeKey, list[tuple[NodeKey, Edge]]]]:
        by_type: dict[str, list[str]] = {}
        for node_type, node_id in nodes:
            by_type.setdefault(node_type, []).append(node_id)
        around: dict[NodeKey, list[tuple[NodeKey, Edge]]] = {node: [] for node in nodes}
        for spec_type in self._edges:
            for direction, near, far in (("out", spec_type[0], spec_type[2]), ("in", spec_type[2], spec_type[0])):
                for node, other, edge in self._steps_of(spec_type, direction, by_type.get(near, []), (near, far)):
                    around[node].append((other, edge))
        return around.items()

    def _steps_of(
        self, edge_type: EdgeType, direction: str, node_ids: list[str], types: tuple[str, str]
    ) -> Iterator[tuple[NodeKey, NodeKey, Edge]]:
        if not node_ids:
            return
        spec = self._catalogue.schema.edge(edge_type)
        statement = statements.steps_around(self._catalogue.names, spec, direction)
        first: dict[tuple[str, str], Edge] = {}
        for node_id, other, cells in self._transaction.run(statement, ids=node_ids, limit=self.edges_left).values():
            if isinstance(other, str):
                ends = (node_id, other) if direction == "out" else (other, node_id)
                edge = read_edge(spec, ends, cells)
                known = first.get((node_id, other))
                if known is None or edge.qualifier < known.qualifier:
                    first[node_id, other] = edge
        for (node_id, other), edge in sorted(first.items(), key=lambda item: item[0]):
            yield (types[0], node_id), (types[1], other), edge


def walked_edges(catalogue: Catalogue, edge_types: Sequence[EdgeType] | None) -> list[EdgeType]:
    """The edge types to walk; :class:`~graph.errors.SchemaError` for one that is not there."""
    schema = catalogue.schema
    if edge_types is None:
        return sorted(spec.edge_type for spec in schema.edges)
    return sorted({schema.edge(edge_type).edge_type for edge_type in edge_types})


def path_of(nodes: Sequence[NodeKey], edges: Sequence[Edge]) -> Path:
    """A trail as a path."""
    return Path(tuple(nodes), tuple(edges))
