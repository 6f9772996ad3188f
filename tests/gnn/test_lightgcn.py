"""LightGCN: the served scores are the paper's, propagation is what a naive loop says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from gnn.data.histories import Histories
from gnn.evaluation import evaluate
from gnn.models import MODELS, lightgcn
from gnn.models.warm_start import spectral_start
from gnn.operators import OperatorRanker
from gnn.propagation.adjacency import Adjacency, scaled
from gnn.training.losses import history_softmax_loss, pair_loss, sampled_softmax_loss, softmax_loss

OPTIONS = {"embedding_dim": 8, "epochs": 20, "threads": 1}


def random_matrix(seed: int, shape: tuple[int, int] = (9, 7)) -> sp.csr_array:
    dense = (np.random.default_rng(seed).random(shape) < 0.4).astype(np.float32)
    dense[3] = 0
    dense[:, 2] = 0
    return sp.csr_array(dense)


def naive_lightgcn(matrix: np.ndarray, user: np.ndarray, item: np.ndarray, layers: int):
    """The paper's equations with loops."""
    users, items = [user], [item]
    for _ in range(layers):
        next_user, next_item = np.zeros_like(user), np.zeros_like(item)
        for u, i in zip(*matrix.nonzero(), strict=True):
            norm = 1 / np.sqrt(matrix[u].sum() * matrix[:, i].sum())
            next_user[u] += norm * items[-1][i]
            next_item[i] += norm * users[-1][u]
        users.append(next_user)
        items.append(next_item)
    return np.mean(users, axis=0), np.mean(items, axis=0)


@pytest.mark.parametrize(("loss", "norm_power"), [("softmax", 0.0), ("softmax", 0.25), ("bpr", 0.0)])
@pytest.mark.parametrize("layers", [1, 3])
def test_scores_of_training_users_are_the_models_own(loss, norm_power, layers, checkerboard) -> None:
    model = MODELS["lightgcn"].build(**OPTIONS, loss=loss, norm_power=norm_power, layers=layers)
    operator = model.fit(checkerboard.data)
    matrix = checkerboard.data.train.matrix()
    user = operator.user_residual * (layers + 1)
    item = trained_items(model, checkerboard.data)
    expected_user, expected_item = naive_lightgcn(matrix.toarray(), user, item, layers)
    if loss == "softmax":
        length = np.linalg.norm(expected_item, axis=1, keepdims=True)
        expected_item *= length**norm_power / np.maximum(length, 1e-12)
    histories = checkerboard.data.train.histories()
    np.testing.assert_allclose(
        operator.score(histories.even(), histories.user_index), expected_user @ expected_item.T, rtol=1e-4, atol=1e-5
    )


def trained_items(model, data) -> np.ndarray:
    """The table of item embeddings after training, by training again with the same seed."""
    from gnn.models.lightgcn import LightGCNObjective
    from gnn.training import TrainingRun
    from gnn.training.trainer import train

    objective = LightGCNObjective(model.config, data)
    train("LightGCN", objective, model.config, data, TrainingRun())
    return objective.module["item"].detach().numpy()


def test_an_event_moves_a_known_user_towards_its_colour(checkerboard) -> None:
    operator = MODELS["lightgcn"].build(**OPTIONS).fit(checkerboard.data)
    before = operator.score(Histories.of([[0, 2]], 26, [0]).even(), np.array([0], np.int32))
    after = operator.score(Histories.of([[0, 2, 5, 7]], 26, [0]).even(), np.array([0], np.int32))
    assert (after - before)[0, 9:24:2].mean() > (after - before)[0, 8:24:2].mean()


@pytest.mark.parametrize(
    "options", [{"negatives": 16}, {"warm_start": False, "epochs": 120, "layers": 2}, {"loss": "bpr", "epochs": 60}]
)
def test_every_loss_and_start_learns_the_checkerboard(options, checkerboard) -> None:
    operator = (
        MODELS["lightgcn"].build(**{**OPTIONS, "epochs": 40, "batch_users": 16, **options}).fit(checkerboard.data)
    )
    lists = OperatorRanker(operator).rank(checkerboard.data.train.histories(), 3)
    assert (lists % 2 == np.arange(len(lists))[:, None] % 2).mean() > 0.9


def test_many_items_are_compared_by_sample_unless_options_say_otherwise(checkerboard, monkeypatch) -> None:
    small = MODELS["lightgcn"].build(**OPTIONS)
    small.fit(checkerboard.data)
    assert small.config.negatives is None
    monkeypatch.setattr(lightgcn, "MANY_ITEMS", checkerboard.data.train.num_items - 1)
    large = MODELS["lightgcn"].build(**OPTIONS, temperature=0.3)
    large.fit(checkerboard.data)
    assert (large.config.negatives, large.config.temperature, large.config.epochs) == (2048, 0.3, 20)
    assert large.record.config["negatives"] == 2048, "the record says what was done"


def test_training_does_not_look_at_knowledge(checkerboard) -> None:
    data = checkerboard.data
    with_knowledge = MODELS["lightgcn"].build(**OPTIONS).fit(data).arrays()
    without = MODELS["lightgcn"].build(**OPTIONS).fit(replace(data, knowledge=type(data.knowledge)())).arrays()
    np.testing.assert_array_equal(with_knowledge["fold_in"], without["fold_in"])


