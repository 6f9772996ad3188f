"""A release beside the graph: written into the free slot and indexed there, then switched to by one number.

A query in Neo4j sees what others commit while it runs. So nothing that a release consists of changes while it counts,
or while a query that began when it did still runs: the next one is written beside it, edges included.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from neo4j import Transaction

from graph.embeddings import NodeEmbeddings, Publication, Published
from graph.neo4j.curating.slots import SLOTS
from graph.neo4j.cypher import curation, statements
from graph.neo4j.cypher.names import Catalogue
from graph.neo4j.knowing import Knowledge
from graph.neo4j.setup import plain_name
from graph.neo4j.wire.line import LONG_S, Line

_VECTORS_AT_ONCE = 2_000
_EDGES_AT_ONCE = 10_000
_READERS_S = 30.0
"""How long queries that began before the switch may take to end before the old vectors go."""


class Publisher:
    """Publishes releases for one store."""

    def __init__(self, line: Line, knowledge: Knowledge) -> None:
        self._line = line
        self._knowledge = knowledge

    def publish(self, publication: Publication) -> Published:
        """Writes, indexes, switches, then removes what was current before."""
        catalogue = self._knowledge.catalogue(fresh=True)
        current = self._current()
        slot = 1 - int(current["slot"]) if current else 0
        name = SLOTS[slot]
        self._clear(catalogue, slot)
        items = self._write(catalogue, publication.items, name)
        users = self._write(catalogue, publication.users, name)
        neighbors = self._write_neighbors(catalogue, publication, slot)
        for part in (publication.items, publication.users):
            self._index(catalogue, part, slot)
        self._line.command(statements.AWAIT_INDEXES, seconds=int(LONG_S), timeout_s=LONG_S)
        self._describe(catalogue, publication, slot)
        self._run(curation.switch_release(self._knowledge.own_names), slot=slot)
        self._let_readers_end()
        self._clear(catalogue, 1 - slot)
        absent = len(publication.items.node_ids) + len(publication.users.node_ids) - items - users
        return Published(publication.release_id, publication.model, items, users, neighbors, absent)

    def _current(self) -> dict[str, Any] | None:
        statement = curation.current_release(self._knowledge.own_names)
        rows = self._line.read(lambda tx: tx.run(statement).data())
        return rows[0] if rows else None

    def _write(self, catalogue: Catalogue, part: NodeEmbeddings, name: str) -> int:
        """How many nodes have a vector now. Zero vectors are left out: a cosine index refuses them."""
        statement = curation.set_vectors(catalogue.names, part.node_type, name)
        known = np.flatnonzero(np.linalg.norm(part.vector, axis=1) > 0)
        count = 0
        for start in range(0, known.size, _VECTORS_AT_ONCE):
            rows = known[start : start + _VECTORS_AT_ONCE]
            cells = [[part.node_ids[row], part.vector[row].tolist()] for row in rows.tolist()]
            count += self._counted(statement, rows=cells)
        return count

    def _write_neighbors(self, catalogue: Catalogue, publication: Publication, slot: int) -> int:
        """How many learned edges there are now."""
        edges = publication.neighbors
        if edges is None:
            return 0
        statement = curation.write_similar(catalogue.names, publication.items.node_type)
        rows = list(map(list, zip(edges.source_ids, edges.target_ids, edges.score, strict=True)))
        return sum(
            self._counted(statement, rows=some, release=publication.release_id, slot=slot)
            for some in _pieces(rows, _EDGES_AT_ONCE)
        )

    def _counted(self, statement: str, **parameters: Any) -> int:
        """The count that the statement returns. The commit is counted as ours: nobody takes it for a hand edit."""

        def work(transaction: Transaction) -> int:
            count = int(transaction.run(statement, parameters).values()[0][0])
            if count:
                self._count(transaction)
            return count

        return self._line.write(work, timeout_s=LONG_S)

    def _run(self, statement: str, **parameters: Any) -> None:
        """Nothing; the statement is committed when it is the writers' turn, and counted as ours."""

        def work(transaction: Transaction) -> None:
            self._knowledge.locked(transaction)
            transaction.run(statement, parameters).consume()
            self._count(transaction)

        self._line.write(work, timeout_s=LONG_S)

    def _count(self, transaction: Transaction) -> None:
        transaction.run(curation.count_commit(self._knowledge.own_names)).consume()

    def _index(self, catalogue: Catalogue, part: NodeEmbeddings, slot: int) -> None:
        self._line.command(
            statements.create_vector_index(
                index_name(catalogue, part.node_type, slot),
                catalogue.names.label(part.node_type),
                SLOTS[slot],
                part.vector.shape[1],
            ),
            timeout_s=LONG_S,
        )

    def _describe(self, catalogue: Catalogue, publication: Publication, slot: int) -> None:
        """Nothing; what a query needs to know of the slot can be read."""
        self._run(
            curation.write_release(self._knowledge.own_names),
            release=publication.release_id,
            model=publication.model,
            slot=slot,
            embedding=SLOTS[slot],
            item_index=index_name(catalogue, publication.items.node_type, slot),
            user_index=index_name(catalogue, publication.users.node_type, slot),
            dimensions=int(publication.items.vector.shape[1]),
        )

    def _let_readers_end(self) -> None:
        """Nothing; queries that began before the switch have ended, or have had their time."""
        mine = self._running()
        ends = time.monotonic() + _READERS_S
        while mine and time.monotonic() < ends:
            time.sleep(0.1)
            mine &= self._running()

    def _running(self) -> set[str]:
        rows = self._line.command(curation.RUNNING, database=self._line.address.database)
        return {str(row["id"]) for row in rows}

    def _clear(self, catalogue: Catalogue, slot: int) -> None:
        """Nothing; the slot has no release, index, vectors or edges."""
        schema, names = catalogue.schema, catalogue.names
        self._run(curation.drop_release(self._knowledge.own_names), slot=slot)
        for node_type in (schema.item_type, schema.user_type):
            self._line.command(statements.drop_index(index_name(catalogue, node_type, slot)))
            self._drop(curation.drop_vectors(names, node_type, SLOTS[slot]))
        self._drop(curation.drop_similar(names, schema.item_type), slot=slot)

    def _drop(self, statement: str, **parameters: Any) -> None:
        """Nothing; the statement finds nothing any more."""
        while self._counted(statement, limit=_EDGES_AT_ONCE, **parameters):
            pass


def index_name(catalogue: Catalogue, node_type: str, slot: int) -> str:
    """The vector index of a node type over one slot."""
    return plain_name(f"kindred_{catalogue.names.plain_label(node_type)}_{SLOTS[slot]}")


def _pieces(rows: Sequence[Sequence[Any]], size: int) -> Iterable[Sequence[Sequence[Any]]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))
