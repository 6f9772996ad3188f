"""Where a command works: its settings, its store, its folders, its mapping."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from api.command.terminal import progress_bar, say
from api.settings import Settings
from graph.errors import InputError, NotFound, SettingsError
from graph.store import FirstLoad, GraphStore, open_store, shown_url
from ingest.loading import ingest
from ingest.mapping import Mapping, load_mapping
from ingest.report import IngestReport
from ingest.sources import SOURCES, open_source

TURN_S = 1800.0
"""How long what is measured waits for other ingests in the same work folder."""


@contextmanager
def opened(settings: Settings) -> Iterator[GraphStore]:
    """The graph store of the settings, closed afterwards."""
    with open_store(settings.store) as graph:
        yield graph


@contextmanager
def working_folder(settings: Settings) -> Iterator[Path]:
    """A folder for one run, on the file system of the releases so that files can be linked into them."""
    settings.work_dir.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=settings.work_dir, prefix="run-") as folder:
        yield Path(folder)


def mapping_named(name: str, settings: Settings) -> Mapping:
    """The mapping of a delivered source, or of a file.

    Raises:
        NotFound: when there is neither, or the source's data is nowhere.
    """
    if name in SOURCES:
        data = open_source(name, settings.data_dir, settings.work_dir / "sources", say=say)
        return load_mapping(data.mapping_path, data.data_dir, variables=data.variables)
    if not Path(name).is_file():
        raise NotFound(
            "no such source or mapping file",
            expected="a file, or one of " + ", ".join(SOURCES),
            got=name,
            remedy="For data of your own write a mapping: docs/mapping.md.",
        )
    return load_mapping(Path(name), settings.data_dir or Path(name).parent)


def ingest_into(
    mapping: Mapping, graph: GraphStore | FirstLoad, settings: Settings, *, max_bad: float = 0.05, turn_s: float = 0.0
) -> IngestReport:
    """Ingests a mapping with a progress bar on the terminal; waits ``turn_s`` for another ingest in the work folder."""
    place = settings.work_dir / "ingest"
    with progress_bar() as progress:
        return ingest(mapping, graph, work_dir=place, max_bad=max_bad, progress=progress, turn_s=turn_s)


def ingest_apart(name: str, graph: GraphStore, settings: Settings) -> Mapping:
    """Ingests a source into a graph of one's own, in turn with others who measure; its mapping.

    Raises:
        NotFound: when the source's data is nowhere.
        Conflict: when an ingest in the same work folder does not end.
    """
    mapping = mapping_named(name, settings)
    ingest_into(mapping, graph, settings, turn_s=TURN_S)
    return mapping


def ingest_in_bulk(mapping: Mapping, settings: Settings, *, max_bad: float = 0.05) -> tuple[IngestReport, str | None]:
    """A first ingest through the database's own import tool; the command to run for a server elsewhere."""
    from graph.neo4j.first_import.importing import import_first

    if not settings.store.startswith(("neo4j", "bolt")):
        raise SettingsError(
            "only a Neo4j store has an import tool", got=shown_url(settings.store), remedy="Ingest without --bulk."
        )
    report, imported = import_first(
        settings.store,
        settings.neo4j_home,
        settings.work_dir / "bulk" / mapping.name,
        lambda files: ingest_into(mapping, files, settings, max_bad=max_bad),
        say,
    )
    return report, imported.command


def epoch_seconds(date: str) -> int:
    """The start of a day or moment in UTC, in seconds since 1970."""
    try:
        moment = datetime.fromisoformat(date)
    except ValueError as error:
        raise InputError("a date cannot be read", expected="e.g. 2011-11-01", got=date) from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
