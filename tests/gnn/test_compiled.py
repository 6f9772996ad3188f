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
from gnn.compiled import passes

SCORES = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 3), st.integers(1, 60)),
    elements=st.sampled_from([-np.inf, -2.0, -0.5, 0.0, 0.25, 0.5, 1.0, 3.0]),
)


@contextmanager
def plain_numpy() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "kernels", lambda name="rows": None)
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
    (index, value), (plain_index, plain_value) = both(lambda: passes.best(scores.copy(), k))
    assert index.tolist() == plain_index.tolist()
    assert value.tolist() == plain_value.tolist()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 40))
def test_the_best_of_a_long_row_are_the_same(seed: int, k: int) -> None:
    scores = np.random.default_rng(seed).integers(0, 300, (2, 4_000)).astype(np.float32)
    (index, _), (plain, _) = both(lambda: passes.best(scores, k))
    assert index.tolist() == plain.tolist()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.integers(0, 70), st.booleans())
def test_the_best_of_a_sum_are_the_best_of_what_is_open_and_positive(seed: int, k: int, weighed: bool) -> None:
    random = np.random.default_rng(seed)
    parts = random.integers(-2, 3, (3, 60)).astype(np.float32)
    shut = random.random(60) < 0.3
    factor = random.choice([0.5, 1.0, 2.0], 60).astype(np.float32) if weighed else None
    total = parts.sum(axis=0) * (1.0 if factor is None else factor)
    expected = sorted((item for item in range(60) if not shut[item] and total[item] > 0), key=lambda item: -total[item])
    for index, value in both(lambda: passes.best_of_sum(parts, shut, k, factor)):
        assert index.tolist() == expected[:k]
        assert value.tolist() == total[expected[:k]].tolist()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31))
def test_sums_over_sparse_rows_are_the_product(seed: int) -> None:
    random = np.random.default_rng(seed)
    weights = sp.csr_array(sp.random_array((3, 20), density=0.2, rng=random, dtype=np.float32))
    matrix = sp.csr_array(sp.random_array((20, 30), density=0.3, rng=random, dtype=np.float32))
    fast, plain = both(lambda: passes.sparse_scores(weights, matrix))
    np.testing.assert_allclose(fast, plain, rtol=1e-5, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.booleans())
def test_standard_scores_and_likeness_are_the_same(seed: int, flat: bool) -> None:
    random = np.random.default_rng(seed)
    scores = np.full((2, 50), 3.0, np.float32) if flat else random.normal(2, 5, (2, 50)).astype(np.float32)
    z = passes.standardized(scores)
    assert np.allclose(z.mean(axis=1), 0, atol=1e-4)
    assert np.allclose(z.std(axis=1), 0 if flat else 1, atol=1e-3)

    weights = np.array([0.4, 2.0], np.float32)
    fast, plain = both(lambda: passes.likeness(scores.copy(), weights))
    np.testing.assert_allclose(fast, plain, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(plain, weights[:, None] * np.log1p(np.maximum(z, 0.0)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scores", [
    -np.abs(np.random.default_rng(2).normal(size=700)) - 1,
    np.linspace(-3e38, 3e38, 700),
    np.where(np.arange(700) % 50, -np.inf, 1e-38 * np.arange(700)),
    np.full(700, -np.inf),
    np.full(700, np.inf),
])  # fmt: skip
@pytest.mark.parametrize("k", [1, 30, 700])
def test_the_best_of_rows_that_are_hard_to_halve(scores: np.ndarray, k: int) -> None:
    rows = np.stack([scores, scores[::-1]]).astype(np.float32)
    (index, value), (plain, plain_value) = both(lambda: passes.best(rows, k))
    assert index.tolist() == plain.tolist()
    assert value.tolist() == plain_value.tolist()


@settings(max_examples=200, deadline=None)
@given(hnp.arrays(np.float32, st.integers(1, 40), elements=st.floats(0, float(np.float32(1e30)), width=32)))
def test_the_logarithm_is_exact_to_a_few_units_of_the_last_place(numbers: np.ndarray) -> None:
    from gnn.compiled.rows import log1p_of  # only where there is numba

    found = np.array([log1p_of(number) for number in numbers], np.float32)
    np.testing.assert_allclose(found, np.log1p(numbers.astype(np.float64)), rtol=4e-7)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 19), max_size=8), max_size=6), st.integers(0, 2**20 - 1))
def test_marked_entries_are_counted_row_by_row(rows: list[list[int]], marks: int) -> None:
    mark = np.array([bool(marks >> place & 1) for place in range(20)])
    indptr = np.cumsum([0, *(len(row) for row in rows)]).astype(np.int64)
    index = np.array([entry for row in rows for entry in row], np.int32)
    for found in both(lambda: passes.marked(indptr, index, mark)):
        assert found.tolist() == [sum(mark[entry] for entry in row) for row in rows]


def test_a_score_that_is_no_number_is_never_among_the_best() -> None:
    scores = np.random.default_rng(1).normal(size=(1, 500)).astype(np.float32)
    scores[0, ::7] = np.nan
    (index, _), (plain, _) = both(lambda: passes.best(scores, 20))
    assert index.tolist() == plain.tolist()
    assert np.isfinite(scores[0, index[0]]).all()
