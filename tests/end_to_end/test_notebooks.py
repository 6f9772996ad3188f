"""Every notebook runs from top to bottom, the README lists it, and its paired copy with outputs says the same."""

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
    "01_graph_of_a_shop": ("interaction  PURCHASED     141 edges", "same brand", "Duck"),
    "02_train_a_gnn": ("ndcg@10 on validation", "On validation the graph adds", "FINISHED"),
    "03_your_own_model": ("passed", "neighbours"),
    "04_baselines_tables_controls": ("kindred", "popularity", "95 % interval", "On validation the graph adds"),
    "05_what_the_graph_adds": ("On validation the graph adds", "without HAS_BRAND", "100%"),
    "06_from_notebook_to_api": ("the same ids three ways", "before", "after"),
    "07_cold_start": ("chance 50%", "because:", "[fallback: popularity]"),
    "08_explanations": ("lower the score when their path is removed", "would be at rank", "removed:"),
}
"""What each notebook has to end up saying."""
NEEDS_TRAINING = {"02_train_a_gnn", "04_baselines_tables_controls", "07_cold_start"}
NEEDS_NO_PLOTS = {"03_your_own_model"}
SMALL_BYTES = 400_000
"""What a committed notebook with its outputs may weigh."""


@pytest.fixture(scope="module")
def fonts(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder where the first notebook that draws leaves its list of fonts to the others."""
    return str(tmp_path_factory.mktemp("matplotlib"))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom_without_packages_it_does_not_need(
    notebook: Path, fonts: str, tmp_path: Path
) -> None:
    if notebook.stem in NEEDS_TRAINING and find_spec("torch_geometric") is None:
        pytest.skip("NOT TESTED: this notebook trains, and the training extra is not installed")
    if notebook.stem not in NEEDS_NO_PLOTS and find_spec("matplotlib") is None:
        pytest.skip("NOT TESTED: this notebook draws, and the notebooks extra is not installed")
    absent = "" if notebook.stem in NEEDS_TRAINING else "torch=None, torch_geometric=None, "
    blocked = f"import sys; sys.modules.update({absent}sentence_transformers=None)"
    run = f"{blocked}; import runpy; runpy.run_path({str(notebook)!r}, run_name='__main__')"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    environment |= {"MPLBACKEND": "agg", "MPLCONFIGDIR": fonts}
    # MLflow's own imports warn; a notebook that uses it says so by importing it.
    strict = [] if "mlflow" in notebook.read_text() else ["-W", "error"]
    command = [sys.executable, *strict, "-c", run]
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240)
    assert ran.returncode == 0, ran.stderr
    assert all(line in ran.stdout for line in SAYS[notebook.stem]), ran.stdout


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_paired_copy_has_the_same_cells_and_small_outputs(notebook: Path) -> None:
    jupytext = pytest.importorskip("jupytext", reason="NOT TESTED: the notebooks extra is not installed")
    paired = notebook.with_suffix(".ipynb")
    assert paired.stat().st_size < SMALL_BYTES
    document = jupytext.read(paired)
    plain = [(cell.cell_type, cell.source) for cell in jupytext.read(notebook).cells]
    assert [(cell.cell_type, cell.source) for cell in document.cells] == plain, "run `make notebooks`"
    said = "".join("".join(output.get("text", "")) for cell in document.cells for output in cell.get("outputs", ()))
    assert all(line in said for line in SAYS[notebook.stem])
    assert "site-packages" not in paired.read_text(), "a path of the machine it was run on"
    assert not any(output.output_type == "error" for cell in document.cells for output in cell.get("outputs", ()))
