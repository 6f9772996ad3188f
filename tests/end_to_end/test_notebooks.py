"""Every notebook runs from top to bottom, and the README lists it."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))


def test_there_are_notebooks_and_the_readme_lists_them() -> None:
    listed = (ROOT / "notebooks" / "README.md").read_text()
    assert NOTEBOOKS
    assert all(f"`{notebook.name}`" in listed for notebook in NOTEBOOKS)


SAYS = {
    "01_first_look": ("same brand", "Duck"),
    "02_train_a_gnn": ("ndcg@10 on validation", "On validation the graph adds"),
    "03_your_own_model": ("passed", "neighbours"),
}
"""What each notebook has to end up saying."""
NEEDS_TRAINING = {"02_train_a_gnn"}


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom_without_packages_it_does_not_need(notebook: Path, tmp_path: Path) -> None:
    if notebook.stem in NEEDS_TRAINING and find_spec("torch_geometric") is None:
        pytest.skip("NOT TESTED: this notebook trains, and the training extra is not installed")
    absent = "" if notebook.stem in NEEDS_TRAINING else "torch=None, torch_geometric=None, "
    blocked = f"import sys; sys.modules.update({absent}sentence_transformers=None)"
    run = f"{blocked}; import runpy; runpy.run_path({str(notebook)!r}, run_name='__main__')"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error", "-c", run]
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240)
    assert ran.returncode == 0, ran.stderr
    assert all(line in ran.stdout for line in SAYS[notebook.stem]), ran.stdout
