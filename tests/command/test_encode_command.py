"""``kindred encode``, and what ``--ray`` needs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from graph.snapshot import build_snapshot
from graph.store import open_store
from graph.view import GraphView
from ingest.text import TextModel, encode_items, item_texts
from tests.command.small_shop import kindred_in, write_shop


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    write_shop(tmp_path)
    assert kindred_in(tmp_path, "ingest", "shop.yaml").code == 0
    return tmp_path


class LengthEncoder:
    width = 3

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([[len(text), 1.0, 2.0] for text in texts], np.float32)


def _opened(_: TextModel) -> LengthEncoder:
    return LengthEncoder()


def test_it_fills_the_cache_that_train_reads_and_says_how_many_texts_there_are(shop: Path) -> None:
    model = shop / "model"
    model.mkdir()
    (model / "model.safetensors").write_bytes(b"weights")
    with open_store(f"sqlite:{shop / 'var' / 'graph.db'}") as store:
        texts = item_texts(GraphView(build_snapshot(store, shop / "snapshot")))
    encode_items(texts, model=str(model), cache_dir=shop / "var" / "text", open_encoder=_opened)
    # Everything is known already, so that neither torch nor these weights, which are none, are looked at.
    ran = kindred_in(shop, "encode", "--text", str(model), "--json")
    assert ran.code == 0, ran.err
    assert ran.json == {"items": 30, "with_text": 30, "width": 3}
    told = kindred_in(shop, "encode", "--text", str(model))
    assert "30 of 30 items have a vector of width 3" in told.out


@pytest.mark.parametrize("command", [("encode",), ("train", "--models", "popularity", "--text", "none")], ids=" ".join)
def test_ray_that_is_not_installed_is_told_before_any_work(
    shop: Path, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    ran = kindred_in(shop, *command, "--ray")
    assert ran.code == 8
    assert "kindred[scale]" in ran.error
    assert "snapshot" not in ran.err