@pytest.mark.parametrize("seed", range(4))
def test_propagation_and_its_gradient_are_those_of_a_dense_product(seed) -> None:
    matrix = random_matrix(seed)
    features = torch.randn(7, 3, generator=torch.Generator().manual_seed(seed), requires_grad=True)
    for adjacency, rows, columns in (
        (Adjacency.mean(matrix), 1.0, 0.0),
        (Adjacency.symmetric(matrix), 0.5, 0.5),
    ):
        dense = torch.from_numpy(scaled(matrix, row_power=rows, column_power=columns).toarray())
        weight = torch.randn(9, 3, generator=torch.Generator().manual_seed(1))
        (fast,) = torch.autograd.grad(((adjacency @ features) * weight).sum(), features)
        (slow,) = torch.autograd.grad(((dense @ features) * weight).sum(), features)
        torch.testing.assert_close(adjacency @ features, dense @ features)
        torch.testing.assert_close(fast, slow)
        torch.testing.assert_close(adjacency.transposed @ weight, dense.T @ weight)


def test_rows_without_edges_receive_nothing() -> None:
    received = Adjacency.mean(random_matrix(0)) @ torch.ones(7, 2)
    torch.testing.assert_close(received[3], torch.zeros(2))
    others = received[[row for row in range(9) if row != 3]]
    torch.testing.assert_close(others, torch.ones_like(others))


def test_the_warm_start_multiplies_to_the_truncated_spectrum() -> None:
    matrix = sp.csr_array((np.random.default_rng(5).random((40, 30)) < 0.2).astype(np.float32))
    users, items = spectral_start(matrix, 6, scale=2.0, seed=0)
    left, values, right = np.linalg.svd(scaled(matrix, row_power=0.5, column_power=0.5).toarray())
    expected = 4.0 * (left[:, :6] * values[:6]) @ right[:6]
    np.testing.assert_allclose(users @ items.T, expected, atol=5e-2)


def test_a_warm_start_wider_than_the_matrix_still_fills_every_direction() -> None:
    users, items = spectral_start(random_matrix(1), 32, scale=1.0, seed=0)
    assert users.shape == (9, 32)
    assert items.shape == (7, 32)
    assert np.isfinite(users).all()
    assert not users[3].any()
    assert not items[2].any()


def test_losses_are_those_of_their_formulas() -> None:
    generator = torch.Generator().manual_seed(0)
    user, item = torch.randn(4, 5, generator=generator), torch.randn(6, 5, generator=generator)
    rows, columns = torch.tensor([0, 0, 1, 3]), torch.tensor([1, 5, 2, 2])
    cosine = torch.nn.functional.cosine_similarity(user[:, None], item[None], dim=2) / 0.2
    expected = torch.nn.functional.cross_entropy(cosine[rows], columns)
    torch.testing.assert_close(softmax_loss(user, item, rows, columns, 0.2), expected)
    other = torch.tensor([0, 3, 4, 1])
    margin = [float(user[r] @ item[c] - user[r] @ item[o]) for r, c, o in zip(rows, columns, other, strict=True)]
    assert float(pair_loss(user, item, rows, columns, other)) == pytest.approx(
        np.mean(np.log1p(np.exp(-np.array(margin))))
    )
    given = torch.tensor([1]), torch.tensor([0])
    masked = cosine.clone()
    masked[1, 0] = -torch.inf
    found = history_softmax_loss(
        user, item, target=(rows, columns), given=given, negatives=None, num_items=6, temperature=0.2
    )
    torch.testing.assert_close(found, torch.nn.functional.cross_entropy(masked[rows], columns))


def test_a_large_sample_estimates_the_whole_softmax() -> None:
    generator = torch.Generator().manual_seed(0)
    user, item = torch.randn(4, 5, generator=generator), torch.randn(300, 5, generator=generator)
    rows, columns = torch.tensor([0, 1, 2, 3]), torch.tensor([1, 5, 2, 7])
    sample = torch.randint(0, 300, (40_000,), generator=generator)
    whole = softmax_loss(user, item, rows, columns, 0.5)
    sampled = sampled_softmax_loss(user, item, rows, columns, sample, 300, 0.5)
    assert float(sampled) == pytest.approx(float(whole), rel=0.02)


@pytest.mark.real_data
@pytest.mark.slow
def test_movielens_reaches_the_published_figures(movielens_ratings) -> None:
    from gnn.data import Interactions, TrainingData
    from gnn.splits import random_per_user

    ratings = np.loadtxt(movielens_ratings, skiprows=1).astype(np.int64)
    liked = ratings[ratings[:, 2] >= 4]
    interactions = Interactions.of(
        liked[:, 0] - 1, liked[:, 1] - 1, num_users=943, num_items=1682, timestamp_s=liked[:, 3]
    )
    split = random_per_user(interactions, seed=42)
    model = MODELS["lightgcn"].build(epochs=120)
    operator = model.fit(TrainingData(split.refit))
    found = evaluate(OperatorRanker(operator), split.refit, split.test, metrics=("recall@20", "ndcg@20"), slices=())
    assert found.metrics["recall@20"] >= 0.360
    assert found.metrics["ndcg@20"] >= 0.316
