"""Encoding item text: order, cache, batches, and the real MiniLM."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from graph.errors import InputError, NotFound
from ingest.text import TextModel, encode_items, find_model, models

WIDTH = 6


class LetterEncoder:
    """Counts letters, and remembers what it was asked."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    width = WIDTH

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.batches.append(list(texts))
        return np.array([_letters(text) for text in texts], "f4")

    def opened(self, _: TextModel) -> LetterEncoder:
        return self


def _letters(text: str) -> np.ndarray:
    counts = np.array([1 + text.count(letter) for letter in "abcdef"], "f4")
    return counts / np.linalg.norm(counts)


@pytest.fixture
def model(tmp_path: Path) -> str:
    directory = tmp_path / "model"
    directory.mkdir()
    (directory / "model.safetensors").write_bytes(b"weights")
    (directory / "config.json").write_text("{}")
    return str(directory)


def test_vectors_keep_the_order_of_the_texts_and_empty_text_is_zero(tmp_path: Path, model: str) -> None:
    texts = ["bead", "", "a much longer text about a cab", "bead", "  \n "]
    vectors = encode_items(texts, model=model, cache_dir=tmp_path / "c", open_encoder=LetterEncoder().opened)
    assert vectors.dtype == np.float32
    assert vectors.shape == (5, WIDTH)
    naive = np.array([_letters(text) if text.strip() else np.zeros(WIDTH) for text in texts], "f4")
    assert np.array_equal(vectors, naive)


def test_a_mapping_gives_its_values_in_order(tmp_path: Path, model: str) -> None:
    cache = tmp_path / "c"
    listed = encode_items(["cab", "fed"], model=model, cache_dir=cache, open_encoder=LetterEncoder().opened)
    mapped = encode_items({"2": "cab", "1": "fed"}, model=model, cache_dir=cache, open_encoder=LetterEncoder().opened)
    assert np.array_equal(listed, mapped)


def test_a_text_is_encoded_once_ever(tmp_path: Path, model: str) -> None:
    first, second = LetterEncoder(), LetterEncoder()
    cache = tmp_path / "c"
    encode_items(["bead", "cab", "bead"], model=model, cache_dir=cache, open_encoder=first.opened)
    assert sorted(chain.from_iterable(first.batches)) == ["bead", "cab"]
    again = encode_items(["cab", "deaf", "bead"], model=model, cache_dir=cache, open_encoder=second.opened)
    assert second.batches == [["deaf"]]
    assert np.array_equal(again, [_letters("cab"), _letters("deaf"), _letters("bead")])


def test_with_every_text_cached_no_encoder_is_opened(tmp_path: Path, model: str) -> None:
    def refuse(_: TextModel) -> LetterEncoder:
        raise AssertionError("opened")

    cache = tmp_path / "c"
    before = encode_items(["bead", ""], model=model, cache_dir=cache, open_encoder=LetterEncoder().opened)
    after = encode_items(["bead", ""], model=model, cache_dir=cache, open_encoder=refuse)
    assert np.array_equal(before, after)


def test_other_weights_or_settings_do_not_share_vectors(tmp_path: Path, model: str) -> None:
    cache = tmp_path / "c"
    encode_items(["bead"], model=model, cache_dir=cache, open_encoder=LetterEncoder().opened)
    other_length, other_weights = LetterEncoder(), LetterEncoder()
    encode_items(["bead"], model=model, cache_dir=cache, max_tokens=9, open_encoder=other_length.opened)
    assert other_length.batches == [["bead"]]
    (Path(model) / "model.safetensors").write_bytes(b"other weights")
    encode_items(["bead"], model=model, cache_dir=cache, open_encoder=other_weights.opened)
    assert other_weights.batches == [["bead"]]


def test_batches_hold_like_lengths_within_the_token_budget(tmp_path: Path, model: str) -> None:
    rng = np.random.default_rng(7)
    texts = ["a" * int(length) + str(place) for place, length in enumerate(rng.integers(1, 400, 300))]
    encoder = LetterEncoder()
    seen: list[tuple[int, int]] = []
    encode_items(
        texts,
        model=model,
        cache_dir=tmp_path / "c",
        max_tokens=64,
        batch_tokens=640,
        progress=lambda done, total: seen.append((done, total)),
        open_encoder=encoder.opened,
    )
    lengths = [[len(text) for text in batch] for batch in encoder.batches]
    assert list(chain.from_iterable(lengths)) == sorted(map(len, texts), reverse=True)
    assert all(len(batch) * min(64, 2 + max(batch) // 4) <= 640 for batch in lengths)
    assert len(lengths) < 60
    assert seen[-1] == (300, 300)


def test_no_text_at_all_gives_no_rows(tmp_path: Path, model: str) -> None:
    vectors = encode_items([], model=model, cache_dir=tmp_path / "c", open_encoder=LetterEncoder().opened)
    assert vectors.shape == (0, WIDTH)


@pytest.mark.parametrize("name", ["/no/such/folder", "./none", "a/b/c"])
def test_a_missing_model_folder_is_named(name: str) -> None:
    with pytest.raises(NotFound, match="no text model there"):
        find_model(name)


def test_weights_that_run_code_when_loaded_are_refused(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="safetensors"):
        find_model(str(tmp_path))


def test_changed_minilm_weights_are_refused_before_loading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "evil_minilm"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('imported')")
    (package / "model" / "model.safetensors").write_bytes(b"not the published weights")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(models, "MINILM_PACKAGE", "evil_minilm")
    with pytest.raises(InputError, match="not the published ones"):
        find_model("minilm")


def test_listing_the_room_needs_no_torch() -> None:
    script = (
        "import sys, ingest.text; sys.exit(any(name in sys.modules for name in ('torch', 'sentence_transformers')))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_minilm_puts_like_meanings_together_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if find_spec("sentence_transformers") is None or find_spec(models.MINILM_PACKAGE) is None:
        pytest.skip('the train extra is not installed; pip install "kindred[train]" to run this')
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    texts = ["red nail polish", "", "crimson nail lacquer", "cast iron frying pan"]
    vectors = encode_items(texts, cache_dir=tmp_path, precision="float32", threads=1)
    assert vectors.shape == (4, 384)
    assert np.allclose(np.linalg.norm(vectors, axis=1), [1, 0, 1, 1], atol=1e-5)
    assert float(vectors[0] @ vectors[2]) > float(vectors[0] @ vectors[3]) + 0.3
    short = encode_items(texts, cache_dir=tmp_path, precision="bfloat16", threads=1)
    assert (np.einsum("it,it->i", vectors, short)[[0, 2, 3]] > 0.995).all()
    assert np.array_equal(encode_items(texts, cache_dir=tmp_path, precision="float32"), vectors)
