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


def small_model(folder: Path) -> str:
    """A folder with a BERT of random weights in the sentence-transformers layout: exported in seconds."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    torch.manual_seed(1)
    words = sorted({word for title in TITLES for word in title.lower().replace(".", "").split()})
    vocabulary = folder / "vocab.txt"
    folder.mkdir()
    vocabulary.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]))
    inside = folder / "bert"
    BertTokenizerFast(str(vocabulary)).save_pretrained(inside)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    BertModel(BertConfig(vocab_size=5 + len(words), **sizes)).save_pretrained(inside)
    transformer = Transformer(str(inside))
    SentenceTransformer(modules=[transformer, Pooling(32)]).save(str(folder / "model"))
    return str(folder / "model")


@pytest.fixture(scope="module")
def name(tmp_path_factory: pytest.TempPathFactory) -> str:
    return small_model(tmp_path_factory.mktemp("model") / "small")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, name: str) -> tuple[PortableModel, Path]:
    folder = tmp_path_factory.mktemp("text")
    model, is_new = portable_model(find_model(name), TITLES, cache_dir=folder)
    assert is_new
    return model, folder


def test_vectors_are_those_of_the_original(exported: tuple[PortableModel, Path], name: str) -> None:
    model, _ = exported
    assert_same_vectors(model, SentenceEncoder(find_model(name)))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_vectors_are_those_of_the_published_minilm(tmp_path: Path) -> None:
    model, _ = portable_model(find_model("minilm"), TITLES, cache_dir=tmp_path)
    assert model.weights == "int8"
    assert_same_vectors(model, SentenceEncoder(find_model("minilm")))


def assert_same_vectors(model: PortableModel, original: SentenceEncoder) -> None:
    encoder = PortableEncoder(model)
    rows = encoder.encode(TITLES)
    cosine = (rows * original.encode(TITLES)).sum(axis=1)
    assert cosine.mean() >= 0.99
    assert cosine.min() >= 0.95
    assert model.agreement == pytest.approx(float(cosine.mean()), abs=0.005)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, rtol=1e-5)
    one_by_one = np.concatenate([encoder.encode([title]) for title in TITLES])
    assert ((one_by_one * rows).sum(axis=1) > 0.97).all()  # padding changes the steps of int8, not the meaning
    assert encoder.encode([]).shape == (0, model.width)


def test_a_model_is_exported_once_and_again_when_its_file_is_damaged(
    exported: tuple[PortableModel, Path], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, folder = exported
    made = []
    monkeypatch.setattr(exporting, "_exported", lambda *asked: made.append(asked) or model)  # a minute of work
    again, is_new = portable_model(find_model(name), TITLES, cache_dir=folder)
    assert not is_new
    assert again.network == model.network
    (file,) = folder.rglob("network.onnx")
    content = bytearray(file.read_bytes())
    content[1000] ^= 1
    file.write_bytes(content)
    assert not made
    assert portable_model(find_model(name), TITLES, cache_dir=folder) == (model, True)
    assert len(made) == 1
    kept, is_new = portable_model(find_model(name), TITLES, cache_dir=folder)
    assert not is_new
    assert kept.network == model.network


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
    assert done.stdout.strip() == "(1, 32)"


@pytest.mark.parametrize("damage", [{"network": b"no network"}, {"tokenizer": "{}"}])
def test_what_cannot_be_loaded_is_refused(damage: dict[str, Sequence[int] | str]) -> None:
    sound = PortableModel(b"", "{}", "x", 4, 8, "int8", 1.0)
    with pytest.raises(ReleaseError):
        PortableEncoder(replace(sound, **damage))
    with pytest.raises(ReleaseError):
        PortableModel.of(b"", {"tokenizer": "{}"})
