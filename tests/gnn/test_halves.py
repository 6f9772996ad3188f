"""Tables in half precision: every number of 16 bits is read as what it is, and what would not bear it stays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from gnn.baselines.attributes import own_in_one
from gnn.halves import WORST, floats, halved
from gnn.histories import Histories
from gnn.operators import DenseOperator, EmbeddingOperator, SparseOperator, SumOperator, in_half, operator_from_arrays
from graph.instructions import number_by_shifts
from tests.gnn.test_compiled import both


def test_every_finite_half_is_widened_exactly() -> None:
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    finite = every[np.isfinite(every)].reshape(1, -1)
    expected = finite.astype(np.float32)
    for wide in both(lambda: floats(finite)):
        assert wide.tobytes() == expected.tobytes(), "zeros with their signs and what is below the smallest normal too"


def test_a_processor_without_an_instruction_for_halves_reads_the_same() -> None:
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    finite = every[np.isfinite(every)]

    @njit
    def shifted(bits: Any, out: Any) -> None:
        for at in range(bits.size):
            out[at] = number_by_shifts(bits[at])

    wide = np.empty(finite.size, np.float32)
    shifted(finite.view(np.int16), wide)
    assert wide.tobytes() == finite.astype(np.float32).tobytes()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([1e-9, 1e-4, 1.0, 1e3, 1e6]))
def test_no_row_loses_more_than_it_may(seed: int, scale: float) -> None:
    table = (scale * np.random.default_rng(seed).normal(size=(5, 8))).astype(np.float32)
    half = halved(table)
    lost = np.linalg.norm(floats(half) - table, axis=1)
    assert (lost <= WORST * np.linalg.norm(table, axis=1)).all()
    assert half.dtype == (np.float16 if 1e-4 <= scale <= 1e3 else np.float32)
    assert halved(floats(half)).tobytes() == half.tobytes(), "what was rounded is not rounded again"


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1e5, 65_530.0, 1e-8])
def test_a_table_with_one_row_that_would_not_bear_it_stays_as_it_is(wrong: float) -> None:
    table = np.ones((3, 4), np.float32)
    table[1] = wrong
    assert halved(table) is table


def test_an_operator_in_half_precision_is_stored_so_and_scores_nearly_the_same() -> None:
    random = np.random.default_rng(3)

    def table(*shape: int) -> np.ndarray:
        return random.normal(size=shape).astype(np.float32)

    whole = SumOperator((EmbeddingOperator(table(30, 8), table(30, 8)), DenseOperator(table(30, 30))), (1.0, 0.5))
    half = in_half(whole)
    arrays = half.arrays()
    halves = {name for name, array in arrays.items() if array.dtype == np.float16}
    assert halves == {"0_embedding_item_embedding", "0_embedding_fold_in", "1_dense_item_item"}
    histories = Histories.of([[1, 2, 3], [7]], 30).even()
    again = operator_from_arrays("sum", arrays)
    assert again.score(histories).tobytes() == half.score(histories).tobytes()
    np.testing.assert_allclose(half.score(histories), whole.score(histories), atol=2e-2)


@pytest.mark.parametrize(("density", "kind"), [(0.1, "sparse"), (0.5, "dense")])
def test_a_matrix_that_is_nearly_full_is_a_table_within_a_sum(density: float, kind: str) -> None:
    matrix = sp.csr_array(sp.random_array((30, 30), density=density, rng=np.random.default_rng(4), dtype=np.float32))
    whole = SumOperator((SparseOperator(matrix),), (1.0,))
    half = in_half(whole)
    assert isinstance(half, SumOperator)
    assert [part.kind for part in half.parts] == [kind]
    assert in_half(SparseOperator(matrix)).kind == "sparse", "a source is asked for the neighbours of its items"
    histories = Histories.of([[1, 2, 3], [7]], 30).even()
    np.testing.assert_allclose(half.score(histories), whole.score(histories), atol=2e-3)


def test_attributes_of_one_item_alone_are_one_and_the_product_stays() -> None:
    random = np.random.default_rng(5)
    left = sp.csr_array(sp.random_array((9, 60), density=0.03, rng=random, dtype=np.float32))
    left = sp.csr_array(sp.hstack([left, np.ones((9, 1), np.float32)], format="csr"))
    right = sp.csr_array((2.0 * left).T.tocsr())
    into, back = own_in_one(left, right)
    assert into.nnz < left.nnz
    assert into.shape == back.shape[::-1]
    np.testing.assert_allclose((into @ back).toarray(), (left @ right).toarray(), rtol=1e-5)
