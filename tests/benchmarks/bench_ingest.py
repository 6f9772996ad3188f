"""Rows per second and peak memory of an ingest, beside a naive one (csv module, one upsert per row)."""

from __future__ import annotations

import csv
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from graph.records import UpsertEdges
from graph.store import open_store
from ingest.loading import ingest
from ingest.mapping import load_mapping
from ingest.staging.emissions import Rules
from ingest.validation.tables import prepared_frames

ROWS = 400_000
NAIVE_ROWS = 3_000
MEMORY_BYTES = 200_000_000

MAPPING = """
mapping: 1
name: bench
graph:
  nodes: {User: {role: user}, Item: {role: item, title: title, properties: {title: string}}}
  edges: {BOUGHT: {source: User, target: Item, role: interaction, kind: purchase}}
tables:
  sales:
    files: sales.csv
    read: {format: delimited}
    drop_if: {column: price, at_most: 0}
    edges:
      type: BOUGHT
      source: {column: user, clean: [trim, integer]}
      target: item
      weight: price
      timestamp: {column: when, format: "%Y-%m-%d %H:%M:%S"}
"""


def write_sales(folder: Path, *, rows: int = 0, size_bytes: int = 0, note_chars: int = 10) -> int:
    """The number of rows written to ``sales.csv``: ``rows``, or as many as make ``size_bytes``."""
    rng = random.Random(1)  # made-up sales, not secrets
    (folder / "bench.yaml").write_text(MAPPING)
    note = "x" * note_chars
    written, size = 0, 0
    with (folder / "sales.csv").open("w") as file:
        file.write("user,item,when,price,note\n")
        while written < rows or size < size_bytes:
            chunk = "".join(
                f"{rng.randrange(500_000)}.0,i{rng.randrange(100_000)},"
                f"2025-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02} 10:00:{written % 60:02},"
                f"{rng.randrange(0, 99)}.5,{note}\n"
                for _ in range(10_000)
            )
            file.write(chunk)
            written, size = written + 10_000, size + len(chunk)
    return written


def validation_rate(folder: Path, rows: int) -> float:
    """Rows per second through reading, validation and rules, without storing."""
    mapping = load_mapping(folder / "bench.yaml", folder)
    rules = Rules(mapping.document, "sales", {})
    begin = time.perf_counter()
    for prepared in prepared_frames("sales", mapping.document.tables["sales"], folder / "sales.csv", {}):
        rules.apply(prepared)
    return rows / (time.perf_counter() - begin)


def end_to_end_rate(folder: Path, rows: int) -> float:
    """Rows per second from the file to the committed graph."""
    with open_store(f"sqlite:{folder}/ours.db") as store:
        begin = time.perf_counter()
        ingest(load_mapping(folder / "bench.yaml", folder), store, work_dir=folder / "work")
        return rows / (time.perf_counter() - begin)


def naive_rate(folder: Path, rows: int) -> float:
    """Rows per second of a loop over `csv.DictReader` that upserts row by row."""
    mapping = load_mapping(folder / "bench.yaml", folder)
    with open_store(f"sqlite:{folder}/naive.db") as store, (folder / "sales.csv").open() as file:
        store.ensure_schema(mapping.schema)
        begin = time.perf_counter()
        for number, row in enumerate(csv.DictReader(file)):
            if number == rows:
                break
            edge = UpsertEdges(
                ("User", "BOUGHT", "Item"), [row["user"]], [row["item"]], [float(row["price"])], create_missing=True
            )
            store.apply([edge], batch_id="naive", actor="bench")
        return rows / (time.perf_counter() - begin)


def peak_memory_mb(folder: Path) -> float:
    """Peak resident memory of an ingest in a process of its own, in MB."""
    command = [sys.executable, "-m", "tests.benchmarks.bench_ingest", str(folder)]
    # The command is this very module, in this very interpreter.
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    return float(result.stdout.split()[-1])


def measure() -> list[dict[str, Any]]:
    """Rows of the benchmark table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = write_sales(folder, rows=ROWS)
        ours, naive = end_to_end_rate(folder, rows), naive_rate(folder, NAIVE_ROWS)
        checked = validation_rate(folder, rows)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_sales(folder, size_bytes=MEMORY_BYTES, note_chars=200)
        memory = peak_memory_mb(folder)
    return [
        _row("ingest, file to SQLite", ours, naive, "rows/s", 100_000, ours >= 100_000),
        _row("ingest, reading and validation alone", checked, None, "rows/s", 300_000, checked >= 300_000),
        _row("ingest, peak memory at 200 MB", memory, None, "MB", 1_000, memory < 1_000),
    ]


def _row(name: str, ours: float, peer: float | None, unit: str, goal: float, met: bool) -> dict[str, Any]:
    ratio = None if peer is None else ours / peer
    return {"name": name, "ours": ours, "peer": peer, "ratio": ratio, "unit": unit, "goal": goal, "met": met}


def main(folder: Path) -> None:
    """Prints the peak memory of one ingest."""
    begin = time.perf_counter()
    with open_store(f"sqlite:{folder}/memory.db") as store:
        report = ingest(load_mapping(folder / "bench.yaml", folder), store, work_dir=folder / "work")
    # Not ru_maxrss, which a process inherits from the one that started it.
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1000
    sys.stdout.write(f"{report.read} rows {time.perf_counter() - begin:.1f} s, peak MB {peak:.0f}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
