"""The quality tables: measured by command, kept as rows of JSON, rendered as a page. No figure is typed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.command.quality_page import belongs, page, table_of
from api.command.quality_rows import Row, read_rows, rows_of
from api.command.quality_tables import TABLES, QualityTable
from api.command.recipe import Order, controls_on, experiment_on, forget_trainings, material_from
from api.command.related_tables import RELATED, run_related_tables
from api.command.table_jobs import side_by_side
from api.command.terminal import Telling, output, warn
from api.command.workshop import epoch_seconds, ingest_apart, opened, working_folder
from api.settings import Settings
from gnn.splits.protocols import Cuts
from graph.errors import InputError, NotFound

DOCS = Path("docs")
KEPT = "tables"
"""Folder in the work folder where tables keep what they have worked out."""


@dataclass(frozen=True)
class Measuring:
    """Tables of one data set and seed, one after another: they share what is selected."""

    names: tuple[str, ...]
    seed: int
    settings: Settings
    controls: bool

    @property
    def kept(self) -> Path:
        """Where they keep what they have worked out."""
        return kept_by(TABLES[self.names[0]], self.seed, self.settings)

    @property
    def budget_s(self) -> float:
        """What tells long ones from short ones: the seconds a model may take, table by table."""
        return sum(TABLES[name].budget_s for name in self.names)


def run_tables(
    settings: Settings, *, only: str | None, seeds: int, fresh: bool, jobs: int = 1, controls: bool = True
) -> None:
    """Measures what is not measured yet, and writes the page after each; first all tables, then their controls.

    What a table has worked out is kept model by model, so that one that was interrupted goes on where it was. With
    several ``jobs`` data sets are measured side by side, those that take longest first; each takes up to 5 GB.

    Raises:
        InputError: for a table that does not exist.
    """
    seeded = range(42, 42 + seeds)
    chosen = list(TABLES) if only is None else [name.strip() for name in only.split(",")]
    for name in chosen:
        if name not in TABLES and name != RELATED:
            raise InputError("unknown table", expected=", ".join([*TABLES, RELATED]), got=name)
    measured = [(name, seed) for seed in seeded for name in chosen if name != RELATED]
    if fresh:
        for kept in {kept_by(TABLES[name], seed, settings) for name, seed in measured}:
            forget(kept)
    lacking = [(name, seed) for name, seed in measured if fresh or not _rows(name, seed)]
    for name, seed in (pair for pair in measured if pair not in lacking):
        output.print(f"{name}, seed {seed}: measured already")
    tasks = sorted(_tasks(lacking, settings, controls=False), key=lambda task: (task.seed, -task.budget_s))

    def lacking_controls() -> list[Measuring]:
        bare = [(name, seed) for name, seed in measured if TABLES[name].controls and _are_bare(_rows(name, seed))]
        return _tasks(bare, settings, controls=True) if controls else []

    def then(task: Measuring) -> list[Measuring]:
        return [] if task.controls else [later for later in lacking_controls() if later.kept == task.kept]

    coming = {task.kept for task in tasks}
    tasks += [task for task in lacking_controls() if task.kept not in coming]
    for task, found in side_by_side(_measure_all, tasks, jobs, _log_of, then):
        for name, rows in found.items():
            write_rows([*_others(name, task.seed), *rows])
            if jobs > 1:
                output.print(f"{name}, seed {task.seed}: {'controls ' if task.controls else ''}measured")
    if measured:
        forget_trainings(settings)
    if kept_rows():
        write_rows(kept_rows())  # also what an earlier version had written in its own format
    if only is None or RELATED in chosen:
        run_related_tables(settings, DOCS, fresh=fresh)


def kept_rows() -> list[Row]:
    """The rows measured so far."""
    kept = DOCS / "quality.json"
    documents: list[dict[str, Any]] = json.loads(kept.read_text()) if kept.exists() else []
    return read_rows(documents)


def _tasks(pairs: list[tuple[str, int]], settings: Settings, *, controls: bool) -> list[Measuring]:
    """What is measured together because it is kept together: tables and seeds, by data set and seed."""
    together: dict[tuple[Path, int], list[str]] = {}
    for name, seed in pairs:
        together.setdefault((kept_by(TABLES[name], seed, settings), seed), []).append(name)
    return [Measuring(tuple(names), seed, settings, controls) for (_, seed), names in together.items()]


def _rows(name: str, seed: int) -> list[Row]:
    """The rows that a table has."""
    return [row for row in kept_rows() if _is_of(row, name, seed)]


def _are_bare(rows: list[Row]) -> bool:
    """Whether there are rows, and none has controls."""
    return bool(rows) and not any("controls" in row for row in rows)


def _others(name: str, seed: int) -> list[Row]:
    """The rows of all other tables and seeds."""
    return [row for row in kept_rows() if not _is_of(row, name, seed)]


def _is_of(row: Row, name: str, seed: int) -> bool:
    return belongs(row, TABLES[name]) and row["seed"] == seed


def write_rows(rows: list[Row]) -> None:
    """Writes file and page, in the order of the tables."""
    order = {name: number for number, name in enumerate(TABLES)}
    rows = sorted(rows, key=lambda row: (order.get(table_of(row) or "", len(order)), row["seed"]))
    DOCS.mkdir(exist_ok=True)
    # A row a line, so that a change of one table is a change of its lines.
    (DOCS / "quality.json").write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
    (DOCS / "quality.md").write_text("\n".join(page(rows)) + "\n")


def kept_by(table: QualityTable, seed: int, settings: Settings) -> Path:
    """Where the tables of one data set and seed keep what they have worked out: some share their selection."""
    return settings.work_dir / KEPT / f"{table.folder or table.source}-{seed}"


def _log_of(task: Measuring) -> Path:
    return task.kept.with_suffix(".log")


def _measure_all(task: Measuring) -> dict[str, list[Row]]:
    """The rows of each table; one whose data is nowhere is left out, said aloud."""
    found = {}
    for name in task.names:
        try:
            found[name] = _measure(name, task)
        except NotFound as missing:
            warn(f"{name} is left out: {missing}")
    return found


def _measure(name: str, task: Measuring) -> list[Row]:
    tell, table, settings = Telling(), TABLES[name], task.settings
    tell.step(f"{name}, seed {task.seed}: {table.title}" + (", controls" if task.controls else ""))
    data_dir = settings.data_dir / table.folder if settings.data_dir and table.folder else settings.data_dir
    cuts = Cuts(task.seed, test_from=None if table.test_from is None else epoch_seconds(table.test_from))
    order = Order(table.protocol, cuts, text=table.text, budget_s=table.budget_s)
    kept = kept_by(table, task.seed, settings)
    with working_folder(settings) as folder:
        here = settings.model_copy(update={"store": f"sqlite:{folder / 'graph.db'}", "data_dir": data_dir})
        with opened(here) as graph:
            ingest_apart(table.source, graph, here)
            material = material_from(graph, folder, here, table.text, tell)
        protocol, experiment = experiment_on(material, order, here, tell, kept=kept)
        controls = None
        if task.controls:
            controls = controls_on(material, protocol, experiment, order, here, tell, kept=kept)
    return rows_of(experiment, data=table.data, protocol=protocol, command=table.command(task.seed), controls=controls)


def forget(kept: Path) -> None:
    """Removes what a table has worked out."""
    for path in kept.glob("*"):
        path.unlink()
