"""The command where only the base install is there: serving needs no training framework, training does without."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WITHOUT_EXTRA = (
    "import sys; sys.modules.update(dict.fromkeys(('torch', 'torch_geometric', 'sentence_transformers'))); "
    "import kindred; kindred.main()"
)


def kindred_without_extra(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("KINDRED_")}
    command = [sys.executable, "-c", WITHOUT_EXTRA, *arguments]
    environment = {**plain, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240)


@pytest.mark.slow
def test_everything_but_the_neural_networks_is_trained_and_released(files: Path) -> None:
    assert kindred_without_extra(files, "ingest", "shop.yaml").returncode == 0
    ran = kindred_without_extra(files, "train", "--no-tune", "--json")
    assert ran.returncode == 0, ran.stderr
    assert "going on without text" in ran.stderr
    assert "going on without lightgcn" in ran.stderr
    assert "going on without graphsage" in ran.stderr
    models = {row["model"] for row in json.loads(ran.stdout)["table"]}
    assert {"ease", "gfcf", "als", "bpr", "kindred"} <= models
    assert not {"lightgcn", "graphsage"} & models


def test_a_model_asked_for_by_name_that_cannot_be_had_is_told_before_any_work(files: Path) -> None:
    ran = kindred_without_extra(files, "train", "--models", "ease,lightgcn")
    assert ran.returncode == 8
    assert ran.stderr.count("\n") == 1
    assert "pip install 'kindred[train]'" in ran.stderr
    assert not (files / "var").exists()
