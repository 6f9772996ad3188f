"""The compiled list of what is alike one item against the plain way there; orders against a sort."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

import gnn.operators.alike as alike_module
from api.engine.contributions import Contributions, SourceScores
from api.engine.related.similar import Alike, rows_alike, similar_scores
from gnn import compiled
from gnn.operators import ConstantOperator, DenseOperator, EmbeddingOperator, Operator, SparseOperator
from gnn.operators.alike import ItemRows

NUM_ITEMS = 150
FAMILIES = {"als": "embedding", "deep": "gnn"}

needs_loops = pytest.mark.skipif(compiled.kernels("alike") is None, reason="numba is not installed")


def operators(rng: np.random.Generator) -> dict[str, Operator]:
    square = (NUM_ITEMS, NUM_ITEMS)
    sparse = sp.random_array(square, density=0.2, rng=rng, format="csr", dtype=np.float32)
    narrow = sp.csr_array((sparse.data, sparse.indices.astype(np.int32), sparse.indptr.astype(np.int32)), shape=square)
    table = rng.normal(size=(NUM_ITEMS, 8)).astype(np.float32)
    return {
        "text": DenseOperator(rng.normal(size=square).astype(np.float16)),
        "popularity": ConstantOperator(rng.random(NUM_ITEMS).astype(np.float32)),
        "itemknn": SparseOperator(narrow),
        "rp3beta": SparseOperator(sp.csr_array(narrow.T.tocsr())),
        "als": EmbeddingOperator(table, table, alone=(table @ table.T).astype(np.float16)),
        "ease": DenseOperator(rng.normal(size=square).astype(np.float32)),
    }


@needs_loops
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("at_most", [0, 65_536])
def test_the_compiled_list_is_the_plain_one_to_the_last_bit(
    seed: int, at_most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alike_module, "SHORT_NUMBERS", at_most)
    rng = np.random.default_rng(seed)
    given = operators(rng)
    found = rows_alike(given, FAMILIES, NUM_ITEMS)
    assert found is not None
    for item in range(NUM_ITEMS):
        shut = rng.random(NUM_ITEMS) < 0.3
        shut[item] = True
        factor = None if item % 2 else rng.random(NUM_ITEMS).astype(np.float32)
        k = int(rng.integers(0, 2 * NUM_ITEMS))
        compiled_way = Alike(*found, item).best(shut, k, factor)
        plain_way = similar_scores(given, FAMILIES, item, NUM_ITEMS).best(shut, k, factor)
        np.testing.assert_array_equal(compiled_way[0], plain_way[0])
        np.testing.assert_array_equal(compiled_way[1], plain_way[1])
        assert compiled_way[2].names == plain_way[2].names
        np.testing.assert_array_equal(compiled_way[2].value, plain_way[2].value)


@needs_loops
def test_sources_without_a_row_an_item_are_left_to_the_plain_way() -> None:
    given = operators(np.random.default_rng(0))
    embeddings = given["als"]
    assert isinstance(embeddings, EmbeddingOperator)
    bare = EmbeddingOperator(embeddings.item_embedding, embeddings.fold_in)
    weights = np.ones(1, np.float32)
    assert ItemRows.of([embeddings], weights, NUM_ITEMS) is not None
    assert ItemRows.of([bare], weights, NUM_ITEMS) is None
    assert ItemRows.of([embeddings], weights, NUM_ITEMS + 1) is None
    assert rows_alike(given | {"als": bare}, FAMILIES, NUM_ITEMS) is None


@pytest.mark.parametrize("sources", [1, 5, 15, 16])
def test_the_strongest_sources_come_first_and_ties_by_name(sources: int) -> None:
    rng = np.random.default_rng(sources)
    names = tuple(f"s{number}" for number in rng.permutation(sources).tolist())
    value = rng.integers(-2, 4, size=(60, sources)).astype(np.float32)
    value[value == 0] = np.nan
    told = Contributions(names, value)
    expected = [
        tuple(name for part, name in sorted((-part, name) for name, part in told[at].items())) for at in range(60)
    ]
    assert told.strongest() == expected
    assert told.strongest() == expected  # from what is kept
    assert Contributions((), np.empty((3, 0), np.float32)).strongest() == [(), (), ()]


def test_scores_of_sources_give_their_best_with_what_speaks_for_them() -> None:
    value = np.array([[1, 2, 0, 5], [1, -1, 0, 1]], np.float32)
    found, total, spoken = SourceScores(("a", "b"), value).best(np.array([False, False, False, True]), 3, None)
    assert found.tolist() == [0, 1]
    assert total.tolist() == [2, 1]
    assert [spoken[0], spoken[1]] == [{"a": 1, "b": 1}, {"a": 2}]
