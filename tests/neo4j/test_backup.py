"""The commands of docs/neo4j.md, run as they stand there, against a server with a graph in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from graph.neo4j.server import LINES
from tests.command.small_shop import Ran, kindred_in
from tests.neo4j_servers import TestServer, TestServers

PAGE = (Path(__file__).parents[2] / "docs" / "neo4j.md").read_text()


def commands(heading: str) -> list[list[list[str]]]:
    """The blocks of commands under a heading, each command as its words."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    blocks = [block.partition("\n```")[0] for block in section.split("```sh\n")[1:]]
    return [[line.split() for line in block.splitlines()] for block in blocks]


def run(block: list[list[str]], folder: Path, server: TestServer) -> list[Ran]:
    """What each command left; all of them ended well."""
    ran = []
    for program, *words in block:
        assert program == "kindred"
        # What the tests' small server needs beside the words of the page.
        small = ["--heap", "512m", "--page-cache", "64m"] if "start" in words else []
        ran.append(kindred_in(folder, *words, *small, KINDRED_NEO4J_HOME=str(server.home)))
        assert ran[-1].code == 0, (words, ran[-1].err)
    return ran


def keep(server: TestServer, *names: str) -> None:
    with server.driver() as driver:
        driver.execute_query("UNWIND $names AS name CREATE (:Kept {id: name})", names=names, database_="neo4j")


def kept(server: TestServer) -> list[str]:
    with server.driver() as driver:
        query = "MATCH (n:Kept) RETURN n.id AS id ORDER BY id"
        return [row["id"] for row in driver.execute_query(query, database_="neo4j").records]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_dump_brings_back_what_was_there(empty_neo4j: TestServer, tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    backup, restore = commands("Backup and restore")
    home = {"KINDRED_NEO4J_HOME": str(empty_neo4j.home)}
    keep(empty_neo4j, "a", "b")
    running = kindred_in(tmp_path, "neo4j", "dump", "var/backup.dump", **home)
    assert (running.code, "kindred neo4j stop" in running.error) == (1, True)
    run(backup, tmp_path, empty_neo4j)
    assert kept(empty_neo4j) == ["a", "b"]
    keep(empty_neo4j, "too late")
    stop, *rest = restore
    run([stop], tmp_path, empty_neo4j)
    there = kindred_in(tmp_path, "neo4j", "load", "var/backup.dump", **home)
    assert (there.code, "--overwrite" in there.error) == (1, True)
    again = kindred_in(tmp_path, "neo4j", "dump", "var/backup.dump", **home)
    assert (again.code, "--overwrite" in again.error) == (1, True)
    run(rest, tmp_path, empty_neo4j)
    assert kept(empty_neo4j) == ["a", "b"]
    assert [path.name for path in (tmp_path / "var").glob("*")] == ["backup.dump"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_newer_line_takes_over_the_data(neo4j_servers: TestServers, tmp_path: Path) -> None:
    neo4j_servers.can_run("2026")  # where that line cannot run there is nothing to upgrade to
    server = neo4j_servers.new("5")
    (tmp_path / "var").mkdir()
    keep(server, "from the old line")
    [upgrade] = commands("Upgrade from line to line")
    run(upgrade, tmp_path, server)
    assert kept(server) == ["from the old line"]
    back = kindred_in(tmp_path, "neo4j", "stop", KINDRED_NEO4J_HOME=str(server.home))
    assert back.code == 0
    refused = kindred_in(tmp_path, "neo4j", "start", KINDRED_NEO4J_HOME=str(server.home))
    assert refused.code == 7
    assert f"got {LINES['2026'].version}" in refused.error
    assert "--line 2026" in refused.error


def test_a_dump_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    ran = kindred_in(tmp_path, "neo4j", "load", "nothing.dump", "--home", "nowhere")
    assert ran.code == 4
    (tmp_path / "some.dump").write_bytes(b"x")
    assert kindred_in(tmp_path, "neo4j", "load", "some.dump", "--home", "nowhere").code == 4
    assert kindred_in(tmp_path, "neo4j", "dump", "nowhere/some.dump", "--home", "nowhere").code == 3
