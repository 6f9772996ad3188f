"""A fused list made in one compiled call is the one that the features of its candidates lead to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnn import compiled
from gnn.fusion import FeatureSpace, FusedRanker, FusionWeights
from gnn.histories import Histories
from gnn.operators import ConstantOperator, DenseOperator, Operator
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
def by_features() -> Iterator[None]:
    """Without the one call; :mod:`tests.gnn.test_contexts` holds the others against numpy."""
    assert compiled.kernels("compiled_fused") is not None
    real = compiled.kernels
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            compiled, "kernels", lambda name="compiled_rows": None if name == "compiled_fused" else real(name)
        )
        yield


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([5, 70, 400]), st.booleans(), st.sampled_from([1, 3]))
def test_the_list_made_in_one_call_is_that_of_the_features(seed: int, items: int, tied: bool, rows: int) -> None:
    fused, random = ranker(seed, items, tied=tied), np.random.default_rng(seed)
    histories = Histories.of([random.integers(0, items, random.integers(1, 9)).tolist() for _ in range(rows)], items)
    shut = Histories.of([random.integers(0, items, 4).tolist() for _ in range(rows)], items).even()
    allowed = random.random(items) < 0.9

    fast = fused.fuse(histories, k=20, exclude=shut, allowed=allowed)
    with by_features():
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


@pytest.mark.parametrize("rows", [1, 4])
def test_of_equal_items_the_first_are_listed(rows: int) -> None:
    items = 300
    operators: dict[str, Operator] = {"same": DenseOperator(np.ones((items, items), np.float32))}
    fused = FusedRanker(operators, FusionWeights.prior(FeatureSpace.over(operators)))
    for listed in both(lambda: fused.fuse(Histories.of([[0]] * rows, items), k=5).item_index):
        assert listed.tolist() == [[1, 2, 3, 4, 5]] * rows
