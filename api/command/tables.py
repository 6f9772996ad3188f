"""The quality tables: measured by command, kept as rows of JSON, rendered as a page. No figure is typed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from api.command.quality_page import belongs, page, table_of
from api.command.quality_rows import Row, read_rows, rows_of
from api.command.quality_tables import TABLES, QualityTable
from api.command.recipe import Order, controls_on, experiment_on, forget_trainings, material_from
from api.command.related_tables import RELATED, run_related_tables
from api.command.terminal import Telling, output, warn
from api.command.workshop import epoch_seconds, ingest_into, mapping_named, opened, working_folder
from api.settings import Settings
from gnn.protocols import Cuts
from graph.errors import InputError, NotFound

DOCS = Path("docs")
KEPT = "tables"
"""Folder in the work folder where tables keep what they have worked out."""


def run_tables(settings: Settings, *, only: str | None, seeds: int, fresh: bool) -> None:
    """Measures what is not measured yet, one table and seed at a time, and writes the page after each.

    What a table has worked out is kept model by model, so that one that was interrupted goes on where it was.

    Raises:
        InputError: for a table that does not exist.
    """
    seeded = range(42, 42 + seeds)
    chosen = list(TABLES) if only is None else [name.strip() for name in only.split(",")]
    for name in chosen:
        if name not in TABLES and name != RELATED:
            raise InputError("unknown table", expected=", ".join([*TABLES, RELATED]), got=name)
    if fresh:
        for kept in {kept_by(TABLES[name], seed, settings) for name in chosen if name != RELATED for seed in seeded}:
            forget(kept)
    for name in chosen:
        if name == RELATED:
            continue
        for seed in seeded:
            if not fresh and any(belongs(row, TABLES[name]) and row["seed"] == seed for row in kept_rows()):
                output.print(f"{name}, seed {seed}: measured already")
                continue
            try:
                found = _measure(name, TABLES[name], seed, settings)
            except NotFound as missing:
                warn(f"{name} is left out: {missing}")
                continue
            write_rows([*_others(TABLES[name], seed), *found])
    if kept_rows():
        write_rows(kept_rows())  # also what an earlier version had written in its own format
    if only is None or RELATED in chosen:
        run_related_tables(settings, DOCS, fresh=fresh)


def kept_rows() -> list[Row]:
    """The rows measured so far."""
    kept = DOCS / "quality.json"
    documents: list[dict[str, Any]] = json.loads(kept.read_text()) if kept.exists() else []
    return read_rows(documents)


def _others(table: QualityTable, seed: int) -> list[Row]:
    """The rows of all other tables and seeds."""
    return [row for row in kept_rows() if not (belongs(row, table) and row["seed"] == seed)]


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


def _measure(name: str, table: QualityTable, seed: int, settings: Settings) -> list[Row]:
    tell = Telling()
    tell.step(f"{name}, seed {seed}: {table.title}")
    data_dir = settings.data_dir / table.folder if settings.data_dir and table.folder else settings.data_dir
    cuts = Cuts(seed, test_from=None if table.test_from is None else epoch_seconds(table.test_from))
    order = Order(table.protocol, cuts, text=table.text, budget_s=table.budget_s)
    kept = kept_by(table, seed, settings)
    with working_folder(settings) as folder:
        here = settings.model_copy(update={"store": f"sqlite:{folder / 'graph.db'}", "data_dir": data_dir})
        with opened(here) as graph:
            ingest_into(mapping_named(table.source, here), graph, here)
            material = material_from(graph, folder, here, table.text, tell)
        protocol, experiment = experiment_on(material, order, here, tell, kept=kept)
        controls = None
        if table.controls:
            controls = controls_on(material, protocol, experiment, order, here, tell, kept=kept)
    forget_trainings(settings)
    return rows_of(experiment, data=table.data, protocol=protocol, command=table.command(seed), controls=controls)


def forget(kept: Path) -> None:
    """Removes what a table has worked out."""
    for path in kept.glob("*"):
        path.unlink()
