"""Real Neo4j servers for tests: one a line and session, started when a test first asks, ended with the session."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import neo4j
import pytest

from graph.errors import KindredError
from graph.neo4j.cypher.names import quoted
from graph.neo4j.server import LINES, Connection, ServerOrder, read_connection, start, status, stop
from graph.neo4j.server.java import find_java
from graph.neo4j.server.lines import DEFAULT_LINE
from tests.free_ports import free_port

LINES_UNDER_TEST = tuple(LINES)
REQUIRED_LINE = DEFAULT_LINE
"""The line that CI must have; the other ones run where their JDK is."""

GIVEN_HOME = "KINDRED_TEST_NEO4J_HOME"
"""Names the home of a running server to use instead of a new one. The tests empty it: never a home you need."""

NAMED = {
    "CONSTRAINT": "SHOW CONSTRAINTS YIELD name",
    "INDEX": "SHOW INDEXES YIELD name, type, owningConstraint WHERE type <> 'LOOKUP' AND owningConstraint IS NULL",
}
"""What can be dropped by name → the query that lists it."""


@dataclass(frozen=True)
class TestServer:
    """A running server that tests may fill, empty and stop."""

    __test__ = False
    home: Path
    line: str
    version: str
    connection: Connection

    @property
    def store_url(self) -> str:
        return self.url("neo4j")

    @property
    def patient_url(self) -> str:
        """The same with a deadline for a cold server on a busy machine, which plans for seconds."""
        return f"{self.store_url}?timeout_s=30"

    def url(self, scheme: str, *, port: int | None = None, password: str | None = None, database: str = "neo4j") -> str:
        """The URL of its store; through another ``port`` for a proxy, ``bolt:`` so that no routing goes around it."""
        address = f"127.0.0.1:{port or self.connection.bolt_port}"
        return f"{scheme}://{self.connection.user}:{password or self.connection.password}@{address}/{database}"

    @property
    def pid(self) -> int | None:
        return status(self.home).pid

    def stop(self) -> None:
        stop(self.home)

    def start(self) -> None:
        """Nothing; it runs again, on the same ports."""
        start(order(self.home, self.line), say=lambda _: None)

    def driver(self) -> neo4j.Driver:
        """A driver of its own, to look behind the store's back or to edit as a curator does."""
        return neo4j.GraphDatabase.driver(
            f"bolt://127.0.0.1:{self.connection.bolt_port}", auth=(self.connection.user, self.connection.password)
        )

    def empty(self) -> None:
        """Nothing; no node, constraint or index of anybody is left."""
        with self.driver() as driver, driver.session(database="neo4j") as session:
            session.run("MATCH (n) CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 5000 ROWS").consume()
            for kind, shown in NAMED.items():
                for name in [row["name"] for row in session.run(shown)]:
                    session.run(f"DROP {kind} {quoted(name)} IF EXISTS").consume()


@dataclass
class TestServers:
    """The session's servers, and what became of each line that was asked for."""

    __test__ = False
    new_folder: Callable[[str], Path]
    running: dict[str, TestServer] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    ours: list[Path] = field(default_factory=list)

    def of(self, line: str) -> TestServer:
        """The line's server; skips the test, loudly, when none can be had."""
        if line not in self.running and line not in self.missing:
            try:
                self.running[line] = self._given(line) or self.new(line)
            except KindredError as error:
                self.missing[line] = str(error)
        if line in self.missing:
            pytest.skip(f"no Neo4j {line}: {self.missing[line]}")
        return self.running[line]

    def can_run(self, line: str) -> None:
        """Nothing; skips the test, loudly, where the line has no JDK to run on."""
        try:
            find_java(LINES[line].java)
        except KindredError as error:
            self.missing[line] = str(error)
            pytest.skip(f"no Neo4j {line}: {error}")

    def end(self) -> None:
        for home in self.ours:
            stop(home)

    def seen(self) -> Seen:
        return Seen(True, {line: server.version for line, server in self.running.items()}, dict(self.missing))

    def _given(self, line: str) -> TestServer | None:
        if GIVEN_HOME not in os.environ:
            return None
        home = Path(os.environ[GIVEN_HOME]).absolute()
        found = status(home)
        if found.version != LINES[line].version:
            return None
        return TestServer(home, line, found.version, read_connection(home))

    def new(self, line: str) -> TestServer:
        """Another server of the line, for a test that does to it what others would not survive."""
        home = self.new_folder(f"neo4j-{line}")
        self.ours.append(home)
        found = start(order(home, line, free_port(), free_port()), say=lambda _: None)
        return TestServer(home, line, found.version, found.connection)


def order(home: Path, line: str, bolt_port: int | None = None, http_port: int | None = None) -> ServerOrder:
    """A small server: the tests' graphs are small."""
    return ServerOrder(home, LINES[line], bolt_port, http_port, heap="512m", page_cache="64m")


@dataclass
class Seen:
    """What became of Neo4j in a process of the run."""

    asked: bool = False
    running: dict[str, str] = field(default_factory=dict)
    """Line → version."""
    missing: dict[str, str] = field(default_factory=dict)
    """Line → why it did not run."""

    def add(self, other: Seen) -> None:
        self.asked |= other.asked
        self.running |= other.running
        self.missing |= other.missing


def summary(seen: Seen) -> list[str]:
    """The last lines of a run: which stores it really ran against."""
    if not seen.asked:
        return ["backends that really ran: sqlite (embedded); no test asked for neo4j"]
    names = ["sqlite (embedded)", *(f"neo4j {version}" for _, version in sorted(seen.running.items()))]
    lines = ["backends that really ran: " + ", ".join(names)]
    return lines + [f"NEO4J {line} DID NOT RUN: {reason}" for line, reason in seen.missing.items()]


def must_fail(seen: Seen) -> bool:
    """Whether this run may not pass: CI without the server that CI must have."""
    in_ci = os.environ.get("CI", "").lower() not in ("", "0", "false")
    return in_ci and REQUIRED_LINE in seen.missing
