"""Operators that were grown by new items: all readings of a history at once, as :meth:`score` says one by one."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from api.engine.sources.folding import GrownEmbedding, ProxyOperator
from gnn.data.histories import Histories
from gnn.operators import DenseOperator, EmbeddingOperator, Operator, SparseOperator, add_scores, add_stacked
from gnn.operators.foldin import FoldedItems
from gnn.operators.weighed import Weighed

KNOWN, NEW = 30, 4
generator = np.random.default_rng(8)


def table(rows: int, columns: int) -> np.ndarray:
    return generator.random((rows, columns), dtype=np.float32)


def grown() -> dict[str, Operator]:
    sparse = SparseOperator(sp.csr_array(table(KNOWN, KNOWN) * (table(KNOWN, KNOWN) < 0.3)))
    proxies = sp.csr_array(np.eye(NEW, KNOWN, k=3, dtype=np.float32))
    proxies.data[1] = 0.0
    proxies.eliminate_zeros()  # of one new item nothing is known
    inner = EmbeddingOperator(table(KNOWN, 8), table(KNOWN, 8), table(3, 8), table(1, KNOWN)[0], 0.5)
    folded = FoldedItems(table(NEW, 8), table(NEW, 8))
    return {
        "proxied rows": ProxyOperator(sparse, proxies),
        "proxied table": ProxyOperator(DenseOperator(table(KNOWN, KNOWN)), proxies),
        "grown": GrownEmbedding(inner, folded, np.array([True, False, True, True])),
    }


@pytest.mark.parametrize("name", grown())
@pytest.mark.parametrize("contexts", [1, 3])
@pytest.mark.parametrize("newest", [KNOWN - 1, KNOWN + 2])
def test_all_readings_at_once_are_the_readings_one_by_one(name: str, contexts: int, newest: int) -> None:
    operator = grown()[name]
    histories = Histories.of([[3, 9, 3, newest], [17], []], KNOWN + NEW, [1, -1, 7])
    weighed = Weighed.of(histories, contexts)
    at_once = table(contexts * 3, KNOWN + NEW).reshape(contexts, 3, -1)
    one_by_one = at_once.copy()
    add_scores(operator, weighed, at_once, 0.5)
    add_stacked(operator, weighed, one_by_one, 0.5)
    np.testing.assert_allclose(at_once, one_by_one, rtol=1e-5, atol=1e-5)
