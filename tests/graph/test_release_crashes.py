"""No crash and no full disk costs the last good release."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graph.release import write_release
from graph.snapshot import build_snapshot
from tests.graph.graph_in_memory import PURCHASED, GraphInMemory

HERE = Path(__file__).resolve().parents[2]
KILLS = 100


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    graph = GraphInMemory()
    graph.add_edge(PURCHASED, "u", "i", at=1000)
    build_snapshot(graph, tmp_path / "snapshot").close()
    return tmp_path / "snapshot"


def told(command: list[str]) -> dict[str, Any]:
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False, timeout=250)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_a_release_is_live_after_each_of_a_hundred_kills(tmp_path: Path, snapshot: Path) -> None:
    root = tmp_path / "releases"
    ids = []
    for minute in range(3):
        now = datetime(2026, 11, 22, 12, tzinfo=UTC) + timedelta(minutes=minute)
        arrays = {"x": np.full(4, minute)}
        ids.append(write_release(root, snapshot=snapshot, arrays=arrays, documents={}, now=now).id)
    first = [sys.executable, "-c", "import sys; from pathlib import Path; from graph.release import activate;"
             "activate(Path(sys.argv[1]), sys.argv[2])", str(root), ids[0]]  # fmt: skip
    subprocess.run(first, cwd=HERE, check=True, timeout=60)
    outcome = told([sys.executable, "-m", "tests.graph.activate_until_killed", str(root), str(KILLS)])
    assert outcome["rounds"] == KILLS
    assert outcome["all_known"]
    assert outcome["different"] > 1
    assert outcome["back"] == ids[1]


def check_full_disk(outcome: dict[str, Any], error: str) -> None:
    assert outcome == {"errors": [error, error], "live_is_good": True, "releases": 2, "leftovers": []}


def test_a_limit_on_file_size_never_costs_the_live_release(tmp_path: Path, snapshot: Path) -> None:
    command = [sys.executable, "-m", "tests.graph.fill_the_disk", str(tmp_path / "releases"), str(snapshot), "limit"]
    check_full_disk(told(command), "EFBIG")


def test_a_full_disk_never_costs_the_live_release(tmp_path: Path, snapshot: Path) -> None:
    place = tmp_path / "small"
    place.mkdir()
    unshare = shutil.which("unshare")
    mount = f"mount -t tmpfs -o size=2m none {place}"
    if (
        unshare is None
        or subprocess.run([unshare, "-rm", "sh", "-c", mount], capture_output=True, check=False).returncode
    ):
        pytest.skip("a 2 MiB tmpfs could not be mounted: needs unshare -rm; the file size limit above is tested anyway")
    run = f"{sys.executable} -m tests.graph.fill_the_disk {place}/releases {snapshot} disk"
    check_full_disk(told([unshare, "-rm", "sh", "-c", f"{mount} && {run}"]), "ENOSPC")
