"""Executes the plain-text notebooks and writes each beside itself with its outputs: ``make notebooks``."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import jupytext
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]


def execute(path: Path) -> Path:
    """The notebook with its outputs, as ``.ipynb`` beside the plain text; what only this machine knows is left out."""
    notebook = jupytext.read(path)
    with tempfile.TemporaryDirectory(prefix="kindred-notebook-") as folder:
        client = NotebookClient(notebook, timeout=900, resources={"metadata": {"path": folder}})
        client.execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.execution_count = None
            cell.metadata = {}
            # Progress and warnings on standard error are of the moment.
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
            for output in cell.outputs:
                if "execution_count" in output:
                    output.execution_count = None
    notebook.metadata.pop("widgets", None)
    notebook.metadata.pop("language_info", None)
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:02d}"
    paired = path.with_suffix(".ipynb")
    jupytext.write(notebook, paired)
    return paired


def main() -> None:
    os.environ |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    named = [Path(name) for name in sys.argv[1:]] or sorted((ROOT / "notebooks").glob("*.py"))
    for path in named:
        print(execute(path))


if __name__ == "__main__":
    main()
