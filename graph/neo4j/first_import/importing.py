"""A first import into a local server: files written, the server stopped, filled by its own tool, started again."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from graph.errors import Conflict
from graph.neo4j.curated import open_neo4j
from graph.neo4j.cypher import statements
from graph.neo4j.cypher.names import Names
from graph.neo4j.first_import.files import ImportFiles
from graph.neo4j.server import admin, start, status, stop
from graph.neo4j.server.serving import order_as_last_started
from graph.neo4j.wire.address import local_connection, parsed_address
from graph.neo4j.wire.line import LONG_S
from graph.store import FirstLoad

_T = TypeVar("_T")

SHORT_BYTES = 100_000_000
"""Files up to this size, some three million edges, are imported before compiling the tool well has paid for itself."""
SHORT_RUN = ("-XX:TieredStopAtLevel=1", "-XX:+UseParallelGC")


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of the files: imported already, or a command to run where the server is."""

    command: str | None
    seconds: Mapping[str, float] = field(default_factory=dict)
    """How long each step took."""


def import_first(
    url: str, home: Path, folder: Path, fill: Callable[[FirstLoad], _T], say: Callable[[str], None]
) -> tuple[_T, Imported]:
    """What ``fill`` returns after loading the files' writer, and how the import went.

    The database is replaced, so it must be empty. A server elsewhere is not touched: its operator gets the files in
    ``folder`` and the command.

    Raises:
        Conflict: when the database holds something.
        StoreError: when the import tool fails.
    """
    address = parsed_address(url)
    local = local_connection(home, address.uri) is not None
    if local:
        _check_empty(url, home, say)
    files = ImportFiles(folder, Names(address.graph))
    seconds: dict[str, float] = {}
    with _timed(seconds, "files"):
        filled = fill(files)
    if not local:
        return filled, Imported("neo4j-admin " + shlex.join(_arguments(address.database, folder, files)), seconds)
    with _timed(seconds, "stop"):
        stop(home)
    try:
        with _timed(seconds, "import"):
            import_files(home, address.database, folder, files, say)
    finally:
        with _timed(seconds, "start"):
            start(order_as_last_started(home), say)
    with _timed(seconds, "indexes"), open_neo4j(url) as store:
        say("constraints and indexes")
        store.ensure_schema(files.schema)
    return filled, Imported(None, seconds)


def import_files(home: Path, database: str, folder: Path, files: ImportFiles, say: Callable[[str], None]) -> None:
    """Nothing; the stopped server's database is what the files in ``folder`` say.

    Raises:
        StoreError: when the import tool fails.
    """
    options = SHORT_RUN if _size(folder) <= SHORT_BYTES else ()
    admin(home, _arguments(database, folder, files), say, jvm_options=options)


def _arguments(database: str, folder: Path, files: ImportFiles) -> list[str]:
    report = f"--report-file={folder.absolute() / 'import.report'}"
    return ["database", "import", "full", database, "--overwrite-destination=true", report, *files.arguments]


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


@contextmanager
def _timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    seconds[step] = time.monotonic() - began


def _check_empty(url: str, home: Path, say: Callable[[str], None]) -> None:
    if status(home).pid is None:
        start(order_as_last_started(home), say)
    with open_neo4j(url) as store:
        (row,) = store.line.command(statements.COUNT_ALL, timeout_s=LONG_S)
        if row["count"] and not (row["count"] == 1 and store.watermark() == "0"):
            raise Conflict(
                "the database holds a graph, which a first import would replace",
                got=f"{row['count']:,} nodes",
                where=store.url,
                remedy="Ingest without --bulk, or into an empty database.",
            )
