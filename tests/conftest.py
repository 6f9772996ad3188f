"""What every room's tests may use: real Neo4j servers, and the last lines that say which stores really ran."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.neo4j_servers import LINES_UNDER_TEST, REQUIRED_LINE, TestServer, TestServers, must_fail, summary

os.environ.setdefault("KINDRED_AUTH", "off")  # the door is open unless a test closes it
SERVERS = pytest.StashKey[TestServers]()


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


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.exitstatus == pytest.ExitCode.OK and must_fail(session.config.stash.get(SERVERS, None)):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in summary(config.stash.get(SERVERS, None)):
        terminalreporter.write_line(line, bold=True)
