"""The line to the server: one driver, every call under a deadline, retries where they help."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal, TypeVar

from neo4j import READ_ACCESS, WRITE_ACCESS, Driver, Transaction
from neo4j.exceptions import AuthError, DriverError, Neo4jError

from graph.errors import StoreError
from graph.neo4j.wire.address import Address
from graph.neo4j.wire.deadline import Late, Workers
from graph.neo4j.wire.faults import MovedUnderneath, in_our_words, late, translated, worth_another_try
from graph.neo4j.wire.refusals import REFUSALS
from graph.neo4j.wire.shared_driver import SharedDriver, session_of

_T = TypeVar("_T")

FETCH_ROWS = 5_000
LONG_S = 1_800.0
"""The deadline of what reads or writes a whole graph: exports, bulk loads, building an index."""

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.02, 0.5


class RollBack(Exception):
    """Ends a transaction without a commit; ``result`` is what its caller gets."""

    def __init__(self, result: Any) -> None:
        self.result = result


class Line:
    """Runs transactions on the server. Safe to use from several threads.

    The driver's own timeouts do not bound everything (a stalled connection is read from for ever), so each call is
    made by a worker thread; when it is late, driver and worker are left behind and the next call opens a new driver.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self._lock = threading.Lock()
        self._driver: SharedDriver | None = None
        self._workers = Workers()
        self._closed = False

    def read(self, work: Callable[[Transaction], _T], *, timeout_s: float | None = None) -> _T:
        """What ``work`` makes of one read transaction; it may run more than once."""
        return self._transact(work, "read", timeout_s)

    def write(self, work: Callable[[Transaction], _T], *, timeout_s: float | None = None) -> _T:
        """What ``work`` makes of one write transaction, committed unless it raises; it may run more than once.

        A transaction whose commit was cut off is tried again, so ``work`` has to see what it has done already.
        """
        return self._transact(work, "write", timeout_s)

    def command(self, statement: str, *, timeout_s: float | None = None, **parameters: Any) -> list[dict[str, Any]]:
        """The rows of one statement in a transaction of its own, e.g. one that changes the database's schema."""
        return self.write(lambda tx: tx.run(statement, parameters).data(), timeout_s=timeout_s)

    def bookmark(self) -> frozenset[str]:
        """The bookmark of a fresh read: it differs exactly when something was committed in between."""

        def ask(driver: Driver, _: float) -> frozenset[str]:
            with session_of(driver, database=self.address.database, default_access_mode=READ_ACCESS) as session:
                session.run("RETURN 1").consume()
                return session.last_bookmarks().raw_values

        return self._called(ask, self.address.timeout_s)

    def close(self) -> None:
        """Nothing; later calls are refused. Closing twice is harmless."""
        with self._lock:
            self._closed = True
            driver, self._driver = self._driver, None
        if driver is not None:
            driver.leave()
        self._workers.close()

    def _transact(
        self, work: Callable[[Transaction], _T], mode: Literal["read", "write"], timeout_s: float | None
    ) -> _T:
        return self._called(
            partial(self._tried, work, mode), self.address.timeout_s if timeout_s is None else timeout_s
        )

    def _called(self, ask: Callable[[Driver, float], _T], seconds: float) -> _T:
        if (refusal := REFUSALS.standing(self.address)) is not None:
            raise translated(refusal, self.address)
        until = time.monotonic() + seconds
        driver, workers = self._announced(until)
        try:
            with in_our_words(self.address), _watched(self.address):
                return workers.call(lambda: driver.call(ask, until), seconds)
        except Late:
            self._renew(driver)
            raise late(self.address, seconds) from None

    def _tried(self, work: Callable[[Transaction], _T], mode: str, driver: Driver, until: float) -> _T:
        pause = _FIRST_PAUSE_S
        while True:
            try:
                return self._once(work, mode, driver, until)
            except RollBack as way_out:
                result: _T = way_out.result
                return result
            except (Neo4jError, DriverError, MovedUnderneath) as error:
                left = until - time.monotonic()
                if not worth_another_try(error) or left < pause * 2:
                    raise
                time.sleep(pause * (0.5 + random.random()))  # noqa: S311 - spreads retries, guards nothing
                pause = min(pause * 2, _LONGEST_PAUSE_S)

    def _once(self, work: Callable[[Transaction], _T], mode: str, driver: Driver, until: float) -> _T:
        access = READ_ACCESS if mode == "read" else WRITE_ACCESS
        left = max(0.05, until - time.monotonic())
        with (
            session_of(
                driver, database=self.address.database, default_access_mode=access, fetch_size=FETCH_ROWS
            ) as session,
            session.begin_transaction(timeout=left) as transaction,
        ):
            result = work(transaction)
            if mode == "write":
                transaction.commit()
            return result

    def _announced(self, until: float) -> tuple[SharedDriver, Workers]:
        """The driver, which knows of the call that will end at ``until``, and who makes it."""
        with self._lock:
            if self._closed:
                raise StoreError("the graph store is closed", where=self.address.url)
            if self._driver is None:
                with in_our_words(self.address):
                    self._driver = SharedDriver(self.address)
            self._driver.announce(until)
            return self._driver, self._workers

    def _renew(self, late_driver: SharedDriver) -> None:
        """Nothing; the next call opens another driver, unless someone else has seen to it."""
        with self._lock:
            if self._driver is not late_driver:
                return
            self._driver = None
            workers, self._workers = self._workers, Workers()
        workers.close()
        late_driver.leave()


@contextmanager
def _watched(address: Address) -> Iterator[None]:
    """A block whose log-in, refused or not, is remembered."""
    try:
        yield
    except AuthError as error:
        REFUSALS.add(address, error)
        raise
    REFUSALS.clear(address)
