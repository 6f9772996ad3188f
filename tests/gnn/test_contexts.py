"""All readings at once, and where items stand in them: compiled against numpy, and both against one by one."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from gnn.data.histories import Histories, ItemSets
from gnn.fusion.standing import Barred, stand, united, views, views_of
from gnn.operators import (
    ConstantOperator,
    DenseOperator,
    EmbeddingOperator,
    FactorOperator,
    Operator,
    SparseOperator,
    SumOperator,
    add_scores,
    contexts,
)
from gnn.operators.tables import as_released
from gnn.operators.weighed import CONTEXTS, Weighed
from tests.gnn.test_compiled import both

ITEMS, USERS = 40, 6
HISTORIES = st.lists(st.lists(st.integers(0, ITEMS - 1), max_size=12), min_size=1, max_size=5)


def operators(seed: int) -> dict[str, Operator]:
    random = np.random.default_rng(seed)

    def table(*shape: int) -> np.ndarray:
        return random.normal(size=shape).astype(np.float32)

    def sparse(rows: int, columns: int) -> sp.csr_array:
        return sp.csr_array(sp.random_array((rows, columns), density=0.2, rng=random, dtype=np.float32))

    embedding = EmbeddingOperator(table(ITEMS, 7), table(ITEMS, 7), table(USERS, 7), table(ITEMS), 0.6)
    return {
        "sparse": SparseOperator(sparse(ITEMS, ITEMS)),
        "factor": FactorOperator(sparse(ITEMS, 9), sparse(9, ITEMS)),
        "dense": DenseOperator(table(ITEMS, ITEMS)),
        "embedding": embedding,
        "columns": EmbeddingOperator(np.asfortranarray(table(ITEMS, 5)), np.asfortranarray(table(ITEMS, 5))),
        "constant": ConstantOperator(table(ITEMS)),
        "sum": SumOperator((SparseOperator(sparse(ITEMS, ITEMS)), embedding), (0.7, -0.4)),
        "half": as_released(embedding),
        "half_dense": as_released(DenseOperator(table(ITEMS, ITEMS))),
    }


def one_by_one(operator: Operator, histories: Histories, count: int) -> np.ndarray:
    """The scores of each reading asked for alone; only in the first a user is who he is."""
    weights = (histories.even(), histories.recent(), histories.last())[:count]
    return np.stack([operator.score(w, None if n else histories.user_index) for n, w in enumerate(weights)])


@settings(max_examples=40, deadline=None)
@given(HISTORIES, st.integers(0, 2**31), st.sampled_from([1, CONTEXTS]))
def test_all_readings_at_once_are_the_readings_one_by_one(rows: list[list[int]], seed: int, count: int) -> None:
    histories = Histories.of(rows, ITEMS, [(seed + at) % (USERS + 2) - 1 for at in range(len(rows))])
    for name, operator in operators(seed).items():

        def scored(operator: Operator = operator) -> np.ndarray:
            out = np.ones((count, len(rows), ITEMS), np.float32)
            add_scores(operator, Weighed.of(histories, count), out, 2.0)
            return (out - 1.0) / 2.0

        expected = one_by_one(operator, histories, count)
        for found in both(scored):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("rows", [2, 9, 20])
def test_a_history_without_one_of_its_items_in_turn_is_read_once(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(rows)
    whole = random.integers(0, ITEMS, 60).tolist()
    histories = Histories.of([whole, *([i for i in whole if i != whole[at]] for at in range(rows - 1))], ITEMS)
    weighed = Weighed.of(histories)
    shared = contexts._shared(weighed, ITEMS)
    assert shared is not None, "the histories are about one"
    assert shared[0].size == len(set(whole))
    operator = operators(rows)["sparse"]
    out = np.zeros((CONTEXTS, rows, ITEMS), np.float32)
    add_scores(operator, weighed, out)
    np.testing.assert_allclose(out, one_by_one(operator, histories, CONTEXTS), rtol=1e-4, atol=1e-5)
    monkeypatch.setattr(contexts, "SHARED_BYTES", 0)
    assert contexts._shared(weighed, ITEMS) is None


@pytest.mark.parametrize("precision", [np.float32, np.float16])
@pytest.mark.parametrize("vectors", [1, 2, 3, 4, 7, 60])
@pytest.mark.parametrize("rows", [1, 64, 131])
def test_products_of_few_vectors_and_of_many_are_the_same(
    vectors: int, rows: int, precision: type[np.floating], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contexts, "WIDE_ROWS", 50)
    random = np.random.default_rng(vectors)
    table = random.normal(size=(rows, 19)).astype(precision)
    asked = random.normal(size=(vectors, 19)).astype(np.float32)

    def product() -> np.ndarray:
        out = np.ones((vectors, rows), np.float32)
        contexts.add_products(table, asked, 0.5, out)
        return out

    for found in both(product):
        np.testing.assert_allclose(found, 1.0 + 0.5 * (asked @ table.T.astype(np.float32)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("width", [64, 384])
def test_vectors_that_are_alike_are_multiplied_once(width: int) -> None:
    random = np.random.default_rng(width)
    table = random.normal(size=(301, width)).astype(np.float32)
    asked = random.normal(size=(5, width)).astype(np.float32)[[0, 1, 1, 2, 0, 3, 4, 4]]
    distinct, of_vector = contexts._distinct(asked)
    assert len(distinct) == 5
    assert (distinct[of_vector] == asked).all()

    def product() -> np.ndarray:
        out = np.ones((len(asked), len(table)), np.float32)
        contexts.add_products(table, asked, 2.0, out)
        return out

    for found in both(product):
        np.testing.assert_allclose(found, 1.0 + 2.0 * (asked @ table.T), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("contexts_read", [1, CONTEXTS])
def test_many_more_attributes_than_a_history_has(contexts_read: int) -> None:
    random = np.random.default_rng(3)
    rows = [random.integers(0, ITEMS, size).tolist() for size in (30, 0, 3)]
    joined = sp.csr_array(sp.random_array((ITEMS, 40_000), density=0.002, rng=random, dtype=np.float32))
    common = sp.csr_array(sp.random_array((ITEMS, 3), density=0.8, rng=random, dtype=np.float32))
    left = sp.csr_array(sp.hstack([joined, common], format="csr"))
    operator = FactorOperator(left, sp.csr_array(left.T.tocsr()))
    histories = Histories.of(rows, ITEMS)

    def scored() -> np.ndarray:
        out = np.zeros((contexts_read, len(rows), ITEMS), np.float32)
        add_scores(operator, Weighed.of(histories, contexts_read), out)
        return out

    expected = one_by_one(operator, histories, contexts_read)
    for found in both(scored):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def barred_rows(random: np.random.Generator, rows: int, width: int) -> tuple[Barred, np.ndarray]:
    mask = random.random((rows, width)) < 0.2
    shut = np.flatnonzero(random.random(width) < 0.1)
    indptr = np.append(0, np.cumsum(mask.sum(axis=1))).astype(np.int32)
    barred = Barred(indptr, np.nonzero(mask)[1].astype(np.int32), shut)
    mask[:, shut] = True
    assert (barred.mask(width) == mask).all()
    return barred, mask


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.integers(3, 300), st.booleans())
def test_where_items_stand_is_the_same_and_as_defined(seed: int, width: int, tied: bool) -> None:
    random = np.random.default_rng(seed)
    scores = random.normal(0, 3, (3, 2, width)).astype(np.float32)
    scores = np.round(scores) if tied else scores
    scores[1, 1] = 4.0  # a reading that does not tell items apart
    barred, never = barred_rows(random, 2, width)

    def pooled() -> list[np.ndarray]:
        z = scores.copy()
        total, tops = stand(z, barred, 5, 20)
        proposed = tops.item_index.transpose(1, 0, 2).reshape(2, -1)
        pool = united([proposed, proposed[:, :2]], width)
        given = np.array([[width - 1, -1, 0], [1, 1, 2]], np.int32)
        return [total, tops.score, proposed, pool, views(z, pool, tops), views_of(scores.copy(), barred, given, 20)]

    fast, plain = both(pooled)
    for left, right in zip(fast, plain, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-3, atol=1e-4)
    z = (scores - scores.mean(axis=2, keepdims=True)) / np.maximum(scores.std(axis=2, keepdims=True), 1e-12)
    total, _, _, pool, features, of_given = fast
    assert (np.isneginf(total) == never).all()
    np.testing.assert_allclose(total[~never], np.clip(z, -3, 10).sum(axis=0)[~never], rtol=1e-3, atol=1e-3)
    for row in range(2):
        held = pool[row][pool[row] >= 0]
        assert (np.diff(held) > 0).all()
        assert not never[row, held].any()
        np.testing.assert_allclose(features[row, : held.size, 0::3], z[:, row, held].T.clip(-5, 20), atol=1e-3)
        if tied:
            continue
        others = z[:, row, ~never[row]]
        for values, item in ((of_given[row, 2], 2 if row else 0), *zip(features[row], held[:3], strict=False)):
            rank = (others > z[:, row, item, None]).sum(axis=1)
            expected = np.where((rank < 20) & (z[:, row, item] > 0), 10 / (rank + 10), 0)
            np.testing.assert_allclose(values[2::3], expected, atol=1e-5)


def test_rows_of_items_can_be_taken_in_any_order() -> None:
    rows = ItemSets(np.array([0, 2, 2, 5], np.int32), np.array([4, 5, 1, 2, 3], np.int32))
    taken = ItemSets.of(rows, np.array([2, 0, 1]))
    assert taken.indptr.tolist() == [0, 3, 5, 5]
    assert taken.indices.tolist() == [1, 2, 3, 4, 5]
