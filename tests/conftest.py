"""What every room's tests may use: real Neo4j servers, and the last lines that say which stores really ran.

Tests run in several processes (pytest-xdist). Tests of one file share a process, and so its fixtures. Tests that ask
for Neo4j make four rooms, each of which shares a process, and so its servers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.neo4j_servers import LINES_UNDER_TEST, REQUIRED_LINE, Seen, TestServer, TestServers, must_fail, summary

os.environ.setdefault("KINDRED_AUTH", "off")  # the door is open unless a test closes it
os.environ.setdefault("OMP_NUM_THREADS", "1")  # two processes of two threads each would wait for one another
SERVERS = pytest.StashKey[TestServers]()
FAULTS = ("tests/neo4j/test_faults", "tests/neo4j/test_failing_line")
"""Tests that wait for a server that does not answer: a room of their own."""
LONG = (
    "tests/neo4j/",
    "neo4j-2026",
    "neo4j",
    "tests/api/test_page_browser.py",
    "tests/scale/",
    "tests/end_to_end/",
    "tests/api/test_client_typescript.py",
    "tests/ingest/",
    "tests/gnn/test_controls.py",
    "tests/gnn/test_compiled.py",
    "tests/command/",
)
"""Rooms, files and folders that take longest, the longest first: the last one begun should be a short one."""
SEEN = pytest.StashKey[Seen]()
"""What the other processes of the run found."""


@pytest.fixture(scope="session")
def neo4j_servers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServers]:
    """The session's Neo4j servers by line; ``neo4j_servers.of("5")`` starts one or skips."""
    servers = TestServers(tmp_path_factory.mktemp)
    request.config.stash[SERVERS] = servers
    with pytest.MonkeyPatch.context() as environment:
        # A server that lives for minutes starts with half the processor time without its second compiler.
        environment.setenv("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")
        yield servers
        servers.end()


@pytest.fixture(scope="session", params=LINES_UNDER_TEST, ids=lambda line: f"neo4j-{line}")
def every_neo4j(request: pytest.FixtureRequest, neo4j_servers: TestServers) -> TestServer:
    """A running server, once for every line."""
    return neo4j_servers.of(request.param)


@pytest.fixture(scope="session")
def neo4j_server(neo4j_servers: TestServers) -> TestServer:
    """A running server of the line that CI must have."""
    return neo4j_servers.of(REQUIRED_LINE)


@pytest.fixture
def empty_neo4j(neo4j_server: TestServer) -> TestServer:
    """That server, with nothing in it."""
    neo4j_server.empty()
    return neo4j_server


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SEEN] = Seen()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest first, so that no process is left with it at the end."""
    items.sort(key=lambda item: next((at for at, name in enumerate(LONG) if name in item.nodeid), len(LONG)))


def _room(nodeid: str) -> str:
    """What shares a process: Neo4j's faults, its other tests proper, tests that ask for one of its lines, or a file."""
    file = nodeid.partition("::")[0]
    if "neo4j" not in nodeid:
        return file
    if "neo4j-2026" in nodeid:
        return "neo4j-2026"
    if file.startswith(FAULTS):
        return "faults"
    return "tests/neo4j" if file.startswith("tests/neo4j/") else "neo4j"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling

    class Rooms(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _room(nodeid)

    return Rooms(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """A process of the run has ended: what it found joins what the others found."""
    found = getattr(node, "workeroutput", {}).get("neo4j")
    if found is not None:
        node.config.stash[SEEN].add(Seen(*found))


def _seen(config: pytest.Config) -> Seen:
    """What this process and those it began have found so far."""
    seen = config.stash[SEEN]
    if SERVERS in config.stash:
        seen.add(config.stash[SERVERS].seen())
    return seen


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    seen = _seen(session.config)
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["neo4j"] = seen.asked, seen.running, seen.missing
    elif session.exitstatus == pytest.ExitCode.OK and must_fail(seen):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in summary(_seen(config)):
        terminalreporter.write_line(line, bold=True)
