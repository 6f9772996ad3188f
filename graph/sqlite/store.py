"""The embedded graph store: one SQLite file, many readers beside one writer."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path as FilePath
from typing import Self, TypeVar

import pyarrow as pa

from graph.blocks import blocks
from graph.errors import SettingsError, StoreUnavailable
from graph.records import Applied, Change, Direction, GraphStats, Mutation, NeighborPage, Node, NodeHit, NodeKey, Path
from graph.schema import EdgeType, GraphSchema, no_schema
from graph.sqlite.catalogue import Catalogue, read_catalogue, write_catalogue
from graph.sqlite.connections import Connections, translated
from graph.sqlite.erasing import erase_node
from graph.sqlite.layout import create_edge_indexes, drop_edge_indexes, prepare_file
from graph.sqlite.loading import Loading
from graph.sqlite.reading import SqliteReader
from graph.sqlite.transaction import Transaction, last_sequence
from graph.sqlite.writing import write
from graph.store import GraphReader
from graph.values import check_audit

BLOCK_ROWS = 250_000
"""Rows written in one transaction; also how long others wait for their turn: a second or two."""

REMEMBERED_NODES = 50_000
"""Numbers of nodes that are kept from one write to the next: some ten megabytes."""

_T = TypeVar("_T")


def open_sqlite(url: str, *, timeout_s: float = 5.0) -> SqliteStore:
    """The store in the file that ``sqlite:PATH`` names, created when it is not there.

    ``timeout_s`` bounds how long a write waits for another writer.

    Raises:
        SettingsError: when the URL names no file.
        StoreError: when the file is not a graph, or a newer Kindred's.
        StoreUnavailable: when the file cannot be opened.
    """
    scheme, _, name = url.partition(":")
    if scheme != "sqlite" or not name or name.startswith(":memory:") or "\0" in name:
        raise SettingsError("no graph file in the URL", expected="sqlite:PATH", got=url, remedy="Set KINDRED_STORE.")
    path = FilePath(name).expanduser()
    if str(path).startswith("//"):
        path = FilePath("/" + str(path).lstrip("/"))
    return SqliteStore(path, timeout_s)


class SqliteStore:
    """A :class:`~graph.store.GraphStore` and :class:`~graph.store.BulkLoad` in one file.

    Every method may be called from any thread. Writers take turns, across processes too; a reader never waits
    for a writer and sees whole transactions only.
    """

    def __init__(self, path: FilePath, timeout_s: float = 5.0) -> None:
        self._path = path
        self._timeout_s = timeout_s
        self._turn = threading.Lock()
        self._catalogue: Catalogue | None = None
        self._writes = 0
        self._last: Transaction | None = None
        where = f"sqlite:{path}"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            created = not path.exists()
        except OSError as error:
            raise StoreUnavailable(
                f"the graph file cannot be created: {error.strerror}", where=where, remedy="Check the path."
            ) from error
        self._connections = Connections(path, timeout_s)
        try:
            with translated(where):
                self._writer = self._connections.open(writing=True)
                prepare_file(self._writer, where, timeout_s)
            if created:
                _sync_directory(path.parent)
        except BaseException:
            self._connections.close()
            raise

    @property
    def url(self) -> str:
        return f"sqlite:{self._path}"

    # Writing

    def ensure_schema(self, schema: GraphSchema) -> None:
        with self._writing() as connection:
            if write_catalogue(connection, schema):
                connection.execute("COMMIT")

    def apply(self, mutations: Iterable[Mutation], *, batch_id: str, actor: str) -> Applied:
        """Write all mutations in one transaction, in order, fsynced on return.

        ``changed`` counts every change of a row: one that changes twice counts twice.

        Raises:
            Conflict: when a row is not of the version the mutation expects; nothing is written.
            NotFound: when an edge's end is missing and is not to be created; nothing is written.
        """
        check_audit(batch_id, actor)
        wanted = list(mutations)  # before the turn is taken: the caller's iterator may be slow
        with self._writing() as connection:
            transaction = self._begun(connection, (batch_id, actor))
            since = transaction.started_at
            for mutation in wanted:
                write(transaction, mutation)
            if transaction.changed:
                transaction.finish()
                watermark = transaction.last_changed()
                connection.execute("COMMIT")
                self._last = transaction.committed(watermark, self._writes + 1)
            else:
                watermark = since
        return Applied(transaction.changed, str(watermark), str(since))

    def _begun(self, connection: sqlite3.Connection, batch: tuple[str, str]) -> Transaction:
        """A transaction that knows what the one before knew, when nobody wrote in between."""
        stamp, last = self._stamp(connection), self._last
        self._last = None  # until this one is committed
        if last is None or last.stamp != stamp or last.remembered > REMEMBERED_NODES:
            return Transaction.begun(connection, self._known_catalogue(connection), batch, stamp=stamp)
        return Transaction.begun(connection, last.catalogue, batch, after=last, stamp=stamp)

    def erase_node(self, node_type: str, node_id: str, *, batch_id: str, actor: str) -> Applied:
        """The node, its edges and its id are in no page of the file and of its log; durable on return.

        Raises:
            StoreUnavailable: when readers hold on to the log for longer than a write may wait; the node is gone
                from the graph then, and erasing it again finishes the work.
        """
        check_audit(batch_id, actor)
        with self._writing() as connection:
            transaction = Transaction.begun(connection, self._known_catalogue(connection), (batch_id, actor))
            erase_node(transaction, node_type, node_id)
            if transaction.changed:
                transaction.finish()
                # The index marks words as deleted; only a merge of all its parts takes them out of the file.
                connection.execute("INSERT INTO node_text (node_text) VALUES ('optimize')")
                watermark = str(last_sequence(connection))
                connection.execute("COMMIT")
            else:
                watermark = str(transaction.started_at)
        self._empty_log()
        return Applied(transaction.changed, watermark)

    def _empty_log(self) -> None:
        """Nothing; the log holds nothing, and the file everything."""
        deadline = time.monotonic() + self._timeout_s
        while True:
            with self._turn, translated(self.url):
                busy = self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            if not busy:
                return
            if time.monotonic() > deadline:
                raise StoreUnavailable(
                    "readers hold on to the log of the graph file", where=self.url, remedy="Erase it again in a moment."
                )
            time.sleep(0.02)

    def bulk_load(
        self, mutations: Iterable[Mutation], *, batch_id: str, actor: str, block_rows: int = BLOCK_ROWS
    ) -> Applied:
        """Write many mutations fast, in transactions of ``block_rows``; all of it is durable on return.

        After a crash, or an error raised by a mutation, what was committed stays: repeat the load.
        """
        check_audit(batch_id, actor)
        indexed = not self._drop_indexes_of_no_edges()
        loading = Loading(partial(self._block, (batch_id, actor)), block_rows)
        try:
            try:
                for block in blocks(mutations, block_rows):
                    if block.needs_indexes and not indexed:
                        loading.finish()
                        self._build_indexes()
                        indexed = True
                    loading.write(block)
            finally:
                loading.finish()
        finally:
            self._build_indexes()
        return Applied(loading.changed, self.watermark())

    @contextmanager
    def _block(self, audit: tuple[str, str], after: Transaction | None) -> Iterator[Transaction]:
        """A transaction that is committed, and durable once a later one is; it knows what ``after`` knew."""
        with self._writing(durable=False) as connection:
            catalogue, stamp = self._known_catalogue(connection), self._stamp(connection)
            transaction = Transaction.begun(connection, catalogue, audit, after=after, stamp=stamp)
            yield transaction
            transaction.finish()
            connection.execute("COMMIT")
            transaction.committed(transaction.sequence, self._writes + 1)

    def _drop_indexes_of_no_edges(self) -> bool:
        with self._writing() as connection:
            if connection.execute("SELECT EXISTS (SELECT 1 FROM edges)").fetchone()[0]:
                return False
            drop_edge_indexes(connection)
            connection.execute("COMMIT")
        return True

    def _build_indexes(self) -> None:
        """Nothing; the edges have their indexes, and every commit before this one is durable too."""
        with self._writing() as connection:
            create_edge_indexes(connection)
            # One log holds all commits, so one fsynced commit makes those before it durable: write something.
            connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('bulk_load', 'complete')")
            connection.execute("COMMIT")

    def _stamp(self, connection: sqlite3.Connection) -> tuple[int, int]:
        """What differs once anyone else has written: another connection, or this one in another call."""
        return int(connection.execute("PRAGMA data_version").fetchone()[0]), self._writes

    @contextmanager
    def _writing(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """The writing connection inside a transaction, rolled back unless the block commits it.

        A commit that is not ``durable`` outlives this process but not the machine, until a durable one follows.
        """
        self._connections.check_open()
        if not self._turn.acquire(timeout=self._timeout_s):
            raise StoreUnavailable(
                f"the graph file stayed locked for {self._timeout_s:g} s",
                where=self.url,
                remedy="Another thread is writing: try again.",
            )
        try:
            self._connections.check_open()
            with translated(self.url):
                if not durable:
                    self._writer.execute("PRAGMA synchronous = NORMAL")
                try:
                    self._writer.execute("BEGIN IMMEDIATE")
                    yield self._writer
                finally:
                    if self._writer.in_transaction:
                        self._writer.execute("ROLLBACK")
                    if not durable:
                        self._writer.execute("PRAGMA synchronous = FULL")
                self._writes += 1
        finally:
            self._turn.release()

    # Reading

    def _known_catalogue(self, connection: sqlite3.Connection) -> Catalogue:
        catalogue = read_catalogue(connection, self._catalogue)
        if catalogue is None:
            raise no_schema(self.url)
        self._catalogue = catalogue
        return catalogue

    @contextmanager
    def _moment(self) -> Iterator[SqliteReader]:
        with self._connections.moment() as connection:
            yield SqliteReader(connection, self._known_catalogue(connection), self._path)

    def reading(self) -> AbstractContextManager[GraphReader]:
        return self._moment()

    def _stream(self, read: Callable[[GraphReader], Iterator[_T]]) -> Iterator[_T]:
        with self._moment() as reader:
            read(reader)  # names and marks are checked now, not at the first row
        return self._streamed(read)

    def _streamed(self, read: Callable[[GraphReader], Iterator[_T]]) -> Iterator[_T]:
        with self._moment() as reader:
            yield from read(reader)

    @property
    def schema(self) -> GraphSchema:
        with self._moment() as reader:
            return reader.schema

    def watermark(self) -> str:
        with self._connections.moment() as connection:
            return str(last_sequence(connection))

    def node(self, node_type: str, node_id: str) -> Node | None:
        with self._moment() as reader:
            return reader.node(node_type, node_id)

    def known_ids(self, node_type: str, node_ids: Collection[str]) -> set[str]:
        """Those of the ids that name a node, by one question."""
        with self._moment() as reader:
            return reader.known_ids(node_type, node_ids)

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
        with self._moment() as reader:
            return reader.neighbors(
                node_type, node_id, edge_types=edge_types, direction=direction, limit=limit, cursor=cursor
            )

    def paths(
        self,
        source: NodeKey,
        target: NodeKey,
        *,
        max_hops: int = 4,
        limit: int = 10,
        edge_types: Sequence[EdgeType] | None = None,
    ) -> list[Path]:
        with self._moment() as reader:
            return reader.paths(source, target, max_hops=max_hops, limit=limit, edge_types=edge_types)

    def search_nodes(self, text: str, *, node_type: str | None = None, limit: int = 20) -> list[NodeHit]:
        with self._moment() as reader:
            return reader.search_nodes(text, node_type=node_type, limit=limit)

    def export_nodes(self, node_type: str) -> Iterator[pa.RecordBatch]:
        return self._stream(lambda reader: reader.export_nodes(node_type))

    def export_edges(self, edge_type: EdgeType) -> Iterator[pa.RecordBatch]:
        return self._stream(lambda reader: reader.export_edges(edge_type))

    def changes_since(self, watermark: str, *, limit: int | None = None) -> Iterator[Change]:
        return self._stream(lambda reader: reader.changes_since(watermark, limit=limit))

    def stats(self) -> GraphStats:
        with self._moment() as reader:
            return reader.stats()

    def close(self) -> None:
        """Nothing; what was being written is finished first. Closing twice is harmless."""
        with self._turn:
            self._connections.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _sync_directory(directory: FilePath) -> None:
    """Nothing; a new file's name is as durable as its contents."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
