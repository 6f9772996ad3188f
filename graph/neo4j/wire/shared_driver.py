"""One driver and the calls under way on it: it is closed when none is left, for closing it under a call is unsafe.

The driver says so itself; what a call then raises is no error of the driver's (``AttributeError``, ``BufferError``).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from neo4j import Driver, GraphDatabase, NotificationMinimumSeverity, Session

from graph.neo4j.wire.address import Address

_T = TypeVar("_T")
_log = logging.getLogger(__name__)

GRACE_S = 0.5
"""A call that is this much beyond its deadline waits for a line that is dead: only closing its socket ends it.

Not longer: until then the server may hold what the call has locked.
"""

_CLOSING_TRIES, _CLOSING_PAUSE_S = 20, 0.01


class SharedDriver:
    """The driver for an address, shared by calls from several threads."""

    def __init__(self, address: Address) -> None:
        seconds = address.timeout_s
        self._driver: Driver = GraphDatabase.driver(
            address.uri,
            auth=(address.user, address.password),
            connection_timeout=seconds,
            connection_acquisition_timeout=seconds,
            connection_write_timeout=seconds,
            max_transaction_retry_time=seconds,
            liveness_check_timeout=10.0,
            keep_alive=True,
            max_connection_lifetime=600.0,
            notifications_min_severity=NotificationMinimumSeverity.OFF,
            telemetry_disabled=True,
            user_agent="kindred",
        )
        self._changed = threading.Condition()
        self._calls = 0
        self._last_deadline = 0.0

    def announce(self, until: float) -> None:
        """Nothing; a call is under way, to end at ``until`` by :func:`time.monotonic`; :meth:`call` has to follow."""
        with self._changed:
            self._calls += 1
            self._last_deadline = max(self._last_deadline, until)

    def call(self, ask: Callable[[Driver, float], _T], until: float) -> _T:
        """What ``ask`` makes of the driver, for a call that was announced."""
        try:
            return ask(self._driver, until)
        finally:
            with self._changed:
                self._calls -= 1
                self._changed.notify_all()

    def leave(self) -> None:
        """Nothing, at once; in a thread of its own the driver is closed when its calls have ended or are long late."""
        threading.Thread(target=self._close, name="neo4j-close", daemon=True).start()

    def _close(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._calls, self._last_deadline + GRACE_S - time.monotonic())
        try:
            self._driver.close()  # saying goodbye may hang as well
        except Exception as error:  # a late call was not dead after all, and used its line in this moment
            _log.debug("closing the driver failed: %r", error)


@contextmanager
def session_of(driver: Driver, **options: Any) -> Iterator[Session]:
    """A block with a session that is closed behind it, whatever the line does meanwhile.

    The answer, or the error, is known before the session is closed: what closing raises is of no interest. It stays
    open where a first attempt failed halfway, as it does when the driver is closed by another thread in this moment.
    """
    session = driver.session(**options)
    try:
        yield session
    finally:
        for _ in range(_CLOSING_TRIES):
            try:
                session.close()
                break
            except Exception as error:
                _log.debug("closing a session failed: %r", error)
                time.sleep(_CLOSING_PAUSE_S)
