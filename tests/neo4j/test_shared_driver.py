"""A call that is late, or a store that is closed, takes nobody else's line away."""

from __future__ import annotations

import gc
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from neo4j import Transaction

from graph.errors import StoreError, StoreUnavailable
from graph.neo4j.wire.address import parsed_address
from graph.neo4j.wire.line import Line
from graph.neo4j.wire.shared_driver import GRACE_S, session_of
from graph.store import open_store
from tests.neo4j.failing_line import FailingLine
from tests.neo4j_servers import TestServer


@pytest.fixture
def line(neo4j_server: TestServer) -> Any:
    line = Line(parsed_address(neo4j_server.store_url))
    yield line
    line.close()


class Halved:
    """Work of two statements, the second of which waits for a sign."""

    def __init__(self) -> None:
        self.runs = 0
        self.has_begun, self.may_end = threading.Event(), threading.Event()

    def __call__(self, tx: Transaction) -> int:
        self.runs += 1
        tx.run("RETURN 1").consume()
        self.has_begun.set()
        assert self.may_end.wait(30)
        record = tx.run("RETURN 2 AS two").single(strict=True)
        return int(record["two"])


@pytest.mark.parametrize("mode", ["read", "write"])
def test_a_late_call_leaves_the_line_of_others_alone(line: Line, mode: str) -> None:
    halved = Halved()
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(getattr(line, mode), halved, timeout_s=30.0)
        assert halved.has_begun.wait(30)
        with pytest.raises(StoreUnavailable, match=r"did not answer within 0\.2 s"):
            line.read(lambda _: time.sleep(2.0), timeout_s=0.2)
        assert line.command("RETURN 1 AS one") == [{"one": 1}], "on another driver"
        time.sleep(GRACE_S)
        halved.may_end.set()
        assert other.result(30) == 2
    assert halved.runs == 1, "it was made again: its line was closed under it"


def test_a_store_that_is_closed_lets_calls_under_way_end(line: Line) -> None:
    halved = Halved()
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(line.read, halved, timeout_s=30.0)
        assert halved.has_begun.wait(30)
        line.close()
        with pytest.raises(StoreError, match="closed"):
            line.command("RETURN 1")
        halved.may_end.set()
        assert other.result(30) == 2
    assert halved.runs == 1


def test_a_call_on_a_dead_line_is_let_go_and_its_session_closed(neo4j_server: TestServer) -> None:
    with FailingLine(neo4j_server.connection.bolt_port) as dead, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        line = Line(parsed_address(f"{neo4j_server.url('bolt', port=dead.port)}?timeout_s=1"))
        line.command("RETURN 1")
        ended = threading.Event()

        def work(tx: Transaction) -> None:
            dead.set("swallowing")
            try:
                tx.run("RETURN 2").consume()
            finally:
                ended.set()

        with pytest.raises(StoreUnavailable):
            line.read(work)
        assert ended.wait(10), "its thread waits for ever"
        line.close()
        time.sleep(0.2)
        gc.collect()
    assert not [str(warning.message) for warning in caught if "Session" in str(warning.message)]


class Stubborn:
    """A driver and its only session, which fails to close as often as it is told to."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.is_closed = False

    def session(self, **_: Any) -> Stubborn:
        return self

    def close(self) -> None:
        if self.failures:
            self.failures -= 1
            raise BufferError("another thread uses the line")
        self.is_closed = True


def test_a_session_is_closed_though_its_first_attempt_fails() -> None:
    driver = Stubborn(failures=2)
    with session_of(driver) as session:  # type: ignore[arg-type]
        assert session is driver
    assert driver.is_closed
    driver = Stubborn(failures=1)
    with pytest.raises(ZeroDivisionError), session_of(driver):  # type: ignore[arg-type]
        raise ZeroDivisionError
    assert driver.is_closed


def test_readers_of_a_store_that_is_closed_get_an_answer_or_one_clear_error(neo4j_server: TestServer) -> None:
    odd: list[BaseException] = []
    with ThreadPoolExecutor(3) as pool:
        for _ in range(20):
            store = open_store(neo4j_server.store_url)
            has_begun = threading.Event()

            def ask(store: Any = store, has_begun: threading.Event = has_begun) -> None:
                while True:
                    try:
                        store.watermark()
                    except StoreError as error:
                        if "closed" not in str(error):
                            odd.append(error)
                        return
                    has_begun.set()

            readers = [pool.submit(ask) for _ in range(3)]
            assert has_begun.wait(30)
            store.close()
            for reader in readers:
                reader.result(30)
    assert not odd
