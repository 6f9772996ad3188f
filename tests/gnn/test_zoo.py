"""What is special about the models of the zoo, and which of them are fitted by default."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from gnn.data import ItemKnowledge
from gnn.models import DEFAULT_MODELS, MODELS
from gnn.models.attention import attended, row_softmax
from gnn.models.xsimgcl import agreement_loss
from gnn.operators import OperatorRanker
from gnn.propagation.adjacency import Adjacency
from gnn.training.losses import constrained_loss, contrastive_loss
from graph.errors import InputError

SMALL = {"embedding_dim": 8, "threads": 1}


def test_the_zoo_is_fitted_on_request_only() -> None:
    assert set(DEFAULT_MODELS) < set(MODELS)
    assert "lightgcn" in DEFAULT_MODELS
    assert not {"gat", "rgcn", "kgin", "xsimgcl", "bandfilter"} & set(DEFAULT_MODELS)


def test_attention_and_its_gradients_are_those_of_dense_softmax() -> None:
    draw = torch.Generator().manual_seed(0)
    mask = torch.rand(6, 5, generator=draw) < 0.5
    mask[2] = False
    adjacency = Adjacency(sp.csr_array(mask.numpy().astype(np.float32)))
    features = torch.randn(5, 3, generator=draw, requires_grad=True)
    dense = torch.randn(6, 5, generator=draw, requires_grad=True)
    edges = dense[adjacency.edge_targets, adjacency.edge_sources]
    weights = torch.where(mask.any(1, keepdim=True), torch.softmax(dense.masked_fill(~mask, -1e9), 1), 0.0) * mask
    torch.testing.assert_close(row_softmax(adjacency, edges), weights[mask])
    found, expected = attended(adjacency, edges, features), weights @ features
    torch.testing.assert_close(found, expected)
    at = torch.randn(6, 3, generator=draw)
    fast = torch.autograd.grad((found * at).sum(), [dense, features])
    slow = torch.autograd.grad((expected * at).sum(), [dense, features])
    for one, other in zip(fast, slow, strict=True):
        torch.testing.assert_close(one, other)


def test_attention_refuses_a_graph_it_cannot_hold(checkerboard) -> None:
    with pytest.raises(InputError, match="GAT would attend along"):
        MODELS["gat"].build(**SMALL, max_edges=10).fit(checkerboard.data)


@pytest.mark.parametrize("name", ["gat", "rgcn", "kgin"])
def test_what_reads_the_graph_changes_with_it(name, checkerboard) -> None:
    bare = replace(checkerboard.data, knowledge=ItemKnowledge())
    with_graph, without = (
        MODELS[name].build(**SMALL, epochs=3).fit(data).arrays() for data in (checkerboard.data, bare)
    )
    assert with_graph["item_embedding"].tobytes() != without["item_embedding"].tobytes()


def test_contrast_needs_no_part_of_a_user_beside_the_history(checkerboard) -> None:
    operator = MODELS["xsimgcl"].build(**SMALL, epochs=3).fit(checkerboard.data)
    histories = checkerboard.data.train.histories().even()
    known = operator.score(histories, np.arange(histories.shape[0], dtype=np.int32))
    np.testing.assert_array_equal(known, operator.score(histories, None))


def test_agreement_is_best_when_every_row_finds_its_counterpart() -> None:
    rows = torch.eye(5)
    assert agreement_loss(rows, rows, 0.1) < 0.01
    assert agreement_loss(rows, rows.roll(1, 0), 0.1) > 5


@pytest.mark.parametrize(("loss", "layers"), [("simplex", 0), ("simplex", 2), ("ultragcn", 0), ("ultragcn", 2)])
def test_a_loss_is_an_option_and_learns(loss, layers, checkerboard) -> None:
    options = {"epochs": 30, "negative_weight": 3.0, "negatives": 20, "margin": 0.3, "batch_users": 16}
    operator = MODELS["lightgcn"].build(**SMALL, loss=loss, layers=layers, **options).fit(checkerboard.data)
    histories = checkerboard.data.train.histories()
    scores = operator.score(histories.even(), histories.user_index)
    warm = scores[:, :24]
    even, odd = warm[:, 0::2].mean(axis=1), warm[:, 1::2].mean(axis=1)
    own = np.where(np.arange(len(histories)) % 2 == 0, even - odd, odd - even)
    assert (own > 0).mean() > 0.95
    assert OperatorRanker(operator).rank(histories, 3).shape == (60, 3)


def test_losses_are_those_of_naive_loops() -> None:
    draw = torch.Generator().manual_seed(1)
    user, item = torch.randn(3, 4, generator=draw), torch.randn(6, 4, generator=draw)
    rows, columns, others = torch.tensor([0, 0, 2]), torch.tensor([1, 2, 5]), torch.tensor([0, 3, 3, 4])
    of_user, of_item = torch.tensor([2.0, 1.0, 1.0]), torch.tensor([1.0, 3.0, 1.0, 2.0, 5.0, 1.0])
    cosine = torch.nn.functional.cosine_similarity
    simplex, ultra = 0.0, 0.0
    for u, i in zip(rows.tolist(), columns.tolist(), strict=True):
        pushed = sum(max(0.0, float(cosine(user[u], item[j], 0)) - 0.2) for j in others.tolist()) / 4
        simplex += 1 - float(cosine(user[u], item[i], 0)) + 5.0 * pushed

        def weight(j: int, u: int = u) -> float:
            return 1e-6 + float(torch.sqrt(of_user[u] + 1) / of_user[u] / torch.sqrt(of_item[j] + 1))

        ultra += weight(i) * float(torch.nn.functional.softplus(-user[u] @ item[i]))
        ultra += (
            5.0 * sum(weight(j) * float(torch.nn.functional.softplus(user[u] @ item[j])) for j in others.tolist()) / 4
        )
    found = contrastive_loss(user, item, rows, columns, others, 0.2, 5.0)
    assert float(found) == pytest.approx(simplex / 3, rel=1e-4)
    found = constrained_loss(user, item, rows, columns, others, (of_user, of_item), 5.0)
    assert float(found) == pytest.approx(ultra / 3, rel=1e-4)
