"""The graph of one moment, copied out of a database that shows every reader the newest commit.

Neo4j reads what is committed, row by row: two questions, or two rows of one answer, may be of different moments. So
every type is exported, and what changed meanwhile is put right from the change feed, read while it is our turn to
write. The copy is then exactly the graph at that watermark.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from graph.errors import InputError
from graph.neo4j.cypher.names import Catalogue
from graph.neo4j.reading.exporting import EDGE_TABLE, NODE_TABLE, batches, in_order, table_of
from graph.neo4j.reading.remembered import RememberedGraph
from graph.records import Change, Direction, Edge, GraphStats, NeighborPage, Node, NodeHit, NodeKey, Path
from graph.schema import EdgeType, GraphSchema
from graph.store import EDGE_COLUMNS, NODE_COLUMNS
from graph.values import canonical_json, watermark_number


class Feed(Protocol):
    """Gives the changes in ``(since, until]``; ``None`` stands for all there are now."""

    def __call__(self, since: int, until: int | None, limit: int | None) -> Iterator[Change]: ...


@dataclass(frozen=True, slots=True)
class Tables:
    """Every node and edge, by type, in :data:`NODE_TABLE` and :data:`EDGE_TABLE`."""

    nodes: Mapping[str, pa.Table]
    edges: Mapping[EdgeType, pa.Table]


def patched(tables: Tables, changes: Iterable[Change]) -> Tables:
    """The tables with the changed rows in their latest state, and no edge without its ends."""
    nodes: dict[str, dict[str, Node | None]] = {}
    edges: dict[EdgeType, dict[tuple[str, str, str], Edge | None]] = {}
    for change in changes:
        record = change.record
        kept = change.operation == "upsert"
        if isinstance(record, Node):
            nodes.setdefault(record.node_type, {})[record.node_id] = record if kept else None
        else:
            key = (record.source_id, record.target_id, record.qualifier)
            edges.setdefault(record.edge_type, {})[key] = record if kept else None
    node_tables = {name: _patched_nodes(table, nodes.get(name, {})) for name, table in tables.nodes.items()}
    edge_tables = {
        edge_type: _with_ends(_patched_edges(table, edges.get(edge_type, {})), edge_type, node_tables)
        for edge_type, table in tables.edges.items()
    }
    return Tables(node_tables, edge_tables)


def _patched_nodes(table: pa.Table, changed: Mapping[str, Node | None]) -> pa.Table:
    if not changed:
        return table
    kept = table.filter(pc.invert(pc.is_in(table["node_id"], pa.array(list(changed), pa.string()))))
    fresh = [
        (node.node_id, canonical_json(node.properties) or "{}", node.version)
        for node in changed.values()
        if node is not None
    ]
    return in_order(pa.concat_tables([kept, table_of(fresh, NODE_TABLE)]), ("node_id",))


def _patched_edges(table: pa.Table, changed: Mapping[tuple[str, str, str], Edge | None]) -> pa.Table:
    if not changed:
        return table
    keys = zip(*(table[name].to_pylist() for name in ("source_id", "target_id", "qualifier")), strict=True)
    kept = table.filter(pa.array([key not in changed for key in keys], pa.bool_()))
    fresh = [
        (*key, edge.weight, edge.timestamp_ms, canonical_json(edge.properties) or "{}", edge.version)
        for key, edge in changed.items()
        if edge is not None
    ]
    return in_order(pa.concat_tables([kept, table_of(fresh, EDGE_TABLE)]), ("source_id", "target_id", "qualifier"))


def _with_ends(table: pa.Table, edge_type: EdgeType, nodes: Mapping[str, pa.Table]) -> pa.Table:
    """The edges whose nodes are there: a hand may have deleted some between two exports."""
    if not table.num_rows:
        return table
    source, _, target = edge_type
    there = pc.and_(
        pc.is_in(table["source_id"], nodes[source]["node_id"].combine_chunks()),
        pc.is_in(table["target_id"], nodes[target]["node_id"].combine_chunks()),
    )
    return table if pc.all(there).as_py() else table.filter(there)


class Moment:
    """A :class:`~graph.store.GraphReader` over the tables of one moment."""

    def __init__(self, catalogue: Catalogue, tables: Tables, sequence: int, later: Feed) -> None:
        self._catalogue = catalogue
        self._tables = tables
        self._sequence = sequence
        self._later = later
        self._graph: RememberedGraph | None = None

    def _remembered(self) -> RememberedGraph:
        if self._graph is None:
            self._graph = RememberedGraph(self.schema, self._tables.nodes, self._tables.edges)
        return self._graph

    @property
    def schema(self) -> GraphSchema:
        return self._catalogue.schema

    def watermark(self) -> str:
        return str(self._sequence)

    def node(self, node_type: str, node_id: str) -> Node | None:
        self.schema.node(node_type)
        return self._remembered().node((node_type, node_id))

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
        return self._remembered().neighbors((node_type, node_id), edge_types, direction, limit, cursor)

    def paths(
        self,
        source: NodeKey,
        target: NodeKey,
        *,
        max_hops: int = 4,
        limit: int = 10,
        edge_types: Sequence[EdgeType] | None = None,
    ) -> list[Path]:
        return self._remembered().paths(source, target, max_hops, limit, edge_types)

    def search_nodes(self, text: str, *, node_type: str | None = None, limit: int = 20) -> list[NodeHit]:
        return self._remembered().search(text, node_type, limit)

    def export_nodes(self, node_type: str) -> Iterator[pa.RecordBatch]:
        return batches(self._tables.nodes[self.schema.node(node_type).name], NODE_COLUMNS)

    def export_edges(self, edge_type: EdgeType) -> Iterator[pa.RecordBatch]:
        return batches(self._tables.edges[self.schema.edge(edge_type).edge_type], EDGE_COLUMNS)

    def changes_since(self, watermark: str, *, limit: int | None = None) -> Iterator[Change]:
        """The feed up to this moment. Rows that have changed since come last, as they were: when each had
        changed before is not known any more, so one that had not may be among them."""
        if limit is not None and limit < 0:
            raise InputError("the limit cannot be used", expected="at least 0", got=limit)
        since = watermark_number(watermark, self._sequence)
        return self._changes(since, limit)

    def _changes(self, since: int, limit: int | None) -> Iterator[Change]:
        left = limit
        for change in self._later(since, self._sequence, limit):
            left = None if left is None else left - 1
            yield change
        if since == self._sequence:
            return
        for change in self._later(self._sequence, None, None):
            record = self._remembered().record_like(change.record)
            if left == 0:
                return
            if record is not None:
                left = None if left is None else left - 1
                yield Change("upsert", record, self.watermark(), change.batch_id, change.actor)

    def stats(self) -> GraphStats:
        return GraphStats(
            nodes={name: table.num_rows for name, table in self._tables.nodes.items()},
            edges={edge_type: table.num_rows for edge_type, table in self._tables.edges.items()},
            size_bytes=0,
            watermark=self.watermark(),
        )
