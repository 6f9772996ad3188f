"""An ingest killed at any moment is harmless: run again, it gives the graph of an undisturbed run."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from graph.digest import graph_hash
from graph.store import open_store
from tests.ingest.killed_ingest import started, write_files

CYCLES = 25


@pytest.mark.slow
def test_a_killed_ingest_runs_again_to_the_same_graph(tmp_path: Path) -> None:
    rng = random.Random(7)
    write_files(tmp_path, items=2_000, users=3_000, sales=30_000)
    undisturbed = started(tmp_path, f"sqlite:{tmp_path}/undisturbed.db", "undisturbed", awaited="ready")
    begin = time.monotonic()
    output, _ = undisturbed.communicate(timeout=240)
    seconds = time.monotonic() - begin
    assert output.endswith("done 32000\n")

    killed = 0
    url = f"sqlite:{tmp_path}/killed.db"
    for _ in range(CYCLES):
        process = started(tmp_path, url, "killed", awaited="ready")
        time.sleep(rng.random() * seconds)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
    assert killed > 0
    last = started(tmp_path, url, "killed", awaited="ready")
    assert last.communicate(timeout=240)[0].endswith("done 32000\n")
    assert not os.path.lexists(tmp_path / "killed" / "staging")
    with open_store(f"sqlite:{tmp_path}/undisturbed.db") as expected, open_store(url) as got:
        assert graph_hash(got) == graph_hash(expected)
