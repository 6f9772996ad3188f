"""The compiled loops of scoring against their numpy twins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gnn import compiled

SCORES = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 3), st.integers(1, 60)),
    elements=st.sampled_from([-np.inf, -2.0, -0.5, 0.0, 0.25, 0.5, 1.0, 3.0]),
)


@contextmanager
def plain_numpy() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "kernels", lambda name="compiled_rows": None)
        yield


def both(work: Callable[[], Any]) -> tuple[Any, Any]:
    """What the compiled loops say, and what numpy says."""
    assert compiled.kernels() is not None, "numba is part of what tests are run with"
    fast = work()
    with plain_numpy():
        return fast, work()


@settings(max_examples=200, deadline=None)
@given(SCORES, st.integers(1, 70))
def test_the_best_are_the_same_ties_included(scores: np.ndarray, k: int) -> None:
    (index, value), (plain_index, plain_value) = both(lambda: compiled.best(scores.copy(), k))
    assert index.tolist() == plain_index.tolist()
    assert value.tolist() == plain_value.tolist()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 40))
def test_the_best_of_a_long_row_are_the_same(seed: int, k: int) -> None:
    scores = np.random.default_rng(seed).integers(0, 300, (2, 4_000)).astype(np.float32)
    (index, _), (plain, _) = both(lambda: compiled.best(scores, k))
    assert index.tolist() == plain.tolist()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31))
def test_sums_over_sparse_rows_are_the_product(seed: int) -> None:
    random = np.random.default_rng(seed)
    weights = sp.csr_array(sp.random_array((3, 20), density=0.2, rng=random, dtype=np.float32))
    matrix = sp.csr_array(sp.random_array((20, 30), density=0.3, rng=random, dtype=np.float32))
    fast, plain = both(lambda: compiled.sparse_scores(weights, matrix))
    np.testing.assert_allclose(fast, plain, rtol=1e-5, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.booleans())
def test_standard_scores_and_likeness_are_the_same(seed: int, flat: bool) -> None:
    random = np.random.default_rng(seed)
    scores = np.full((2, 50), 3.0, np.float32) if flat else random.normal(2, 5, (2, 50)).astype(np.float32)
    z = compiled.standardized(scores)
    assert np.allclose(z.mean(axis=1), 0, atol=1e-4)
    assert np.allclose(z.std(axis=1), 0 if flat else 1, atol=1e-3)

    weights = np.array([0.4, 2.0], np.float32)
    fast, plain = both(lambda: compiled.likeness(scores.copy(), weights))
    np.testing.assert_allclose(fast, plain, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(plain, weights[:, None] * np.log1p(np.maximum(z, 0.0)), rtol=1e-4, atol=1e-5)


def test_a_score_that_is_no_number_is_never_among_the_best() -> None:
    scores = np.random.default_rng(1).normal(size=(1, 500)).astype(np.float32)
    scores[0, ::7] = np.nan
    (index, _), (plain, _) = both(lambda: compiled.best(scores, 20))
    assert index.tolist() == plain.tolist()
    assert np.isfinite(scores[0, index[0]]).all()
