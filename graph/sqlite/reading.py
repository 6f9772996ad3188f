"""A reader of the graph at one moment."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path as FilePath

import pyarrow as pa

from graph.errors import InputError, NotFound
from graph.records import Change, Direction, GraphStats, NeighborPage, Node, NodeHit, NodeKey, Path
from graph.schema import EdgeType, GraphSchema
from graph.sqlite.catalogue import Catalogue
from graph.sqlite.changes import changes
from graph.sqlite.exporting import edge_batches, node_batches
from graph.sqlite.neighborhood import neighbor_page, sections_of
from graph.sqlite.paths import PathSearch
from graph.sqlite.search import match_expression
from graph.sqlite.transaction import last_sequence
from graph.values import loaded_properties, watermark_number

_NODE = "SELECT id, properties, version FROM nodes WHERE node_type = ? AND node_id = ? AND NOT deleted"
_KNOWN = """
    SELECT node_id FROM nodes
    WHERE node_type = ? AND node_id IN (SELECT value FROM json_each(?)) AND NOT deleted
"""
_SEARCH = """
    SELECT n.node_type, n.node_id, n.properties, n.version, -bm25(node_text, 4.0, 1.0) AS score
    FROM node_text CROSS JOIN nodes AS n ON n.id = node_text.rowid
    WHERE node_text MATCH ? AND (? IS NULL OR n.node_type = ?)
    ORDER BY score DESC, n.id LIMIT ?
"""
_NODE_COUNTS = "SELECT node_type, count(*) FROM nodes WHERE NOT deleted GROUP BY node_type"
_EDGE_COUNTS = "SELECT edge_type, count(*) FROM edges WHERE NOT deleted GROUP BY edge_type"
_MAX_LIMIT = 100_000


class SqliteReader:
    """A :class:`~graph.store.GraphReader` over a connection that is inside a read transaction."""

    def __init__(self, connection: sqlite3.Connection, catalogue: Catalogue, path: FilePath) -> None:
        self._connection = connection
        self._catalogue = catalogue
        self._path = path

    @property
    def schema(self) -> GraphSchema:
        return self._catalogue.schema

    def watermark(self) -> str:
        return str(last_sequence(self._connection))

    def node(self, node_type: str, node_id: str) -> Node | None:
        row = self._row(node_type, node_id)
        return None if row is None else Node(node_type, node_id, loaded_properties(row[1]), row[2])

    def known_ids(self, node_type: str, node_ids: Collection[str]) -> set[str]:
        """Those of the ids that name a node."""
        number = self._catalogue.node_type(node_type)
        return {node_id for (node_id,) in self._connection.execute(_KNOWN, (number, json.dumps(list(node_ids))))}

    def _row(self, node_type: str, node_id: str) -> tuple[int, str | None, int] | None:
        number = self._catalogue.node_type(node_type)
        try:
            row: tuple[int, str | None, int] | None = self._connection.execute(_NODE, (number, node_id)).fetchone()
        except UnicodeEncodeError:
            return None  # such an id can never have been stored
        return row

    def _number(self, node_type: str, node_id: str) -> int:
        row = self._row(node_type, node_id)
        if row is None:
            raise NotFound("the node is not there", expected=f"a {node_type} node", got=node_id)
        return row[0]

    def neighbors(
        self,
        node_type: str,
        node_id: str,
        *,
        edge_types: Sequence[EdgeType] | None = None,
        direction: Direction = "both",
        limit: int = 100,
        cursor: str | None = None,
    ) -> NeighborPage:
        sections = sections_of(self._catalogue, node_type, edge_types, direction)
        node = ((node_type, node_id), self._number(node_type, node_id))
        return neighbor_page(self._connection, self._catalogue, node, sections, limit, cursor)

    def paths(
        self,
        source: NodeKey,
        target: NodeKey,
        *,
        max_hops: int = 4,
        limit: int = 10,
        edge_types: Sequence[EdgeType] | None = None,
    ) -> list[Path]:
        search = PathSearch(self._connection, self._catalogue, edge_types)
        return search.paths(self._number(*source), self._number(*target), max_hops, limit)

    def search_nodes(self, text: str, *, node_type: str | None = None, limit: int = 20) -> list[NodeHit]:
        if limit < 1:
            raise InputError("the limit cannot be used", expected="at least 1", got=limit)
        limit = min(limit, _MAX_LIMIT)
        catalogue = self._catalogue
        number = None if node_type is None else catalogue.node_type(node_type)
        expression = match_expression(text)
        hits = []
        if expression is not None:
            rows = self._connection.execute(_SEARCH, (expression, number, number, limit))
            for type_number, node_id, properties, version, score in rows:
                node = Node(catalogue.node_names[type_number], node_id, loaded_properties(properties), version)
                hits.append(NodeHit(node, score))
        best = hits[0].score if hits else 0.0
        exact = [
            NodeHit(found, best + 1.0)
            for name in ([node_type] if node_type is not None else catalogue.node_types)
            if (found := self.node(name, text)) is not None
        ]
        first = {hit.node.key for hit in exact}
        return [*exact, *(hit for hit in hits if hit.node.key not in first)][:limit]

    def export_nodes(self, node_type: str) -> Iterator[pa.RecordBatch]:
        return node_batches(self._connection, self._catalogue.node_type(node_type))

    def export_edges(self, edge_type: EdgeType) -> Iterator[pa.RecordBatch]:
        number = self._catalogue.edge_type(edge_type)
        source, _, target = edge_type
        return edge_batches(
            self._connection, number, self._catalogue.node_type(source), self._catalogue.node_type(target)
        )

    def changes_since(self, watermark: str, *, limit: int | None = None) -> Iterator[Change]:
        if limit is not None and limit < 0:
            raise InputError("the limit cannot be used", expected="at least 0", got=limit)
        since = watermark_number(watermark, last_sequence(self._connection))
        return changes(self._connection, self._catalogue, since, limit)

    def stats(self) -> GraphStats:
        nodes = dict(self._connection.execute(_NODE_COUNTS))
        edges = dict(self._connection.execute(_EDGE_COUNTS))
        catalogue = self._catalogue
        files = (self._path, self._path.with_name(self._path.name + "-wal"))
        return GraphStats(
            nodes={spec.name: nodes.get(catalogue.node_types[spec.name], 0) for spec in self.schema.nodes},
            edges={spec.edge_type: edges.get(catalogue.edge_types[spec.edge_type], 0) for spec in self.schema.edges},
            size_bytes=sum(file.stat().st_size for file in files if file.exists()),
            watermark=self.watermark(),
        )
