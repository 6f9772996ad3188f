"""Every notebook runs from top to bottom, and the README lists it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))


def test_there_are_notebooks_and_the_readme_lists_them() -> None:
    listed = (ROOT / "notebooks" / "README.md").read_text()
    assert NOTEBOOKS
    assert all(f"`{notebook.name}`" in listed for notebook in NOTEBOOKS)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom_without_the_training_extra(notebook: Path, tmp_path: Path) -> None:
    blocked = "import sys; sys.modules.update(torch=None, torch_geometric=None, sentence_transformers=None)"
    run = f"{blocked}; import runpy; runpy.run_path({str(notebook)!r}, run_name='__main__')"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-W", "error", "-c", run]
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert "same brand" in ran.stdout
    assert "Duck" in ran.stdout
