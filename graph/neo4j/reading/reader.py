"""A reader of the graph as it is now: each answer is read when it is asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import pyarrow as pa
from neo4j import Transaction

from graph.errors import InputError, NotFound
from graph.neo4j.cypher import statements, turns
from graph.neo4j.cypher.names import Catalogue
from graph.neo4j.knowing import Knowledge
from graph.neo4j.reading.exporting import batches, edge_table, node_table
from graph.neo4j.reading.feed import PAGE_ROWS, read_changes
from graph.neo4j.reading.neighborhood import check_there, neighbor_page, sections_of
from graph.neo4j.reading.paths import PathSearch, path_of, walked_edges
from graph.neo4j.reading.search import MAX_LIMIT, indexed_hits, lucene_question, searched_types
from graph.neo4j.rows import read_node
from graph.neo4j.wire.line import LONG_S, Line, RollBack
from graph.records import Change, Direction, GraphStats, NeighborPage, Node, NodeHit, NodeKey, Path
from graph.schema import EdgeType, GraphSchema
from graph.store import EDGE_COLUMNS, NODE_COLUMNS
from graph.values import check_limit, is_storable, watermark_number


class LiveReader:
    """A :class:`~graph.store.GraphReader` of whatever is committed when it is asked."""

    def __init__(self, line: Line, knowledge: Knowledge) -> None:
        self._line = line
        self._knowledge = knowledge

    @property
    def schema(self) -> GraphSchema:
        return self._knowledge.catalogue(fresh=True).schema

    def watermark(self) -> str:
        rows = self._line.read(lambda tx: tx.run(turns.counters(self._knowledge.own_names)).values())
        return str(rows[0][0] if rows else 0)

    def node(self, node_type: str, node_id: str) -> Node | None:
        catalogue, _ = self._knowledge.asked(lambda known: (known, known.schema.node(node_type)))
        return self._line.read(lambda tx: _node(tx, catalogue, node_type, node_id))

    def known_ids(self, node_type: str, node_ids: Collection[str]) -> set[str]:
        """Those of the ids that name a node, by one question."""
        catalogue, _ = self._knowledge.asked(lambda known: (known, known.schema.node(node_type)))
        statement = statements.find_ids(catalogue.names, node_type)
        asked = [node_id for node_id in node_ids if is_storable(node_id)]
        return set(self._line.read(lambda tx: tx.run(statement, ids=asked).value()))

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
        catalogue, sections = self._knowledge.asked(
            lambda known: (known, sections_of(known.schema, node_type, edge_types, direction))
        )
        key = _existing(node_type, node_id)

        def page(transaction: Transaction) -> NeighborPage:
            check_there(transaction, catalogue, key)
            return neighbor_page(transaction, catalogue, key, sections, limit, cursor)

        return self._line.read(page)

    def paths(
        self,
        source: NodeKey,
        target: NodeKey,
        *,
        max_hops: int = 4,
        limit: int = 10,
        edge_types: Sequence[EdgeType] | None = None,
    ) -> list[Path]:
        def known_types(known: Catalogue) -> Catalogue:
            walked_edges(known, edge_types)
            for node_type, _ in (source, target):
                known.schema.node(node_type)
            return known

        catalogue = self._knowledge.asked(known_types)
        ends = [_existing(*source), _existing(*target)]

        def walk(transaction: Transaction) -> list[Path]:
            for end in ends:
                check_there(transaction, catalogue, end)
            search = PathSearch(transaction, catalogue, edge_types)
            return [path_of(*trail) for trail in search.between(ends[0], ends[1], max_hops, limit)]

        return self._line.read(walk)

    def search_nodes(self, text: str, *, node_type: str | None = None, limit: int = 20) -> list[NodeHit]:
        check_limit(limit)
        limit = min(limit, MAX_LIMIT)
        catalogue, types = self._knowledge.asked(lambda known: (known, searched_types(known.schema, node_type)))
        question = lucene_question(text) if is_storable(text) else None

        def find(transaction: Transaction) -> list[NodeHit]:
            hits: list[NodeHit] = []
            asked = limit if node_type is None else limit * 4
            while question is not None:
                found = indexed_hits(transaction, catalogue, question, asked)
                hits = [hit for hit in found if node_type in (None, hit.node.node_type)]
                if len(hits) >= limit or len(found) < asked or asked >= MAX_LIMIT:
                    break  # else the index is full of other types: ask for more
                asked = min(asked * 8, MAX_LIMIT)
            best = hits[0].score if hits else 0.0
            exact = [
                NodeHit(node, best + 1.0)
                for spec in types
                if (node := _node(transaction, catalogue, spec.name, text)) is not None
            ]
            first = {hit.node.key for hit in exact}
            return [*exact, *(hit for hit in hits if hit.node.key not in first)][:limit]

        return self._line.read(find)

    def export_nodes(self, node_type: str) -> Iterator[pa.RecordBatch]:
        catalogue, spec = self._knowledge.asked(lambda known: (known, known.schema.node(node_type)))
        table = node_table(self._line, catalogue.names, spec)
        return batches(table, NODE_COLUMNS)

    def export_edges(self, edge_type: EdgeType) -> Iterator[pa.RecordBatch]:
        catalogue, spec = self._knowledge.asked(lambda known: (known, known.schema.edge(edge_type)))
        table = edge_table(self._line, catalogue.names, spec)
        return batches(table, EDGE_COLUMNS)

    def changes_since(self, watermark: str, *, limit: int | None = None) -> Iterator[Change]:
        if limit is not None and limit < 0:
            raise InputError("the limit cannot be used", expected="at least 0", got=limit)
        since = watermark_number(watermark, int(self.watermark()))
        catalogue, until = self.settled()
        return self.pages(catalogue, since, until, limit)

    def settled(self) -> tuple[Catalogue, int]:
        """The catalogue and a sequence number up to which every committed row is there to be read.

        A commit reaches the indexes piece by piece; whoever has had the writers' turn has seen all of those before.
        """

        def turn(transaction: Transaction) -> tuple[Catalogue, int]:
            raise RollBack(self._knowledge.locked(transaction))

        return self._line.write(turn)

    def pages(self, catalogue: Catalogue, since: int, until: int, limit: int | None = None) -> Iterator[Change]:
        """The changes in ``(since, until]``; rows that change again meanwhile belong to the next feed."""
        left = limit
        while since < until and left != 0:
            rows = PAGE_ROWS if left is None else min(left, PAGE_ROWS)
            page, since = self._line.read(
                lambda tx, start=since, rows=rows: read_changes(tx, catalogue, start, until, rows)  # type: ignore[misc]
            )
            yield from page
            left = None if left is None else left - len(page)

    def stats(self) -> GraphStats:
        catalogue = self._knowledge.catalogue(fresh=True)
        schema, names = catalogue.schema, catalogue.names

        def count(transaction: Transaction) -> GraphStats:
            def number(statement: str) -> int:
                return int(transaction.run(statement).values()[0][0])

            return GraphStats(
                nodes={spec.name: number(statements.count_nodes(names, spec.name)) for spec in schema.nodes},
                edges={spec.edge_type: number(statements.count_edges(names, spec.edge_type)) for spec in schema.edges},
                size_bytes=0,
                watermark=str(number(turns.counters(names))),
            )

        return self._line.read(count, timeout_s=LONG_S)


def _node(transaction: Transaction, catalogue: Catalogue, node_type: str, node_id: str) -> Node | None:
    spec = catalogue.schema.node(node_type)
    if not is_storable(node_id):
        return None
    rows = transaction.run(statements.find_nodes(catalogue.names, spec), ids=[node_id]).values()
    return read_node(spec, node_id, *rows[0][1:]) if rows else None


def _existing(node_type: str, node_id: str) -> NodeKey:
    """The key of a node that may be there."""
    if not is_storable(node_id):
        raise NotFound("the node is not there", expected=f"a {node_type} node", got=repr(node_id))
    return node_type, node_id
