"""A real server from Maven artifacts: started once, known by its home, closed to strangers, ended by its id."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
from pathlib import Path

import neo4j
import pytest
from neo4j.exceptions import AuthError

from graph.errors import NotFound, SettingsError, StoreError
from graph.neo4j.server import LINES, read_connection, start, status, stop
from graph.neo4j.server.conf import common_settings, home_settings, read_conf, written_conf
from graph.neo4j.server.process import launch, remember, running_pid
from tests.free_ports import free_port
from tests.neo4j_servers import TestServer, order


def ignore(_: str) -> None:
    """Nobody listens."""


def answers(server: TestServer, password: str | None = None) -> str:
    """The version that the server says it is."""
    auth = (server.connection.user, password or server.connection.password)
    with neo4j.GraphDatabase.driver(f"bolt://127.0.0.1:{server.connection.bolt_port}", auth=auth) as driver:
        records, _, _ = driver.execute_query("CALL dbms.components() YIELD versions, edition", database_="neo4j")
    assert records[0]["edition"] == "community"
    return str(records[0]["versions"][0])


def test_the_server_is_the_version_that_was_asked_for(every_neo4j: TestServer) -> None:
    assert answers(every_neo4j) == every_neo4j.version == LINES[every_neo4j.line].version


def test_a_server_that_runs_is_left_alone(neo4j_server: TestServer) -> None:
    again = start(order(neo4j_server.home, neo4j_server.line), ignore)
    assert again == status(neo4j_server.home)
    assert again.pid == neo4j_server.pid is not None


def test_only_its_password_opens_it_and_only_its_owner_can_read_that(neo4j_server: TestServer) -> None:
    for wrong in ("neo4j", "wrong-password"):
        with pytest.raises(AuthError):
            answers(neo4j_server, wrong)
    file = neo4j_server.home / "connection.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text()).keys() == {"uri", "user", "password", "http"}
    assert len(neo4j_server.connection.password) >= 24
    assert neo4j_server.connection.password not in repr(neo4j_server)


def test_it_listens_on_this_machine_only(neo4j_server: TestServer) -> None:
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    listening = {int(row[1].rpartition(":")[2], 16): row[1].rpartition(":")[0] for row in rows if row[3] == "0A"}
    for port in (neo4j_server.connection.bolt_port, neo4j_server.connection.http_port):
        assert listening[port] in ("0100007F", "0000000000000000FFFF00000100007F")


def test_it_refuses_to_become_another_server_while_it_runs(neo4j_server: TestServer) -> None:
    with pytest.raises(SettingsError, match=r"already runs otherwise: expected --bolt-port"):
        start(order(neo4j_server.home, neo4j_server.line, bolt_port=free_port()), ignore)


def test_stopped_and_started_it_has_its_data_ports_and_password(empty_neo4j: TestServer) -> None:
    with empty_neo4j.driver() as driver:
        driver.execute_query("CREATE (:Kept {id: 'here'})", database_="neo4j")
    before = empty_neo4j.pid
    assert stop(empty_neo4j.home) is True
    assert stop(empty_neo4j.home) is False
    assert status(empty_neo4j.home).pid is None
    (empty_neo4j.home / "run" / "neo4j.pid").write_text(f"{os.getpid()}\n")  # an id that another program has by now
    assert status(empty_neo4j.home).pid is None
    other = next(name for name in LINES if name != empty_neo4j.line)
    with pytest.raises(SettingsError, match="the data of another line"):
        start(order(empty_neo4j.home, other), ignore)
    with (
        socket.create_server(("127.0.0.1", empty_neo4j.connection.http_port)),
        pytest.raises(SettingsError, match="--http-port"),
    ):
        empty_neo4j.start()
    empty_neo4j.start()
    assert empty_neo4j.pid not in (None, before)
    assert read_connection(empty_neo4j.home) == empty_neo4j.connection
    with empty_neo4j.driver() as driver:
        records, _, _ = driver.execute_query("MATCH (n:Kept) RETURN n.id AS id", database_="neo4j")
    assert [record["id"] for record in records] == ["here"]


def test_a_home_where_nothing_was_started_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="kindred neo4j start"):
        status(tmp_path)
    (tmp_path / "connection.json").write_text("{}")
    with pytest.raises(StoreError, match="cannot be read"):
        status(tmp_path)


def test_a_server_that_has_just_been_launched_is_known_at_once(tmp_path: Path) -> None:
    """A process that becomes a program has no command line for a moment: longer where the machine is crowded."""
    (tmp_path / "run").mkdir()
    pids = []
    try:
        for _ in range(60):
            pids.append(launch(["/bin/sh", "-c", "sleep 60", "sh", f"--home-dir={tmp_path}"], tmp_path / "log"))
            remember(tmp_path, pids[-1])
            assert [running_pid(tmp_path) for _ in range(40)] == [pids[-1]] * 40
    finally:
        for pid in pids:
            os.killpg(os.getpgid(pid), signal.SIGKILL)


def test_the_guide_of_the_api_that_is_named_opens_at_log_in(tmp_path: Path) -> None:
    settings = common_settings("http://127.0.0.1:9000")
    assert settings["browser.post_connect_cmd"] == "play http://127.0.0.1:9000/curator/guide.html"
    assert settings["browser.remote_content_hostname_whitelist"] == "127.0.0.1"
    assert common_settings()["browser.post_connect_cmd"] == "play http://127.0.0.1:8000/curator/guide.html"
    everything = settings | home_settings(tmp_path, 1, 2)
    assert read_conf(written_conf(everything)) == everything
