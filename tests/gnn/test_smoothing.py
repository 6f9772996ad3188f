"""Fast smoothing is the slow one: the mean over layers and its gradient, row by row."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from gnn.compiled.sums import summed
from gnn.models import MODELS
from gnn.operators import OperatorRanker
from gnn.propagation import smoothing
from gnn.propagation.adjacency import scaled
from gnn.propagation.smoothing import Smoothing, can_smooth_fast

USERS, ITEMS, DIM = 50, 40, 7
CLOSE = {"rtol": 0.02, "atol": 0.01}
"""bfloat16 keeps three digits."""


@pytest.fixture(scope="module")
def matrix() -> sp.csr_array:
    dense = (np.random.default_rng(1).random((USERS, ITEMS)) < 0.3).astype(np.float32)
    dense[4] = 0
    dense[:, 9] = 0
    return sp.csr_array(dense)


def naive(matrix: sp.csr_array, user: torch.Tensor, item: torch.Tensor, layers: int):
    dense = torch.from_numpy(scaled(matrix, row_power=0.5, column_power=0.5).toarray())
    users, items = [user], [item]
    for _ in range(layers):
        users, items = [*users, dense @ items[-1]], [*items, dense.T @ users[-1]]
    return torch.stack(users).mean(0), torch.stack(items).mean(0)


@pytest.mark.parametrize("layers", [0, 1, 2, 3])
def test_rows_and_gradients_are_those_of_a_dense_product(layers, matrix) -> None:
    draw = torch.Generator().manual_seed(layers)
    user = torch.randn(USERS, DIM, generator=draw, requires_grad=True)
    item = torch.randn(ITEMS, DIM, generator=draw, requires_grad=True)
    users, items = torch.tensor([0, 4, 7, 30]), torch.tensor([1, 9, 22])
    fast = Smoothing(matrix, layers)(user, item, users, items)
    slow = naive(matrix, user, item, layers)
    expected = (slow[0][users], slow[1][items])
    for found, wanted in zip(fast, expected, strict=True):
        torch.testing.assert_close(found, wanted, **CLOSE)
    weight = [torch.randn(part.shape, generator=draw) for part in expected]
    of_fast = torch.autograd.grad(sum((a * b).sum() for a, b in zip(fast, weight, strict=True)), [user, item])
    of_slow = torch.autograd.grad(sum((a * b).sum() for a, b in zip(expected, weight, strict=True)), [user, item])
    for found, wanted in zip(of_fast, of_slow, strict=True):
        torch.testing.assert_close(found, wanted, **CLOSE)


@pytest.mark.parametrize("threads", [1, 2])
def test_marked_rows_are_summed_and_the_others_are_not_read(threads, matrix) -> None:
    values = torch.randn(ITEMS, DIM, generator=torch.Generator().manual_seed(3)).bfloat16()
    marked = np.arange(ITEMS) % 3 == 0
    values[torch.from_numpy(~marked)] = torch.nan
    found = summed(
        matrix.indptr.astype(np.int64),
        matrix.indices.astype(np.int32),
        values.view(torch.uint16).numpy(),
        scale=np.arange(USERS, dtype=np.float32),
        marked=marked,
        threads=threads,
    )
    clean = np.where(marked[:, None], values.float().numpy(), 0)
    np.testing.assert_allclose(found, (matrix @ clean) * np.arange(USERS)[:, None], rtol=1e-4, atol=1e-3)


def test_small_graphs_and_gpus_use_torch(matrix) -> None:
    assert not can_smooth_fast(matrix, torch.device("cpu"))
    assert not can_smooth_fast(matrix, torch.device("cuda"))


def test_lightgcn_on_kernels_learns_what_it_learns_without(checkerboard, monkeypatch) -> None:
    options = {"embedding_dim": 8, "epochs": 40, "threads": 1, "negatives": 20, "batch_users": 16}
    slow = MODELS["lightgcn"].build(**options).fit(checkerboard.data)
    monkeypatch.setattr(smoothing, "WORTH_COMPILING", 0)
    fast = MODELS["lightgcn"].build(**options).fit(checkerboard.data)
    assert fast.item_embedding.tobytes() != slow.item_embedding.tobytes(), "the kernels were used"
    histories = checkerboard.data.train.histories()
    for operator in (slow, fast):
        lists = OperatorRanker(operator).rank(histories, 3)
        assert (lists % 2 == np.arange(len(lists))[:, None] % 2).mean() > 0.95
