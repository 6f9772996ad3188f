"""The nearest vectors by a scan over bytes are those of the plain product."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnn.operators import nearest
from gnn.operators.nearest import Vectors, codes_kernel


def by_product(values: np.ndarray, query: np.ndarray, k: int, allowed: np.ndarray | None) -> np.ndarray:
    scores = values.astype(np.float64) @ query
    if allowed is not None:
        scores[~allowed] = -np.inf
    best = np.lexsort((np.arange(scores.size), -scores))[:k]
    return best[scores[best] > -np.inf]


@pytest.mark.skipif(codes_kernel() is None, reason="this processor has no AVX-512 VNNI: numpy answers, tested below")
@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    width=st.integers(1, 70),
    k=st.integers(1, 40),
    share=st.sampled_from([None, 0.0, 0.01, 0.3, 1.0]),
    long_tailed=st.booleans(),
)
def test_no_row_among_the_best_is_left_out(
    seed: int, width: int, k: int, share: float | None, long_tailed: bool
) -> None:
    random = np.random.default_rng(seed)
    values = random.standard_normal((1_003, width)).astype(np.float32)
    if long_tailed:
        values *= random.lognormal(0, 1, (1_003, 1)).astype(np.float32)
    query = random.standard_normal(width).astype(np.float32)
    allowed = None if share is None else random.random(1_003) < share
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearest, "_SMALL", 1)
        found, products = Vectors(values).nearest(query, k, allowed)
    wanted = by_product(values, query, k, allowed)
    assert found.size == wanted.size
    np.testing.assert_allclose(products, np.sort(values[wanted] @ query)[::-1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("share", [None, 0.02, 0.5])
def test_numpy_alone_finds_the_same(share: float | None) -> None:
    random = np.random.default_rng(4)
    values, query = random.standard_normal((500, 8)).astype(np.float32), random.standard_normal(8).astype(np.float32)
    allowed = None if share is None else random.random(500) < share
    found, _ = Vectors(values).nearest(query, 10, allowed)
    assert found.tolist() == by_product(values, query, 10, allowed).tolist()
