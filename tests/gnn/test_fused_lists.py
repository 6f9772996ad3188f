"""A fused list made in one compiled call is the one that the features of its candidates lead to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from gnn import compiled
from gnn.data.histories import Histories
from gnn.fusion import FeatureSpace, FusedRanker, FusionWeights
from gnn.fusion.layout import Layout
from gnn.operators import (
    ConstantOperator,
    DenseOperator,
    EmbeddingOperator,
    FactorOperator,
    Operator,
    SparseOperator,
    SumOperator,
)
from gnn.operators.personal import PersonalOperator
from tests.gnn.test_compiled import both


def ranker(seed: int, items: int, *, tied: bool) -> FusedRanker:
    random = np.random.default_rng(seed)

    def table() -> np.ndarray:
        scores = random.exponential(size=(items, items)) ** 2
        return (np.floor(scores) if tied else scores).astype(np.float32)

    operators: dict[str, Operator] = {f"source {number}": DenseOperator(table()) for number in range(4)}
    operators["popularity"] = ConstantOperator(table()[0])
    space = FeatureSpace.over(operators)
    weight, slope = random.normal(size=(2, len(space.columns))).astype(np.float32)
    return FusedRanker(operators, replace(FusionWeights.prior(space), weight=weight, slope=slope))


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Without some of the loops; :mod:`tests.gnn.test_contexts` holds the others against numpy."""
    assert all(compiled.kernels(name) is not None for name in names)
    real = compiled.kernels
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "kernels", lambda name="rows": None if name in names else real(name))
        yield


def sources(random: np.random.Generator, items: int) -> dict[str, Operator]:
    """One of every kind and precision; the last of them scores by itself."""
    few = [sp.random_array((items, width), density=0.2, rng=random, dtype=np.float32) for width in (items, 9)]
    square, left = (sp.csr_array(matrix) for matrix in few)
    wide, narrow = random.standard_normal((2, items, 24)).astype(np.float32)
    own, bias = random.standard_normal((5, 24)).astype(np.float32), random.standard_normal(items).astype(np.float32)
    table = random.standard_normal((items, items)).astype(np.float32)
    return {
        "popularity": ConstantOperator(bias),
        "walk": SparseOperator(square),
        "attributes": FactorOperator(left, sp.csr_array(left.T)),
        "table": DenseOperator(table),
        "halves": DenseOperator(table.astype(np.float16)),
        "factors": EmbeddingOperator(wide, narrow.astype(np.float16), own, bias, 0.7),
        "meanings": EmbeddingOperator(wide.astype(np.float16), narrow, None, None, 0.0),
        "filter": SumOperator((SparseOperator(square), EmbeddingOperator(narrow, wide, length_power=0.5)), (0.3, 1.7)),
        "again": PersonalOperator(np.abs(bias), 0.9),
    }


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([5, 70, 400]), st.booleans(), st.sampled_from([1, 3]))
def test_the_list_made_in_one_call_is_that_of_the_features(seed: int, items: int, tied: bool, rows: int) -> None:
    fused, random = ranker(seed, items, tied=tied), np.random.default_rng(seed)
    histories = Histories.of([random.integers(0, items, random.integers(1, 9)).tolist() for _ in range(rows)], items)
    shut = Histories.of([random.integers(0, items, 4).tolist() for _ in range(rows)], items).even()
    allowed = random.random(items) < 0.9

    fast = fused.fuse(histories, k=20, exclude=shut, allowed=allowed)
    with without("fused", "listed"):
        plain = fused.fuse(histories, k=20, exclude=shut, allowed=allowed)
    found = plain.item_index >= 0
    assert ((fast.item_index >= 0) == found).all()
    np.testing.assert_allclose(fast.score, plain.score, rtol=1e-4, atol=1e-4)
    same = fast.item_index == plain.item_index
    # What differs by rounding alone may change places; it is near to what stands beside it, and in the list.
    gap = np.abs(np.diff(np.where(found, plain.score, -1e9), axis=1, prepend=1e9, append=-2e9))
    assert (same | (np.minimum(gap[:, 1:], gap[:, :-1]) < 1e-3) | ~found).all()
    np.testing.assert_allclose(fast.contribution[same], plain.contribution[same], rtol=1e-3, atol=1e-3)
    assert not fast.contribution[~found].any()
    for row in range(rows):
        held = fast.item_index[row][found[row]]
        assert np.unique(held).size == held.size
        assert allowed[held].all()
        assert not np.isin(held, shut.indices[shut.indptr[row] : shut.indptr[row + 1]]).any()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([3, 70, 400]), st.integers(-1, 5), st.integers(1, 30))
def test_the_list_of_one_history_is_that_of_its_sources_one_by_one(
    seed: int, items: int, user: int, events: int
) -> None:
    random = np.random.default_rng(seed)
    operators = sources(random, items)
    space = FeatureSpace.over(operators)
    weight, slope = random.normal(size=(2, len(space.columns))).astype(np.float32)
    fused = FusedRanker(operators, replace(FusionWeights.prior(space), weight=weight, slope=slope))
    histories = Histories.of([random.integers(0, items, events).tolist()], items, [user])
    shut, allowed = Histories.of([random.integers(0, items, 4).tolist()], items).even(), random.random(items) < 0.9

    at_once = fused.fuse(histories, k=20, exclude=shut, allowed=allowed)
    with without("listed"):
        one_by_one = FusedRanker(operators, fused.weights).fuse(histories, k=20, exclude=shut, allowed=allowed)
    assert (at_once.item_index == one_by_one.item_index).all()
    assert (at_once.score == one_by_one.score).all()
    assert (at_once.contribution == one_by_one.contribution).all()


def test_what_compiled_loops_cannot_read_scores_by_itself() -> None:
    items, random = 50, np.random.default_rng(1)
    operators = sources(random, items)
    layout = Layout.of(operators, FeatureSpace.over(operators), items)
    assert layout is not None
    assert [type(operator) for operator, *_ in layout.others] == [PersonalOperator]
    turned = {"turned": DenseOperator(np.asfortranarray(random.standard_normal((items, items)).astype(np.float32)))}
    fused = FusedRanker(turned, FusionWeights.prior(FeatureSpace.over(turned)))
    histories = Histories.of([[3, 1, 4]], items)
    at_once = fused.fuse(histories, k=5, exclude=histories.even())
    with without("listed"):
        one_by_one = FusedRanker(turned, fused.weights).fuse(histories, k=5, exclude=histories.even())
    assert at_once.item_index.tolist() == one_by_one.item_index.tolist()


@pytest.mark.parametrize("rows", [1, 4])
def test_of_equal_items_the_first_are_listed(rows: int) -> None:
    items = 300
    operators: dict[str, Operator] = {"same": DenseOperator(np.ones((items, items), np.float32))}
    fused = FusedRanker(operators, FusionWeights.prior(FeatureSpace.over(operators)))
    for listed in both(lambda: fused.fuse(Histories.of([[0]] * rows, items), k=5).item_index):
        assert listed.tolist() == [[1, 2, 3, 4, 5]] * rows
