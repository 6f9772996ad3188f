"""An archive of classes saves time at a start; missing, torn or made by another JVM it changes nothing else."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from graph.errors import StoreUnavailable
from graph.neo4j.server import LINES, assemble
from graph.neo4j.server import archive as archive_module
from graph.neo4j.server.archive import archive_options, is_archived, make_archive
from graph.neo4j.server.assembly import jar_cache
from graph.neo4j.server.java import find_java
from graph.neo4j.server.process import admin_command
from tests.neo4j_servers import LINES_UNDER_TEST, TestServers


@pytest.fixture
def java(tmp_path: Path) -> Path:
    """A ``java`` with the machine beside it; nobody runs it."""
    home = tmp_path / "jdk"
    for part in ("bin/java", "lib/server/libjvm.so"):
        (home / part).parent.mkdir(parents=True)
        (home / part).write_text("first build")
    return home / "bin" / "java"


@pytest.fixture
def jars(tmp_path: Path) -> Path:
    folder = tmp_path / "cache" / "lib-1"
    folder.mkdir(parents=True)
    return folder


def writing(content: str, seen: list[list[str]] | None = None) -> Callable[[list[str]], None]:
    """A run of a JVM that leaves an archive."""

    def run(options: list[str]) -> None:
        if seen is not None:
            seen.append(options)
        Path(options[0].partition("=")[2]).write_text(content)

    return run


def archive(java: Path, jars: Path) -> Path:
    return Path(archive_options(java, jars, "server")[0].partition("=")[2])


def test_it_is_made_once_and_then_used(java: Path, jars: Path) -> None:
    assert archive_options(java, jars, "server") == []
    runs: list[list[str]] = []
    for _ in range(2):
        make_archive(java, jars, "server", writing("classes", runs))
    assert len(runs) == 1
    assert archive(java, jars).read_text() == "classes"
    assert archive_options(java, jars, "tool") == []
    assert [file.name for file in jars.iterdir()] == []  # a stranger beside the jars would be on the class path


@pytest.mark.parametrize("content", ["", "class", "classeS"])
def test_a_torn_one_is_not_used_and_made_anew(content: str, java: Path, jars: Path) -> None:
    make_archive(java, jars, "server", writing("classes"))
    file = archive(java, jars)
    file.write_text(content)
    assert archive_options(java, jars, "server") == []
    make_archive(java, jars, "server", writing("classes"))
    assert archive(java, jars).read_text() == "classes"


def test_one_that_was_found_whole_is_not_read_again_to_see_that_none_is_to_be_made(
    java: Path, jars: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_archive(java, jars, "server", writing("classes"))
    file = archive(java, jars)
    file.with_suffix(".seen").unlink()  # as an earlier version left it
    assert is_archived(java, jars, "server")

    def read(_: Path) -> str:
        raise AssertionError("it was read")

    monkeypatch.setattr("graph.neo4j.server.archive._digest", read)
    archive_module._digest_as_of.cache_clear()
    assert is_archived(java, jars, "server")


def test_one_that_is_torn_behind_its_size_and_time_is_made_anew(java: Path, jars: Path) -> None:
    make_archive(java, jars, "server", writing("classes"))
    file = archive(java, jars)
    times = file.stat().st_mtime_ns
    file.write_text("classeS")
    os.utime(file, ns=(times, times))
    archive_module._digest_as_of.cache_clear()
    assert archive_options(java, jars, "server") == []
    make_archive(java, jars, "server", writing("classes"))
    assert archive(java, jars).read_text() == "classes"


def test_after_an_update_of_the_jdk_another_one_takes_its_place(java: Path, jars: Path) -> None:
    make_archive(java, jars, "server", writing("old"))
    old = archive(java, jars)
    (java.parent.parent / "lib" / "server" / "libjvm.so").write_text("second build, longer")
    assert archive_options(java, jars, "server") == []
    make_archive(java, jars, "server", writing("new"))
    assert archive(java, jars).read_text() == "new"
    assert not old.exists()


def test_a_jvm_that_writes_none_is_asked_once(java: Path, jars: Path) -> None:
    runs: list[list[str]] = []
    for _ in range(2):
        make_archive(java, jars, "server", runs.append)
    assert len(runs) == 1
    assert is_archived(java, jars, "server")
    assert archive_options(java, jars, "server") == []


@pytest.mark.parametrize("error", [StoreUnavailable("it does not come up"), subprocess.TimeoutExpired("java", 1)])
def test_a_run_that_fails_leaves_nothing_and_is_tried_again(error: Exception, java: Path, jars: Path) -> None:
    def run(options: list[str]) -> None:
        writing("half")(options)
        raise error

    make_archive(java, jars, "server", run)
    assert not is_archived(java, jars, "server")
    assert archive_options(java, jars, "server") == []
    make_archive(java, jars, "server", writing("classes"))
    assert archive(java, jars).read_text() == "classes"


def test_a_folder_that_cannot_be_written_stops_nobody(java: Path, tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    make_archive(java, tmp_path / "a file" / "lib-1", "server", writing("classes"))
    assert archive_options(java, tmp_path / "a file" / "lib-1", "server") == []


@pytest.mark.slow
@pytest.mark.timeout(200)
@pytest.mark.parametrize("line", LINES_UNDER_TEST)
def test_the_jvm_of_every_line_takes_its_archive_and_goes_on_without_another(
    line: str, neo4j_servers: TestServers, tmp_path: Path
) -> None:
    assert neo4j_servers.of(line)  # its start has made the archives; skips, loudly, where no server can be had
    java, jars = find_java(LINES[line].java), assemble(LINES[line], jar_cache(), print)
    options = archive_options(java, jars, "tool")
    assert options, "this JVM wrote no archive of classes"

    def run(*jvm_options: str) -> subprocess.CompletedProcess[str]:
        command, places = admin_command(java, jars, tmp_path, ["--version"], jvm_options)
        return subprocess.run(command, capture_output=True, text=True, env=places, timeout=60, check=True)

    used = run(*options, "-Xshare:on")  # this one dies where the archive does not fit
    foreign = tmp_path / "foreign.jsa"
    foreign.write_bytes(b"of another JVM" * 1000)
    refused = run(f"-XX:SharedArchiveFile={foreign}", *options[1:])
    missing = run(f"-XX:SharedArchiveFile={tmp_path}/none.jsa", *options[1:])
    assert used.stdout == refused.stdout == missing.stdout == run().stdout == f"{LINES[line].version}\n"
