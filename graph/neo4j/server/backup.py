"""Dump and load of a stopped server's graph, by the server's own admin tool."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from graph.errors import Conflict, InputError, NotFound, StoreError
from graph.neo4j.server.archive import archive_options
from graph.neo4j.server.assembly import assemble, jar_cache
from graph.neo4j.server.connection import DATABASE
from graph.neo4j.server.java import find_java
from graph.neo4j.server.process import admin_command
from graph.neo4j.server.serving import line_of_home, while_stopped


def dump(home: Path, file: Path, say: Callable[[str], None], *, overwrite: bool = False) -> int:
    """The bytes of the dump in ``file``, which is there whole or not at all.

    Raises:
        Conflict: while the server runs, or when ``file`` is there and not to be overwritten.
        InputError: when its folder is not there.
        StoreError: when the admin tool fails.
    """
    if not file.absolute().parent.is_dir():
        raise InputError("the dump cannot be written", expected="a folder that exists", got=str(file.parent))
    if file.exists() and not overwrite:
        raise Conflict("the dump is there already", got=str(file), remedy="Choose another name, or --overwrite.")
    with TemporaryDirectory(dir=file.absolute().parent, prefix=".dump-") as folder:
        admin(home, ["database", "dump", DATABASE, f"--to-path={folder}"], say)
        dumped = Path(folder) / f"{DATABASE}.dump"
        with dumped.open("rb") as written:
            os.fsync(written.fileno())
        dumped.replace(file)
    return file.stat().st_size


def load_dump(home: Path, file: Path, say: Callable[[str], None], *, overwrite: bool = False) -> None:
    """Nothing; the home's graph is the one of the dump.

    Raises:
        Conflict: while the server runs, or when it holds a graph that is not to be overwritten.
        NotFound: when there is no such dump, or no server was ever started in ``home``.
        StoreError: when the admin tool fails.
    """
    if not file.is_file():
        raise NotFound("no such dump", got=str(file))
    line_of_home(home)
    if _holds_data(home) and not overwrite:
        raise Conflict(
            "the home holds a graph, which a load replaces",
            got=str(home),
            remedy="Say --overwrite, or load into another --home.",
        )
    with TemporaryDirectory(dir=home, prefix=".load-") as folder:
        (Path(folder) / f"{DATABASE}.dump").symlink_to(file.absolute())
        admin(home, ["database", "load", DATABASE, f"--from-path={folder}", "--overwrite-destination=true"], say)


def admin(home: Path, arguments: Sequence[str], say: Callable[[str], None], *, jvm_options: Sequence[str] = ()) -> str:
    """What the admin tool of a stopped server prints: ``database dump``, ``load``, ``check``, ``import full``.

    Raises:
        Conflict: while the server runs.
        StoreError: when the tool fails.
    """
    home = home.absolute()
    with while_stopped(home):
        line = line_of_home(home)
        java = find_java(line.java)
        jars = assemble(line, jar_cache(), say)
        options = [*jvm_options, *archive_options(java, jars, "tool")]
        command, places = admin_command(java, jars, home, arguments, options)
        say(f"neo4j-admin {' '.join(arguments)}")
        done = subprocess.run(command, capture_output=True, text=True, env=places)  # noqa: S603
    if done.returncode:
        said = [text for text in (done.stdout + done.stderr).splitlines() if text.strip()]
        raise StoreError(
            "the admin tool failed", got=(said or [f"exit code {done.returncode}"])[-1], where=str(home / "logs")
        )
    return done.stdout


def _holds_data(home: Path) -> bool:
    return (home / "data" / "databases" / DATABASE).is_dir()
