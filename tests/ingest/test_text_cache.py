"""The vector cache: nothing lost, nothing damaged returned, many writers."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.text.cache import VectorCache, text_keys


def _vectors(texts: list[str], width: int = 5) -> np.ndarray:
    return np.array(
        [[len(text), *map(float, text.encode()[: width - 1].ljust(width - 1, b"."))] for text in texts], "f4"
    )


def test_an_empty_cache_finds_nothing(tmp_path: Path) -> None:
    found, vectors = VectorCache(tmp_path / "none").lookup(text_keys(["a", "b"]))
    assert found.size == 0
    assert vectors.shape == (0, 0)


@settings(max_examples=40, deadline=None)
@given(chunks=st.lists(st.lists(st.text(max_size=12), max_size=6), max_size=6), asked=st.lists(st.text(max_size=12)))
def test_the_cache_answers_as_a_dict_would(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[list[str]], asked: list[str]
) -> None:
    directory = tmp_path_factory.mktemp("cache")
    known: dict[str, np.ndarray] = {}
    for chunk in chunks:
        texts = [text.encode("utf-8", "replace").decode() for text in chunk]
        VectorCache(directory).add(text_keys(texts), _vectors(texts) if texts else np.empty((0, 5), "f4"))
        known |= dict(zip(texts, _vectors(texts), strict=True)) if texts else {}
    asked = [text.encode("utf-8", "replace").decode() for text in asked] + list(known)[:3]
    found, vectors = VectorCache(directory).lookup(text_keys(asked))
    assert found.tolist() == [place for place, text in enumerate(asked) if text in known]
    for place, vector in zip(found, vectors, strict=True):
        assert np.array_equal(vector, known[asked[place]])


def test_a_damaged_shard_is_dropped_not_read(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path)
    cache.add(text_keys(["good"]), _vectors(["good"]))
    (good,) = tmp_path.glob("*.npy")
    cache.add(text_keys(["bad"]), _vectors(["bad"]))
    (bad,) = set(tmp_path.glob("*.npy")) - {good}
    content = bytearray(bad.read_bytes())
    content[-3] ^= 1
    bad.write_bytes(content)
    found, _ = cache.lookup(text_keys(["bad", "good"]))
    assert found.tolist() == [1]
    assert not bad.exists()


def test_leftovers_of_a_killed_writer_are_ignored(tmp_path: Path) -> None:
    (tmp_path / "tmpabc.part").write_bytes(b"half a shard")
    cache = VectorCache(tmp_path)
    cache.add(text_keys(["a"]), _vectors(["a"]))
    assert cache.lookup(text_keys(["a"]))[0].tolist() == [0]


def test_many_small_shards_become_one_and_keep_every_vector(tmp_path: Path) -> None:
    texts = [f"text {number}" for number in range(80)]
    for text in texts:
        VectorCache(tmp_path).add(text_keys([text]), _vectors([text]))
    found, vectors = VectorCache(tmp_path).lookup(text_keys(texts))
    assert found.size == 80
    assert np.array_equal(vectors, _vectors(texts))
    assert len(list(tmp_path.glob("*.npy"))) < 40


def test_threads_adding_and_merging_at_once_lose_no_vector(tmp_path: Path) -> None:
    texts = [f"text {number}" for number in range(120)]

    def add(text: str) -> None:
        VectorCache(tmp_path).add(text_keys([text]), _vectors([text]))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(add, texts))
    found, vectors = VectorCache(tmp_path).lookup(text_keys(texts))
    assert found.size == 120
    assert np.array_equal(vectors, _vectors(texts))


def test_a_writer_killed_at_any_moment_leaves_a_readable_cache(tmp_path: Path) -> None:
    script = (
        "import sys, numpy as np; from pathlib import Path; from ingest.text.cache import VectorCache, text_keys\n"
        "cache = VectorCache(Path(sys.argv[1]))\n"
        "n = 0\n"
        "while True:\n"
        "    texts = [f't{n}-{k}' for k in range(50)]\n"
        "    cache.add(text_keys(texts), np.full((50, 8), n, 'f4')); print(n, flush=True); n += 1\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        acknowledged = [int(process.stdout.readline()) for _ in range(6)]
        process.kill()
    cache = VectorCache(tmp_path)
    for number in acknowledged:
        found, vectors = cache.lookup(text_keys([f"t{number}-{k}" for k in range(50)]))
        assert found.size == 50
        assert (vectors == number).all()
