"""The Neo4j graph store: the protocol over one server and database."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Self

from neo4j import Transaction

from graph.errors import StoreUnavailable
from graph.neo4j.bulk.loading import StoreLoading
from graph.neo4j.bulk.writing import BulkWriting
from graph.neo4j.cypher import statements
from graph.neo4j.cypher.names import Adopted, Catalogue, Names
from graph.neo4j.knowing import Knowledge
from graph.neo4j.reading.exporting import edge_table, node_table
from graph.neo4j.reading.feed import PAGE_ROWS, read_changes
from graph.neo4j.reading.moment import Moment, Tables, patched
from graph.neo4j.reading.reader import LiveReader
from graph.neo4j.setup import bookkeeping, drift, establish, wanted
from graph.neo4j.wire.address import parsed_address
from graph.neo4j.wire.line import LONG_S, Line, RollBack
from graph.neo4j.writing.batch import Audit, Batch
from graph.records import Applied, Change, Mutation
from graph.schema import GraphSchema
from graph.store import GraphReader
from graph.values import check_audit, column_rows

BLOCK_ROWS = 50_000
"""Rows of a bulk load written in one transaction."""

_SECONDS_PER_ROW = 0.002
"""What a row may take beside the store's deadline."""

_CAUGHT_UP_ROWS = 20_000
"""A feed no longer than this is read while other writers wait."""


def opened_line(url: str) -> Line:
    """A line to the database that ``neo4j://user:password@host:port/database`` names; it answers.

    The password may be left to ``KINDRED_NEO4J_PASSWORD`` or to the file a local server left; ``?graph=NAME`` keeps
    several graphs apart in one database, ``?timeout_s=5`` bounds every call.

    Raises:
        SettingsError: when the URL cannot be used, or there is no password.
        StoreUnavailable: when the server cannot be reached, refuses the log-in, or has no such database.
    """
    line = Line(parsed_address(url))
    try:
        line.read(lambda tx: tx.run(statements.PING).consume())
    except BaseException:
        line.close()
        raise
    return line


