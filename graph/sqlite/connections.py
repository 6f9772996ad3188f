"""Connections to the file: how they are opened, pooled and closed, and their errors in our words."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from graph.errors import InputError, StoreError, StoreUnavailable
from graph.values import merged_json

_PAGE_CACHE_KIB = 65_536
_WAL_LIMIT_BYTES = 64 * 2**20
_CHECKPOINT_PAGES = 16_000
"""Pages of the log that are taken over into the file at once: small writes meet in the same pages, written once."""
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_UNREACHABLE = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY}


@contextmanager
def translated(where: str) -> Iterator[None]:
    """A block whose SQLite errors come out as :class:`~graph.errors.StoreError` and below."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _BUSY:
            raise StoreUnavailable(
                "the graph file stayed locked",
                where=where,
                remedy="Another process is writing: try again, or wait until its load is done.",
            ) from error
        if code in _UNREACHABLE:
            raise StoreUnavailable(
                f"the graph file cannot be used: {error}", where=where, remedy="Check the path and its permissions."
            ) from error
        if code == sqlite3.SQLITE_FULL:
            raise StoreError("the disk is full; nothing was written", where=where, remedy="Free some space.") from error
        if code == sqlite3.SQLITE_TOOBIG or isinstance(error, sqlite3.DataError):
            raise InputError(f"a value cannot be stored: {error}", where=where) from error
        if code == sqlite3.SQLITE_NOTADB:
            raise StoreError(
                "the file is not a graph", expected="an SQLite database", where=where, remedy="Name another file."
            ) from error
        raise StoreError(f"the graph store failed: {error}", where=where) from error


class Connections:
    """Every connection of one store: one for writing, and as many for reading as are asked for at once.

    Reading connections are handed out one at a time and kept for the next question. A deque needs no lock,
    so a reader that is finalised at any moment, in any thread, can give its connection back.
    """

    def __init__(self, path: Path, timeout_s: float) -> None:
        self.where = f"sqlite:{path}"
        self._path = path
        self._timeout_s = timeout_s
        self._idle: deque[sqlite3.Connection] = deque()
        self._all: deque[sqlite3.Connection] = deque()
        self._closed = False

    def open(self, *, writing: bool = False) -> sqlite3.Connection:
        """A new connection; the caller owns it until :meth:`close`."""
        connection = sqlite3.connect(
            self._path,
            timeout=self._timeout_s,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=512,
        )
        self._all.append(connection)
        connection.execute(f"PRAGMA cache_size = -{_PAGE_CACHE_KIB}")
        if writing:
            connection.create_function("merged_json", 2, merged_json, deterministic=True)
            # FULL: a commit that returned has been fsynced, so an acknowledged write outlives the machine.
            connection.execute("PRAGMA synchronous = FULL")
            # What is deleted is overwritten, not just unlinked: erasure of a person must reach the file.
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("PRAGMA threads = 2")  # for the sorting when indexes are built
            connection.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT_BYTES}")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        else:
            connection.execute("PRAGMA query_only = ON")
        return connection

    @contextmanager
    def moment(self) -> Iterator[sqlite3.Connection]:
        """A connection inside one read transaction: everything it reads is of the moment it was entered."""
        self.check_open()
        with translated(self.where):
            try:
                connection = self._idle.pop()
            except IndexError:
                connection = self.open()
            try:
                connection.execute("BEGIN")
                connection.execute("SELECT 1 FROM meta LIMIT 1").fetchone()  # a read is what fixes the moment
                yield connection
            finally:
                self._give_back(connection)

    def _give_back(self, connection: sqlite3.Connection) -> None:
        if self._closed:
            return
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        self._idle.append(connection)

    def check_open(self) -> None:
        """Raises :class:`~graph.errors.StoreError` after :meth:`close`."""
        if self._closed:
            raise StoreError("the graph store is closed", where=self.where, remedy="Open it again.")

    def close(self) -> None:
        """Nothing; every connection is closed, also one that a reader still holds."""
        self._closed = True
        while self._all:
            self._all.pop().close()
        self._idle.clear()
