"""Targets and metrics of related items, against naive twins."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from gnn.evaluation.related import (
    RelatedTarget,
    counted_lists,
    measure,
    of_baskets,
    of_relation,
    overlap,
    popular_lists,
)

ITEMS = 6
BASKETS = st.lists(st.sets(st.integers(0, ITEMS - 1), min_size=1, max_size=5), min_size=1, max_size=8)


def matrix_of(baskets: list[set[int]], width: int = ITEMS) -> sp.csr_array:
    dense = np.zeros((len(baskets), width), np.float32)
    for row, basket in enumerate(baskets):
        dense[row, sorted(basket)] = 1.0
    return sp.csr_array(dense)


@settings(deadline=None, max_examples=60)
@given(BASKETS, st.sets(st.integers(0, ITEMS - 1)))
def test_every_item_of_a_basket_asks_for_the_other_known_ones(baskets: list[set[int]], unknown: set[int]) -> None:
    known = np.ones(ITEMS, bool)
    known[sorted(unknown)] = False
    target = of_baskets("later", matrix_of(baskets), known, questions=1_000)
    asked = [
        (int(item), frozenset(target.relevant.indices[start:stop].tolist()))
        for item, start, stop in zip(target.query, target.relevant.indptr, target.relevant.indptr[1:], strict=False)
    ]
    expected = [
        (item, frozenset(kept - {item})) for basket in baskets for kept in [basket - unknown] if len(kept) > 1
        for item in sorted(kept)
    ]  # fmt: skip
    assert sorted(asked, key=str) == sorted(expected, key=str)


@settings(deadline=None, max_examples=60)
@given(BASKETS)
def test_the_co_count_is_that_of_a_loop(baskets: list[set[int]]) -> None:
    items = np.arange(ITEMS, dtype=np.int32)
    lists = counted_lists(matrix_of(baskets), items)
    for item in range(ITEMS):
        counts = {other: sum(item in basket and other in basket for basket in baskets) for other in range(ITEMS)}
        found = sorted((other for other in counts if other != item and counts[other]), key=lambda o: (-counts[o], o))
        assert lists[item] == found


def test_hits_are_counted_per_question_and_only_among_ten() -> None:
    target = RelatedTarget("t", np.array([0, 0, 1], np.int32), matrix_of([{1}, {2, 3}, {5}]))
    figures = measure(target, {0: [4, 2, 1], 1: []})
    assert figures["hr@10"] == (1 + 1 + 0) / 3
    assert figures["recall@10"] == (1 + 0.5 + 0) / 3
    assert figures["mrr@10"] == (1 / 3 + 1 / 2 + 0) / 3


def test_a_relation_asks_each_item_for_those_it_is_joined_to() -> None:
    pairs = matrix_of([{0, 1}, set(), {1, 4}], ITEMS)
    pairs.resize((ITEMS, ITEMS))
    known = np.array([True, True, True, True, False, True])
    target = of_relation("also", pairs, known, questions=10)
    assert target.query.tolist() == [0, 2]
    assert [target.relevant[[row]].indices.tolist() for row in range(2)] == [[1], [1]]


def test_popular_lists_leave_the_item_out_and_overlap_is_a_share() -> None:
    lists = popular_lists(np.array([1, 5, 3, 0, 0, 2]), np.array([1, 2]))
    assert lists[1][:3] == [2, 5, 0]
    assert lists[2][:3] == [1, 5, 0]
    assert overlap({1: [2, 3], 2: [4]}, {1: [3, 9], 2: [4]}) == 0.75
