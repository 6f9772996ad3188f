"""The server's jars, fetched once by Maven and shared by every home."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from tempfile import mkdtemp

from graph.errors import StoreError
from graph.neo4j.server.java import find_maven
from graph.neo4j.server.lines import BROWSER_VERSION, Line
from graph.neo4j.server.signatures import without_signatures
from graph.user_cache import user_cache

COPY_DEPENDENCIES = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
DOWNLOAD_LIMIT_S = 1800.0


def jar_cache() -> Path:
    """The folder of assembled servers: ``KINDRED_NEO4J_JARS``, or under the user's cache."""
    if chosen := os.environ.get("KINDRED_NEO4J_JARS"):
        return Path(chosen).expanduser()
    return user_cache() / "neo4j"


def assemble(line: Line, cache: Path, say: Callable[[str], None]) -> Path:
    """The folder of the line's jars, fetched when it is not there.

    Jars land in a folder of another name first: a folder of the right name is complete. They are kept without their
    signatures, which every start would check: see :mod:`graph.neo4j.server.signatures`.

    Raises:
        MissingExtra: when Maven is needed and is not there.
        StoreError: when Maven cannot fetch them.
    """
    jars = (cache / f"lib-{line.version}-unsigned").absolute()
    if jars.is_dir():
        return jars
    maven = find_maven()
    cache.mkdir(parents=True, exist_ok=True)
    with one_at_a_time(cache):
        if not jars.is_dir():
            say(f"fetching Neo4j {line.version} Community from Maven's repository (137 MB)")
            unfinished = Path(mkdtemp(dir=cache, prefix="unfinished-"))
            try:
                _fetch(maven, line, unfinished)
                without_signatures(unfinished)
                unfinished.rename(jars)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
    return jars


def _fetch(maven: Path, line: Line, folder: Path) -> None:
    with as_file(files("graph.neo4j.server") / "pom.xml") as pom:
        command = [
            str(maven),
            "--batch-mode",
            "--quiet",
            f"--file={pom}",
            COPY_DEPENDENCIES,
            "-DincludeScope=runtime",
            f"-DoutputDirectory={folder.absolute()}",
            f"-Dneo4j.version={line.version}",
            f"-Dbrowser.version={BROWSER_VERSION}",
        ]
        try:
            done = subprocess.run(  # noqa: S603
                command, capture_output=True, text=True, timeout=DOWNLOAD_LIMIT_S
            )
        except subprocess.TimeoutExpired as error:
            raise StoreError("Maven did not end", expected=f"an end within {DOWNLOAD_LIMIT_S:g} s") from error
    if done.returncode or not any(folder.glob("neo4j-server-*.jar")):
        complaints = [text for text in (done.stdout + done.stderr).splitlines() if "ERROR" in text]
        raise StoreError(
            "Maven could not fetch the server",
            got=complaints[0] if complaints else f"exit code {done.returncode}",
            remedy="Check the network and Maven's settings, then start again: it goes on where it was.",
        )


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Two processes that need the same jars fetch them once."""
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
