"""One training step of LightGCN at Gowalla's size, against PyG's own model on a cached CSR in the same process."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from gnn.data import Interactions
from gnn.propagation.adjacency import scaled
from gnn.propagation.smoothing import Smoothing
from gnn.training.losses import pair_loss

_USERS, _ITEMS, _EDGES, _BATCH, _DIM, _LAYERS = 29_858, 40_981, 810_128, 2048, 64, 3
_GOAL_MS = 60.0
_REPEATS = 9

Triple = tuple[Tensor, Tensor, Tensor]


def measure() -> list[dict[str, Any]]:
    """Rows of ``name, ours, peer, ratio, unit, goal, met``: milliseconds per step, loss, gradient and Adam included."""
    rng = np.random.default_rng(0)
    matrix = _skewed(rng)
    ours, peer = _ours(matrix), _peer(matrix)
    ours_ms: list[float] = []
    peer_ms: list[float] = []
    for _ in range(_REPEATS):
        at = rng.integers(0, matrix.nnz, _BATCH)
        chosen = sp.coo_array(matrix)
        triple = (
            torch.from_numpy(chosen.row[at].astype(np.int64)),
            torch.from_numpy(chosen.col[at].astype(np.int64)),
            torch.from_numpy(rng.integers(0, _ITEMS, _BATCH)),
        )
        for step, spent in ((ours, ours_ms), (peer, peer_ms)):
            started = time.perf_counter()
            step(triple)
            spent.append(1000 * (time.perf_counter() - started))
    found, other = median(ours_ms[1:]), median(peer_ms[1:])
    return [
        {
            "name": f"LightGCN step, {_EDGES:,} edges, batch {_BATCH:,}, d {_DIM}, {_LAYERS} layers; peer: PyG on CSR",
            "ours": found,
            "peer": other,
            "ratio": other / found,
            "unit": "ms",
            "goal": f"≤ {_GOAL_MS:g}",
            "met": found <= _GOAL_MS,
        }
    ]


def _skewed(rng: np.random.Generator) -> sp.csr_array:
    """Users and items as popular as in Gowalla: a few with thousands of interactions, most with a few."""
    users = rng.choice(_USERS, 2 * _EDGES, p=_share(_USERS, 0.6))
    items = rng.choice(_ITEMS, 2 * _EDGES, p=_share(_ITEMS, 0.6))
    pairs = rng.permutation(np.unique(users.astype(np.int64) * _ITEMS + items))[:_EDGES]
    return Interactions.of(pairs // _ITEMS, pairs % _ITEMS, num_users=_USERS, num_items=_ITEMS).matrix()


def _share(size: int, power: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    share = 1.0 / np.arange(1, size + 1) ** power
    return share / share.sum()


def _ours(matrix: sp.csr_array) -> Callable[[Triple], None]:
    generator = torch.Generator().manual_seed(0)
    user = nn.Parameter(0.1 * torch.randn(_USERS, _DIM, generator=generator))
    item = nn.Parameter(0.1 * torch.randn(_ITEMS, _DIM, generator=generator))
    smoothing = Smoothing(matrix, _LAYERS)
    optimizer = torch.optim.Adam([user, item], lr=0.001, fused=True)

    def step(triple: Triple) -> None:
        users, of_user = torch.unique(triple[0], return_inverse=True)
        items, of_item = torch.unique(torch.cat(triple[1:]), return_inverse=True)
        rows, columns = smoothing(user, item, users, items)
        loss = pair_loss(rows, columns, of_user, of_item[:_BATCH], of_item[_BATCH:])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return step


def _peer(matrix: sp.csr_array) -> Callable[[Triple], None]:
    """PyG's LightGCN with a symmetric, normalised CSR adjacency, which is its fastest form on a CPU."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch_geometric.nn.models import LightGCN

        normal = scaled(matrix, row_power=0.5, column_power=0.5)
        whole = sp.csr_array(sp.block_array([[None, normal], [normal.T, None]]))
        adjacency = torch.sparse_csr_tensor(
            torch.from_numpy(whole.indptr.astype(np.int64)),
            torch.from_numpy(whole.indices.astype(np.int64)),
            torch.from_numpy(whole.data.astype(np.float32)),
            size=whole.shape,
        )
    model = LightGCN(_USERS + _ITEMS, _DIM, _LAYERS, normalize=False)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)

    def step(triple: Triple) -> None:
        users, chosen, others = triple
        embedding = model.get_embedding(adjacency)
        of_user = embedding[users]
        margin = (of_user * (embedding[_USERS + chosen] - embedding[_USERS + others])).sum(1)
        loss = nn.functional.softplus(-margin).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return step
