"""An ingest in a process of its own that can be killed while it writes, over any store."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from graph.records import Applied, Mutation
from graph.schema import GraphSchema
from graph.store import GraphStore, open_store
from ingest.loading import ingest
from ingest.mapping import load_mapping
from ingest.report import IngestReport

ROOT = Path(__file__).parents[2]

MAPPING = """
mapping: 1
name: killed
graph:
  nodes:
    User: {role: user}
    Item: {role: item, title: title, properties: {title: string}}
  edges:
    BOUGHT: {source: User, target: Item, role: interaction, kind: purchase}
tables:
  items: {files: items.csv, read: {format: delimited}, nodes: {type: Item, id: id, properties: {title: title}}}
  sales:
    files: sales.csv
    read: {format: delimited}
    edges: {type: BOUGHT, source: user, target: item, timestamp: {column: when, unit: s}}
derive: {next: {}}
"""


def write_files(folder: Path, *, items: int, users: int, sales: int) -> None:
    """The mapping and its files, in ``folder``."""
    rng = random.Random(7)
    (folder / "killed.yaml").write_text(MAPPING)
    (folder / "items.csv").write_text("id,title\n" + "".join(f"i{n},Item {n}\n" for n in range(items)))
    lines = (f"u{rng.randrange(users)},i{rng.randrange(items)},{n}\n" for n in range(sales))
    (folder / "sales.csv").write_text("user,item,when\n" + "".join(lines))


def ingested(folder: Path, store: GraphStore, work: str) -> IngestReport:
    """The report of an ingest that nobody disturbs."""
    return ingest(load_mapping(folder / "killed.yaml", folder), store, work_dir=folder / work)


def started(folder: Path, url: str, work: str, *, awaited: str, block_rows: int = 50_000) -> subprocess.Popen[str]:
    """The process, once it has said ``ready`` (the store is open) or ``writing``; at the end it says ``done ROWS``.

    It commits every ``block_rows`` rows.
    """
    command = [sys.executable, "-m", "tests.ingest.killed_ingest", str(folder), url, work, str(block_rows)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if line == f"{awaited}\n":
            return process
    raise AssertionError(f"the ingest ended without saying {awaited!r}")


class _InBlocks:
    """A store that commits as often as it is told, so that a kill finds many commits to fall between."""

    def __init__(self, store: GraphStore, block_rows: int) -> None:
        self._store = store
        self._block_rows = block_rows

    def ensure_schema(self, schema: GraphSchema) -> None:
        self._store.ensure_schema(schema)

    def bulk_load(self, mutations: Iterable[Mutation], *, batch_id: str, actor: str) -> Applied:
        print("writing", flush=True)
        load = self._store.bulk_load  # type: ignore[attr-defined]  # both stores have it, with the option
        written: Applied = load(mutations, batch_id=batch_id, actor=actor, block_rows=self._block_rows)
        return written


def main(folder: Path, url: str, work: str, block_rows: int) -> None:
    with open_store(url) as store:
        print("ready", flush=True)
        mapping = load_mapping(folder / "killed.yaml", folder)
        report = ingest(mapping, _InBlocks(store, block_rows), work_dir=folder / work)
    print("done", report.stored, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]))
