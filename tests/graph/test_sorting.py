"""Sorting by plain numbers says what numpy's own functions say."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from graph.sorting import distinct, stable_order

COLUMNS = st.sampled_from([np.int8, np.int32, np.int64, np.uint64]).flatmap(
    lambda kind: arrays.arrays(kind, st.integers(0, 60), elements=arrays.from_dtype(np.dtype(kind)))
)
FEW = arrays.arrays(np.int32, st.integers(0, 60), elements=st.integers(-3, 3))


@given(COLUMNS | FEW)
def test_the_different_values_are_those_of_numpy(values: np.ndarray) -> None:
    found = distinct(values)
    assert found.dtype == values.dtype
    assert found.tolist() == np.unique(values).tolist()


@given(COLUMNS | FEW)
def test_a_stable_order_is_that_of_numpy(values: np.ndarray) -> None:
    assert stable_order(values).tolist() == np.argsort(values, kind="stable").tolist()


def test_numbers_beyond_the_signed_ones_are_ordered_too() -> None:
    values = np.array([2**63 + 9, 2**63 + 5, 2**64 - 1, 2**63 + 5], np.uint64)
    assert stable_order(values[:2]).tolist() == [1, 0]
    assert stable_order(values[:1]).tolist() == [0]
    assert stable_order(values).tolist() == [1, 3, 0, 2]


def test_values_too_far_apart_to_be_packed_are_ordered_too() -> None:
    values = np.array([2**62, -(2**63), 5, 5, -(2**63)], np.int64)
    assert stable_order(values).tolist() == [1, 4, 2, 3, 0]


@given(st.lists(st.tuples(st.integers(-2, 2), st.integers(0, 3), st.integers(-(2**63), 2**63 - 1)), max_size=40))
def test_several_columns_are_ordered_by_the_last_first(rows: list[tuple[int, int, int]]) -> None:
    columns = [np.array(column, np.int64) for column in zip(*rows, strict=True)] or [np.zeros(0, np.int64)]
    assert stable_order(*columns).tolist() == np.lexsort(columns).tolist()
