"""Rows that people wrote by hand get their place in the change feed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from neo4j import Transaction

from graph.neo4j.curating.known import NODE, Place
from graph.neo4j.cypher import curation, statements
from graph.neo4j.cypher.names import Catalogue
from graph.neo4j.rows import EdgeKey, NodeKey, Table, tombstone_key, tombstone_record
from graph.neo4j.writing.flushing import StoredState, pieces

Given: TypeAlias = dict[tuple[Table, str, Place], tuple[int, int]]
"""The number and the version of each row; the number is 0 for a row that we had buried ourselves."""


class Journal:
    """Numbers rows that people wrote, inside one transaction."""

    def __init__(self, transaction: Transaction, catalogue: Catalogue, sequence: int) -> None:
        self._transaction = transaction
        self._catalogue = catalogue
        self._state = StoredState(transaction, catalogue.names)
        self.sequence = sequence
        self.given: Given = {}

    def _next(self) -> int:
        self.sequence += 1
        return self.sequence

    def edited(self, table: Table, rows: Mapping[tuple[str, Place], int | None]) -> None:
        """Numbers rows that are there; one that once was deleted goes on from its last version."""
        keyed = [(_key(table, source, place), source, place) for source, place in rows]
        if not keyed:
            return
        versions = self._state.buried([key for key, _, _ in keyed])
        cells = [
            [source, self._next(), versions.get(key, rows[source, place]), *(place if len(key) > 2 else ())]
            for key, source, place in keyed
        ]
        names, schema = self._catalogue.names, self._catalogue.schema
        if isinstance(table, str):
            statement = curation.stamp_nodes(names, schema.node(table))
        else:
            statement = curation.stamp_edges(names, schema.edge(table))
        numbers = {(source, place): row[1] for (_, source, place), row in zip(keyed, cells, strict=True)}
        there: set[tuple[str, Place]] = set()
        for some in pieces(cells):
            for source, *place, version in self._transaction.run(statement, rows=some).values():
                where = (source, (place[0], place[1]) if place else NODE)
                there.add(where)
                self.given[table, *where] = (numbers[where], version)
        back = [tombstone_key(tombstone_record(key)) for key, source, place in keyed if (source, place) in there]
        if versions:
            self._transaction.run(statements.drop_tombstones(names), keys=back).consume()

    def gone(self, table: Table, rows: Mapping[tuple[str, Place], int | None]) -> None:
        """Buries rows that are gone, with their last version, unless we had buried them ourselves."""
        if not rows:
            return
        there = self._there(table, rows)
        absent = [(source, place) for source, place in rows if (source, place) not in there]
        buried = self._state.buried([_key(table, source, place) for source, place in absent])
        fresh = []
        for source, place in absent:
            key = _key(table, source, place)
            if key in buried:
                self.given[table, source, place] = (0, 0)
                continue
            record = tombstone_record(key)
            number = self._next()
            version = rows[source, place] or 1
            fresh.append([tombstone_key(record), record, version, number])
            self.given[table, source, place] = (number, version)
        for some in pieces(fresh):
            self._transaction.run(statements.write_tombstones(self._catalogue.names), rows=some).consume()

    def _there(self, table: Table, rows: Iterable[tuple[str, Place]]) -> set[tuple[str, Place]]:
        schema = self._catalogue.schema
        if isinstance(table, str):
            found = self._state.nodes(schema.node(table), [source for source, _ in rows])
            return {(node_id, NODE) for node_id in found}
        pairs = list(dict.fromkeys((source, place[0]) for source, place in rows))
        edges = self._state.edges(schema.edge(table), pairs)
        return {(key[1], (key[2], key[3])) for key, _ in edges}


def _key(table: Table, source: str, place: Place) -> NodeKey | EdgeKey:
    return (table, source) if isinstance(table, str) else (table, source, *place)
