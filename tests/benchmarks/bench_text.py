"""Encoding titles: the portable encoder beside sentence-transformers, on one thread and on two, in one run."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from gnn.data.histories import FloatArray
from ingest.text import PortableEncoder, SentenceEncoder, TextEncoder, find_model, portable_model
from ingest.text.encoder import fast_precision
from tests.benchmarks.known_items import EXPORTS

_THREADS = (1, 2)
"""The goal is for both cores of the machine the figures come from."""
_TITLES, _BATCH, _GOAL_RATE, _GOAL_COSINE = 1_024, 64, 1_000, 0.99
_PHRASE = """
    red white blue large small vintage wooden heart light holder bag mug tea lunch box paper metal sign garden bird
    cage clock kitchen set of six ceramic retro spot christmas hanging lantern glass jar with lid cake stand shampoo
    hand cream olive oil soap daily care dry skin sensitive spray 250ml travel size gift pack
"""
_WORDS = _PHRASE.split()


def measure(titles: int = _TITLES) -> list[dict[str, Any]]:
    """Rows of ``name, ours, peer, ratio, unit, goal, met``."""
    random = np.random.default_rng(5)
    texts = [" ".join(random.choice(_WORDS, random.integers(3, 10))).capitalize() for _ in range(titles)]
    model = find_model("minilm")
    portable, _ = portable_model(model, texts, cache_dir=EXPORTS)
    found = []
    for threads in _THREADS:
        ours = PortableEncoder(portable, threads=threads)
        peers = {
            precision: SentenceEncoder(model, precision=precision, threads=threads)
            for precision in dict.fromkeys(("float32", fast_precision()))
        }
        rate, rows = _rate(ours, texts)
        rates = {precision: _rate(peer, texts)[0] for precision, peer in peers.items()}
        shown = ", ".join(f"{name} {value:,.0f}" for name, value in rates.items())
        name = f"titles/s, threads: {threads}; peer: sentence-transformers ({shown})"
        goal = f"≥ {_GOAL_RATE:,}" if threads == _THREADS[-1] else "–"
        met = threads != _THREADS[-1] or rate >= _GOAL_RATE
        found.append(_row(name, rate, max(rates.values()), "titles/s", goal, met=met))
    cosine = float((rows * _all(peers["float32"], texts)).sum(axis=1).mean())
    query = _median_ms(lambda: ours.encode(["retro red mug"]))
    peer_query = _median_ms(lambda: peers["float32"].encode(["retro red mug"]))
    return [
        *found,
        _row("cosine to sentence-transformers, mean", cosine, 1.0, "", f"≥ {_GOAL_COSINE}", met=cosine >= _GOAL_COSINE),
        _row("one query; peer: sentence-transformers float32", query, peer_query, "ms", "≤ 10", met=query <= 10.0),
    ]


def _row(name: str, ours: float, peer: float, unit: str, goal: str, *, met: bool) -> dict[str, Any]:
    return {
        "name": name,
        "ours": round(ours, 4),
        "peer": round(peer, 4),
        "ratio": round(ours / max(peer, 1e-9), 2),
        "unit": unit,
        "goal": goal,
        "met": bool(met),
    }


def _all(encoder: TextEncoder, texts: list[str]) -> FloatArray:
    """Vectors in the order of the texts, encoded in batches of like length."""
    order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
    rows = np.zeros((len(texts), encoder.width), np.float32)
    for start in range(0, len(order), _BATCH):
        batch = order[start : start + _BATCH]
        rows[batch] = encoder.encode([texts[at] for at in batch])
    return rows


def _rate(encoder: TextEncoder, texts: list[str]) -> tuple[float, FloatArray]:
    encoder.encode(texts[:_BATCH])
    began = time.perf_counter()
    rows = _all(encoder, texts)
    return len(texts) / (time.perf_counter() - began), rows


def _median_ms(work: Callable[[], object], times: int = 50) -> float:
    work()
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return float(np.median(seconds) * 1e3)