class Neo4jStore(LiveReader):
    """A :class:`~graph.store.GraphStore` and :class:`~graph.store.BulkLoad` in a Neo4j database.

    Every method may be called from any thread, and ends within its deadline. Writers take turns, across processes
    too: each transaction first locks the node that holds the counters, so that none can dead-lock with another.
    """

    def __init__(self, line: Line) -> None:
        super().__init__(line, Knowledge(line))
        self._turn = threading.Lock()

    @property
    def url(self) -> str:
        """The address without the password."""
        return self._line.address.url

    @property
    def line(self) -> Line:
        """The line to the server, for what only this store can do."""
        return self._line

    @property
    def knowledge(self) -> Knowledge:
        """The stored schema, and the writers' turn."""
        return self._knowledge

    # The schema

    def stored_names(self) -> Names:
        """The names under which people find the types of the schema in Browser."""
        return self._knowledge.catalogue().names

    def ensure_schema(self, schema: GraphSchema) -> None:
        self._ensure(schema, None)

    def adopt(self, schema: GraphSchema, adopted: Adopted) -> None:
        """Nothing; the graph that is there already is read and written under the names it has."""
        self._ensure(schema, adopted)

    def _ensure(self, schema: GraphSchema, adopted: Adopted | None) -> None:
        names = self._knowledge.own_names
        establish(self._line, list(bookkeeping(names)))
        self._line.write(lambda tx: _merge_schema(tx, names, schema, adopted))
        establish(self._line, wanted(self._knowledge.catalogue(fresh=True)))

    def drift(self) -> list[str]:
        """One line for each constraint or index that the schema needs and the database lacks."""
        return drift(self._line, wanted(self._knowledge.catalogue(fresh=True)))

    # Writing

    def apply(self, mutations: Iterable[Mutation], *, batch_id: str, actor: str) -> Applied:
        """Write all mutations in one transaction, in order, durable on return.

        A transaction that was cut off is tried again and finds out whether it was committed, so nothing is written
        twice. ``changed`` counts every change of a row: one that changes twice counts twice.

        Raises:
            Conflict: when a row is not of the version the mutation expects; nothing is written.
            NotFound: when an edge's end is missing and is not to be created; nothing is written.
        """
        check_audit(batch_id, actor)
        wanted_rows = list(mutations)
        rows = sum(map(column_rows, wanted_rows))
        seconds = self._line.address.timeout_s + rows * _SECONDS_PER_ROW
        return self._written(Batch(Audit(self._knowledge, batch_id, actor), wanted_rows), seconds)

    def _written(self, batch: Batch, seconds: float) -> Applied:
        if not self._turn.acquire(timeout=seconds):
            raise StoreUnavailable(
                f"the graph database was not free to be written for {seconds:g} s",
                where=self.url,
                remedy="Another thread is writing: try again.",
            )
        try:
            return self._line.write(batch, timeout_s=seconds)
        finally:
            self._turn.release()

    def bulk_load(
        self, mutations: Iterable[Mutation], *, batch_id: str, actor: str, block_rows: int = BLOCK_ROWS
    ) -> Applied:
        """Write many mutations fast, in transactions of ``block_rows``; all of it is durable on return.

        After a crash, or an error raised by a mutation, what was committed stays: repeat the load.
        """
        check_audit(batch_id, actor)
        loading = StoreLoading(self._line, Audit(self._knowledge, batch_id, actor), self._written)
        writing = BulkWriting(loading, block_rows)
        try:
            writing.write(mutations)
        finally:
            loading.end()
        return Applied(writing.changed, self.watermark())

    # Reading

    def reading(self) -> AbstractContextManager[GraphReader]:
        return self._moment()

    @contextmanager
    def _moment(self) -> Iterator[GraphReader]:
        while True:
            catalogue, since = self.settled()
            tables = self._tables(catalogue)
            changes: list[Change] = []
            while True:
                again, until = self.settled()
                if until - since <= _CAUGHT_UP_ROWS:
                    break
                changes.extend(self.pages(catalogue, since, until))
                since = until
            again, until, rest = self._line.write(lambda tx, start=since: self._rest(tx, start), timeout_s=LONG_S)  # type: ignore[misc]
            if again.version == catalogue.version:
                break  # else another process added types meanwhile: once more, with those
        yield Moment(catalogue, patched(tables, [*changes, *rest]), until, self._feed)

    def _tables(self, catalogue: Catalogue) -> Tables:
        schema, names = catalogue.schema, catalogue.names
        edges = {spec.edge_type: edge_table(self._line, names, spec) for spec in schema.edges}
        nodes = {spec.name: node_table(self._line, names, spec) for spec in schema.nodes}
        return Tables(nodes, edges)

    def _rest(self, transaction: Transaction, since: int) -> Any:
        catalogue, until = self._knowledge.locked(transaction)
        changes: list[Change] = []
        while since < until:
            page, since = read_changes(transaction, catalogue, since, until, PAGE_ROWS)
            changes += page
        raise RollBack((catalogue, until, changes))

    def _feed(self, since: int, until: int | None, limit: int | None) -> Iterator[Change]:
        catalogue, now = self.settled()
        return self.pages(catalogue, since, now if until is None else until, limit)

    # The end

    def close(self) -> None:
        """Nothing; what was being written is finished first. Closing twice is harmless."""
        with self._turn:
            self._line.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _merge_schema(transaction: Transaction, names: Names, schema: GraphSchema, adopted: Adopted | None) -> None:
    """Nothing; the stored schema has the types of ``schema``, under the names of ``adopted`` when it is given."""
    (row,) = transaction.run(statements.create_meta(names)).values()
    document, adopted_document = row
    merged = schema if document is None else GraphSchema.parse(document).merged(schema)
    kept = adopted if adopted is not None else Adopted.model_validate_json(adopted_document or "{}")
    stored = (merged.to_json(), kept.model_dump_json(exclude_defaults=True))
    if stored == (document, adopted_document):
        raise RollBack(None)
    version = merged.version + ("" if stored[1] == "{}" else "-adopted")
    transaction.run(statements.write_schema(names), schema=stored[0], adopted=stored[1], version=version).consume()
