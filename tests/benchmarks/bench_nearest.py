"""The exact 100 nearest of a million vectors, and of those that pass a filter, against faiss."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from gnn.operators.nearest import Vectors, codes_kernel

COUNT, WIDTH, K, QUERIES = 1_000_000, 64, 100, 30


def measure(count: int = COUNT) -> list[dict[str, Any]]:
    """Rows of ``name, ours, peer, ratio, unit, goal, met``; milliseconds, medians, both on every core."""
    random = np.random.default_rng(0)
    values = random.standard_normal((count, WIDTH), dtype=np.float32)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    queries = random.standard_normal((QUERIES, WIDTH), dtype=np.float32)
    ours, peer = Vectors(values), faiss.IndexFlatIP(WIDTH)
    peer.add(values)
    how = "a scan over bytes, then exact" if codes_kernel() else "numpy alone: no AVX-512 VNNI here"

    found = [ours.nearest(query, K)[0] for query in queries]
    _, wanted = peer.search(queries, K)
    recall = float(np.mean([np.isin(row, mine).mean() for row, mine in zip(wanted, found, strict=True)]))
    mine, theirs = _alternating(
        queries, lambda query: ours.nearest(query, K), lambda query: peer.search(query[None], K)
    )
    rows = [
        _row(f"exact top-{K} of {count:,} × {WIDTH}, {how}; peer: faiss Flat", mine, theirs, "≤ 0.3 × peer", 0.3),
        {
            "name": "its recall beside faiss Flat",
            "ours": recall,
            "peer": 1.0,
            "ratio": None,
            "unit": "",
            "goal": "1",
            "met": recall > 1 - 1e-9,
        },
    ]
    for share in (0.01, 0.001):
        allowed = random.random(count) < share
        mine, theirs = _alternating(queries, _filtered(ours, allowed), _selected(peer, allowed))
        name = f"the same among {share:.1%} of them; peer: faiss Flat with a bitmap selector"
        rows.append(_row(name, mine, theirs, "≥ 4 × faster", 0.25))
    return rows


def _filtered(ours: Vectors, allowed: npt.NDArray[np.bool_]) -> Callable[[Any], object]:
    return lambda query: ours.nearest(query, K, allowed)


def _selected(peer: Any, allowed: npt.NDArray[np.bool_]) -> Callable[[Any], object]:
    bits = np.packbits(allowed, bitorder="little")
    parameters = faiss.SearchParameters(sel=faiss.IDSelectorBitmap(bits))
    return lambda query: peer.search(query[None], K, params=parameters)


def _alternating(
    queries: npt.NDArray[np.float32], ours: Callable[[Any], object], theirs: Callable[[Any], object]
) -> tuple[float, float]:
    """Median milliseconds of both, asked in turn."""
    taken: tuple[list[float], list[float]] = ([], [])
    for query in (queries[0], *queries):
        for side, work in zip(taken, (ours, theirs), strict=True):
            began = time.perf_counter()
            work(query)
            side.append((time.perf_counter() - began) * 1e3)
    return float(np.median(taken[0][1:])), float(np.median(taken[1][1:]))


def _row(name: str, ours: float, peer: float, goal: str, at_most: float) -> dict[str, Any]:
    return {
        "name": name,
        "ours": round(ours, 3),
        "peer": round(peer, 3),
        "ratio": round(peer / ours, 2),
        "unit": "ms",
        "goal": goal,
        "met": ours <= at_most * peer,
    }
