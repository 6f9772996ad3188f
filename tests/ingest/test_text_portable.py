"""The text encoder without torch: the same vectors, from plain data, once per model."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from graph.errors import ReleaseError
from ingest.text import PortableEncoder, PortableModel, SentenceEncoder, exporting, find_model, portable_model

TITLES = (
    "Red retrospot mug", "White hanging heart light holder", "Hand cream for dry skin", "Star Wars", "保湿护手霜",
    "Set of 6 tea plates in a gift box with a ribbon and a card that says nothing at all", "a", "Crème brûlée 250ml",
)  # fmt: skip


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[PortableModel, Path]:
    pytest.importorskip("onnx", reason="exporting needs the train extra")
    folder = tmp_path_factory.mktemp("text")
    model, is_new = portable_model(find_model("minilm"), TITLES, cache_dir=folder)
    assert is_new
    return model, folder


def test_vectors_are_those_of_sentence_transformers(exported: tuple[PortableModel, Path]) -> None:
    model, _ = exported
    original = SentenceEncoder(find_model("minilm"))
    encoder = PortableEncoder(model)
    expected = original.encode(TITLES)
    rows = encoder.encode(TITLES)
    cosine = (rows * expected).sum(axis=1)
    assert cosine.mean() >= 0.99
    assert cosine.min() >= 0.95
    assert model.agreement == pytest.approx(float(cosine.mean()), abs=0.005)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, rtol=1e-5)
    one_by_one = np.concatenate([encoder.encode([title]) for title in TITLES])
    assert ((one_by_one * rows).sum(axis=1) > 0.97).all()  # padding changes the steps of int8, not the meaning
    assert encoder.encode([]).shape == (0, model.width)


def test_a_model_is_exported_once_and_again_when_its_file_is_damaged(
    exported: tuple[PortableModel, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, folder = exported
    made = []
    monkeypatch.setattr(exporting, "_exported", lambda *asked: made.append(asked) or model)  # a minute of work
    again, is_new = portable_model(find_model("minilm"), TITLES, cache_dir=folder)
    assert not is_new
    assert again.network == model.network
    (file,) = folder.rglob("network.onnx")
    content = bytearray(file.read_bytes())
    content[1000] ^= 1
    file.write_bytes(content)
    assert not made
    assert portable_model(find_model("minilm"), TITLES, cache_dir=folder) == (model, True)
    assert len(made) == 1
    assert portable_model(find_model("minilm"), TITLES, cache_dir=folder) == (model, False)


def test_encoding_loads_neither_torch_nor_transformers(exported: tuple[PortableModel, Path]) -> None:
    _, folder = exported
    program = """
import json, pathlib, sys
from ingest.text.portable import PortableEncoder, PortableModel
folder = next(pathlib.Path(sys.argv[1]).glob("portable-*"))
model = PortableModel.of((folder / "network.onnx").read_bytes(), json.loads((folder / "model.json").read_text()))
print(PortableEncoder(model).encode(["red mug"]).shape)
assert not {"torch", "transformers", "sentence_transformers"} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program, str(folder)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "(1, 384)"


@pytest.mark.parametrize("damage", [{"network": b"no network"}, {"tokenizer": "{}"}])
def test_what_cannot_be_loaded_is_refused(damage: dict[str, Sequence[int] | str]) -> None:
    sound = PortableModel(b"", "{}", "x", 4, 8, "int8", 1.0)
    with pytest.raises(ReleaseError):
        PortableEncoder(replace(sound, **damage))
    with pytest.raises(ReleaseError):
        PortableModel.of(b"", {"tokenizer": "{}"})
