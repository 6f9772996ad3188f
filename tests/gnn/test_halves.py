"""Tables in half precision: every number of 16 bits is read as what it is, and what would not bear it stays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from gnn.baselines.attributes import own_in_one
from gnn.data.histories import Histories
from gnn.operators import (
    DenseOperator,
    EmbeddingOperator,
    FactorOperator,
    SparseOperator,
    SumOperator,
    operator_from_arrays,
)
from gnn.operators.halves import WORST, floats, halved
from gnn.operators.tables import FULL, as_released
from gnn.operators.weighed import Weighed
from graph.compiled.instructions import number_by_shifts
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
    half = as_released(whole)
    arrays = half.arrays()
    halves = {name for name, array in arrays.items() if array.dtype == np.float16}
    assert halves == {f"0_embedding_{name}" for name in ("item_embedding", "fold_in", "alone")} | {"1_dense_item_item"}
    histories = Histories.of([[1, 2, 3], [7]], 30).even()
    again = operator_from_arrays("sum", arrays)
    assert again.score(histories).tobytes() == half.score(histories).tobytes()
    np.testing.assert_allclose(half.score(histories), whole.score(histories), atol=2e-2)


@pytest.mark.parametrize(("density", "kind"), [(0.1, "sum"), (0.5, "dense")])
def test_a_sum_over_a_matrix_that_is_nearly_full_is_one_table(density: float, kind: str) -> None:
    random = np.random.default_rng(4)
    matrix = sp.csr_array(sp.random_array((30, 30), density=density, rng=random, dtype=np.float32))
    factors = random.normal(size=(2, 30, 6)).astype(np.float32)
    whole = SumOperator((SparseOperator(matrix), EmbeddingOperator(*factors, length_power=0.0)), (1.0, -0.5))
    half = as_released(whole)
    assert half.kind == kind
    assert as_released(half).arrays().keys() == half.arrays().keys(), "what has its form keeps it"
    assert as_released(SparseOperator(matrix)).kind == "sparse", "a source is asked for the neighbours of its items"
    histories = Histories.of([[1, 2, 3], [7]], 30).even()
    np.testing.assert_allclose(half.score(histories), whole.score(histories), atol=1e-2)


@pytest.mark.parametrize("own", [{"length_power": 0.5}, {"item_bias": np.ones(30, np.float32)}])
def test_a_sum_with_a_part_that_is_not_linear_stays_a_sum(own: dict[str, Any]) -> None:
    factors = np.random.default_rng(4).normal(size=(2, 30, 6)).astype(np.float32)
    part = EmbeddingOperator(*factors, **{"length_power": 0.0, **own})
    assert as_released(SumOperator((DenseOperator(np.eye(30, dtype=np.float32)), part), (1.0, 1.0))).kind == "sum"


@pytest.mark.parametrize(("attributes", "kind"), [(30, "factor"), (3, "dense")])
def test_a_walk_that_reaches_most_items_is_a_table(attributes: int, kind: str) -> None:
    group = np.arange(60) % attributes
    left = sp.csr_array((np.ones(60, np.float32) / 3, (np.arange(60), group)), shape=(60, attributes))
    whole = FactorOperator(left, sp.csr_array(left.T.tocsr()))
    released = as_released(whole)
    assert released.kind == kind, f"{1 / attributes:.2f} of all pairs, {FULL} make a table"
    histories = Histories.of([[1, 2, 3], [7]], 60).even()
    np.testing.assert_allclose(released.score(histories), whole.score(histories), rtol=1e-3)


def test_what_one_item_alone_scores_is_kept_in_a_small_shop(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(6)
    items, fold_in = random.normal(size=(2, 30, 6)).astype(np.float32)
    residual, bias = random.normal(size=(4, 6)).astype(np.float32), random.normal(size=30).astype(np.float32)
    whole = EmbeddingOperator(items, fold_in, residual, bias, 0.5)
    kept = operator_from_arrays("embedding", as_released(whole).arrays())
    monkeypatch.setattr("gnn.operators.tables.FEW_ITEMS", 20)
    larger = as_released(whole)
    assert isinstance(kept, EmbeddingOperator)
    assert isinstance(larger, EmbeddingOperator)
    assert kept.alone is not None
    assert larger.alone is None
    kept = replace(kept, item_embedding=np.zeros_like(kept.item_embedding))

    def scored(operator: EmbeddingOperator) -> np.ndarray:
        out = np.ones((1, 1, 30), np.float32)
        operator.add_scores(Weighed.of_item(7, 30), out, 2.0)
        return out

    for found in both(lambda: scored(kept)):
        np.testing.assert_allclose(found, scored(larger), rtol=2e-3, atol=2e-3)


def test_attributes_of_one_item_alone_are_one_and_the_product_stays() -> None:
    random = np.random.default_rng(5)
    left = sp.csr_array(sp.random_array((9, 60), density=0.03, rng=random, dtype=np.float32))
    left = sp.csr_array(sp.hstack([left, np.ones((9, 1), np.float32)], format="csr"))
    right = sp.csr_array((2.0 * left).T.tocsr())
    into, back = own_in_one(left, right)
    assert into.nnz < left.nnz
    assert into.shape == back.shape[::-1]
    np.testing.assert_allclose((into @ back).toarray(), (left @ right).toarray(), rtol=1e-5)
