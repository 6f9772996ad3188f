"""A graph in dictionaries that exports like a store: the simplest right answer, for tests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from graph.records import Change, Edge, Node
from graph.schema import EdgeType, GraphSchema
from graph.store import EDGE_COLUMNS, NODE_COLUMNS

SHOP = GraphSchema.parse(
    {
        "nodes": [
            {"name": "User", "role": "user"},
            {
                "name": "Item",
                "role": "item",
                "title": "title",
                "properties": {
                    "title": "string",
                    "price": "number",
                    "stock": "integer",
                    "sold": "boolean",
                    "since": "timestamp",
                    "tags": "strings",
                },
            },
            {"name": "Brand", "role": "attribute", "title": "name", "properties": {"name": "string"}},
        ],
        "edges": [
            {"source": "User", "relation": "PURCHASED", "target": "Item", "role": "interaction", "kind": "purchase"},
            {"source": "User", "relation": "VIEWED", "target": "Item", "role": "interaction", "kind": "view"},
            {"source": "Item", "relation": "HAS_BRAND", "target": "Brand", "role": "attribute"},
            {"source": "Item", "relation": "NEXT", "target": "Item", "role": "item_relation", "learn": False},
        ],
    }
)
PURCHASED: EdgeType = ("User", "PURCHASED", "Item")
VIEWED: EdgeType = ("User", "VIEWED", "Item")
HAS_BRAND: EdgeType = ("Item", "HAS_BRAND", "Brand")
NEXT: EdgeType = ("Item", "NEXT", "Item")


class GraphInMemory:
    """Nodes and edges by key; ``chunk`` rows per exported batch, ``backwards`` exports in the wrong order."""

    def __init__(self, schema: GraphSchema = SHOP, *, chunk: int = 1000, backwards: bool = False) -> None:
        self.schema = schema
        self.nodes: dict[tuple[str, str], dict[str, Any]] = {}
        self.edges: dict[tuple[EdgeType, str, str, str], Edge] = {}
        self.chunk = chunk
        self.backwards = backwards
        self.mark = "0"

    def add_node(self, node_type: str, node_id: str, **properties: Any) -> None:
        self.nodes[node_type, node_id] = properties

    def add_edge(
        self,
        edge_type: EdgeType,
        source: str,
        target: str,
        *,
        at: int | None = None,
        qualifier: str = "",
        weight: float = 1.0,
    ) -> None:
        self.nodes.setdefault((edge_type[0], source), {})
        self.nodes.setdefault((edge_type[2], target), {})
        self.edges[edge_type, source, target, qualifier] = Edge(edge_type, source, target, qualifier, weight, at)

    def change(self, changes: Iterable[Change]) -> None:
        """What a store holds after these changes."""
        for change in changes:
            record = change.record
            if isinstance(record, Node):
                self.nodes.pop(record.key, None)
                if change.operation == "upsert":
                    self.nodes[record.key] = dict(record.properties)
                else:
                    for key, edge in list(self.edges.items()):
                        ends = ((edge.edge_type[0], edge.source_id), (edge.edge_type[2], edge.target_id))
                        if record.key in ends:
                            del self.edges[key]
            else:
                key = (record.edge_type, record.source_id, record.target_id, record.qualifier)
                self.edges.pop(key, None)
                if change.operation == "upsert":
                    self.edges[key] = record
                    self.nodes.setdefault((record.edge_type[0], record.source_id), {})
                    self.nodes.setdefault((record.edge_type[2], record.target_id), {})
            self.mark = change.watermark

    def watermark(self) -> str:
        return self.mark

    @contextmanager
    def reading(self) -> Iterator[GraphInMemory]:
        yield self

    def export_nodes(self, node_type: str) -> Iterator[pa.RecordBatch]:
        rows = sorted(
            ((node_id, properties) for (kind, node_id), properties in self.nodes.items() if kind == node_type),
            key=lambda row: row[0].encode(),
            reverse=self.backwards,
        )
        columns = [[node_id for node_id, _ in rows], [json.dumps(p, sort_keys=True) for _, p in rows]]
        yield from self._batches(columns, NODE_COLUMNS)

    def export_edges(self, edge_type: EdgeType) -> Iterator[pa.RecordBatch]:
        rows = sorted(
            (edge for edge in self.edges.values() if edge.edge_type == edge_type),
            key=lambda edge: (edge.source_id.encode(), edge.target_id.encode(), edge.qualifier.encode()),
            reverse=self.backwards,
        )
        columns: list[list[Any]] = [
            [edge.source_id for edge in rows],
            [edge.target_id for edge in rows],
            [edge.qualifier for edge in rows],
            [edge.weight for edge in rows],
            [edge.timestamp_ms for edge in rows],
            [json.dumps(dict(edge.properties)) for edge in rows],
        ]
        yield from self._batches(columns, EDGE_COLUMNS)

    def _batches(self, columns: list[list[Any]], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        for start in range(0, len(columns[0]), self.chunk):
            yield pa.record_batch([column[start : start + self.chunk] for column in columns], schema=schema)
