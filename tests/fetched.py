"""Fetches what tests need from elsewhere ahead of them, while nothing else waits: ``python -m tests.fetched``.

Neo4j's jars for each line whose JDK is here, and the packages of the TypeScript client. What cannot be had is said
here; the tests that need it say so too, and decide what it means.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable

from graph.errors import KindredError
from graph.neo4j.server import LINES, assemble
from graph.neo4j.server.assembly import jar_cache
from graph.neo4j.server.java import find_java
from tests import typescript


def jars(line: str) -> None:
    """Nothing; the line's jars are in the cache."""
    find_java(LINES[line].java)
    assemble(LINES[line], jar_cache(), say=print)


def fetch(name: str, how: Callable[[], None]) -> None:
    """Nothing; says what became of it."""
    try:
        how()
    except (KindredError, AssertionError, OSError, subprocess.SubprocessError) as error:
        print(f"{name}: {error}")
    else:
        print(f"{name}: here")


if __name__ == "__main__":
    for line in LINES:
        fetch(f"Neo4j {line}", lambda line=line: jars(line))
    fetch("packages of the TypeScript client", typescript.install)
