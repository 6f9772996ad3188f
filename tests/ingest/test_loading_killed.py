"""An ingest killed at any moment is harmless: run again, it gives the graph of an undisturbed run."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from graph.store import GraphStore, open_store

CYCLES = 25
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

PROGRAM = """
import sys
from pathlib import Path
from graph.store import open_store
from ingest.loading import ingest
from ingest.mapping import load_mapping

folder = Path(sys.argv[1])
with open_store(f"sqlite:{sys.argv[2]}") as store:
    print("ready", flush=True)
    report = ingest(load_mapping(folder / "killed.yaml", folder), store, work_dir=Path(sys.argv[3]))
print("done", report.stored, flush=True)
"""


def graph_hash(store: GraphStore) -> str:
    digest = hashlib.sha256()
    for node in store.schema.nodes:
        for batch in store.export_nodes(node.name):
            digest.update(repr(batch.to_pylist()).encode())
    for edge in store.schema.edges:
        for batch in store.export_edges(edge.edge_type):
            digest.update(repr(batch.to_pylist()).encode())
    return digest.hexdigest()


def started(tmp_path: Path, name: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), str(tmp_path / f"{name}.db"), str(tmp_path / name)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.slow
def test_a_killed_ingest_runs_again_to_the_same_graph(tmp_path: Path) -> None:
    rng = random.Random(7)
    (tmp_path / "killed.yaml").write_text(MAPPING)
    (tmp_path / "items.csv").write_text("id,title\n" + "".join(f"i{n},Item {n}\n" for n in range(2_000)))
    sales = (f"u{rng.randrange(3_000)},i{rng.randrange(2_000)},{n}\n" for n in range(30_000))
    (tmp_path / "sales.csv").write_text("user,item,when\n" + "".join(sales))

    undisturbed = started(tmp_path, "undisturbed")
    begin = time.monotonic()
    output, _ = undisturbed.communicate(timeout=240)
    seconds = time.monotonic() - begin
    assert output.startswith("done 32000")

    killed = 0
    for _ in range(CYCLES):
        process = started(tmp_path, "killed")
        time.sleep(rng.random() * seconds)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
    assert killed > 0
    last = started(tmp_path, "killed")
    assert last.communicate(timeout=240)[0].startswith("done 32000")
    assert not os.path.lexists(tmp_path / "killed" / "staging")
    with (
        open_store(f"sqlite:{tmp_path}/undisturbed.db") as expected,
        open_store(f"sqlite:{tmp_path}/killed.db") as got,
    ):
        assert graph_hash(got) == graph_hash(expected)
