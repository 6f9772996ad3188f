"""Executes the plain-text notebooks and writes each beside itself with its outputs: ``make notebooks``."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import jupytext
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]


def execute(path: Path) -> Path:
    """The notebook with its outputs, as ``.ipynb`` beside the plain text."""
    notebook = jupytext.read(path)
    with tempfile.TemporaryDirectory(prefix="kindred-notebook-") as folder:
        NotebookClient(notebook, timeout=1800, resources={"metadata": {"path": folder}}).execute()
    paired = path.with_suffix(".ipynb")
    jupytext.write(cleaned(notebook), paired)
    return paired


def cleaned(notebook: Any) -> Any:
    """The notebook with what it prints and draws alone, so that running it again changes little."""
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:02d}"
        if cell.cell_type == "code":
            cell.execution_count = None
            cell.metadata = {}
            cell.outputs = [output for output in cell.outputs if _is_said(output)]
    notebook.metadata.pop("widgets", None)
    notebook.metadata.pop("language_info", None)
    return notebook


def _is_said(output: Any) -> bool:
    """Whether an output is what the cell printed or drew; not progress, nor a last value, which may name an address."""
    if output.output_type == "display_data":
        return "image/png" in output["data"]
    return output.output_type == "error" or output.get("name") == "stdout"


def main() -> None:
    os.environ |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    named = [Path(name) for name in sys.argv[1:]] or sorted((ROOT / "notebooks").glob("[0-9]*.py"))
    for path in named:
        sys.stdout.write(f"{execute(path)}\n")


if __name__ == "__main__":
    main()
