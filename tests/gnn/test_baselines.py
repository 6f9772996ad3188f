"""Each baseline against the formula of its paper, written out in loops or dense algebra."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from gnn.baselines.als import ALS, least_squares
from gnn.baselines.attributes import AttributeWalk
from gnn.baselines.bpr import BPR
from gnn.baselines.ease import EASE
from gnn.baselines.folding import folded
from gnn.baselines.gfcf import GraphFilter
from gnn.baselines.itemknn import ItemKNN
from gnn.baselines.neighbors import row_strongest, strongest
from gnn.baselines.next_item import NextItem
from gnn.baselines.popularity import Popularity
from gnn.baselines.previous_item import PreviousItem
from gnn.baselines.recent_popularity import RecentPopularity
from gnn.baselines.relations import RelationWalk
from gnn.baselines.rp3beta import RP3Beta
from gnn.baselines.spectral import item_spectrum, normalised
from gnn.baselines.text import TextNeighbors
from gnn.data import Interactions, ItemKnowledge, TrainingData
from gnn.operators import ConstantOperator
from graph.errors import InputError


def random_data(seed: int = 1, num_users: int = 40, num_items: int = 25) -> TrainingData:
    rng = np.random.default_rng(seed)
    user, item = np.nonzero(rng.random((num_users, num_items - 1)) < 0.15)
    order = rng.permutation(user.size)
    return TrainingData(Interactions.of(user[order], item[order], num_users=num_users, num_items=num_items))


def dense_operator(operator) -> np.ndarray:
    """What each single-item history scores: the item → item matrix behind an operator."""
    num_items = operator.score(sp.csr_array((1, _items(operator)), dtype=np.float32)).shape[1]
    return operator.score(sp.csr_array(np.eye(num_items, dtype=np.float32)))


def _items(operator) -> int:
    arrays = operator.arrays()
    for key in ("item_item", "item_score", "item_embedding", "1_embedding_item_embedding"):
        if key in arrays:
            return arrays[key].shape[0]
    return arrays["indptr" if "indptr" in arrays else "left_indptr"].size - 1


def test_popularity_is_the_share_of_users() -> None:
    data = random_data()
    scores = Popularity(Popularity.Config()).fit(data).arrays()["item_score"]
    np.testing.assert_allclose(scores, data.train.matrix().toarray().mean(axis=0), rtol=1e-6)


def test_itemknn_keeps_the_nearest_neighbours_of_every_scored_item() -> None:
    data = random_data()
    chosen = data.train.matrix().toarray()
    together = chosen.T @ chosen
    count = chosen.sum(axis=0)
    expected = np.zeros_like(together)
    for target in range(len(count)):
        similarity = together[target] / (np.sqrt(count[target] * count) + 2.0)
        similarity[target] = 0
        for neighbor in sorted(range(len(count)), key=lambda j: (-similarity[j], j))[:4]:
            expected[neighbor, target] = similarity[neighbor]
    got = dense_operator(ItemKNN(ItemKNN.Config(neighbors=4, shrink=2.0)).fit(data))
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-7)


def test_rp3beta_is_the_damped_walk() -> None:
    data = random_data()
    chosen = data.train.matrix().toarray().astype(np.float64)
    of_user, of_item = chosen.sum(axis=1), np.maximum(chosen.sum(axis=0), 1e-9)
    num_items = of_item.size
    expected = np.zeros((num_items, num_items))
    for start in range(num_items):
        for end in range(num_items):
            if start != end:
                for user in np.flatnonzero(chosen[:, start] * chosen[:, end]):
                    expected[start, end] += (1 / of_item[start]) ** 0.7 * (1 / of_user[user]) ** 0.7
                expected[start, end] /= of_item[end] ** 0.3
    got = dense_operator(RP3Beta(RP3Beta.Config(alpha=0.7, beta=0.3, neighbors=100)).fit(data))
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-7)


def test_ease_is_the_closed_form_and_no_item_explains_itself() -> None:
    data = random_data()
    chosen = data.train.matrix().toarray().astype(np.float64)
    inverse = np.linalg.inv(chosen.T @ chosen + 3.0 * np.eye(chosen.shape[1]))
    expected = np.eye(chosen.shape[1]) - inverse / np.diag(inverse)
    got = dense_operator(EASE(EASE.Config(ridge=3.0)).fit(data))
    np.testing.assert_allclose(got, expected, atol=1e-4)
    assert not np.diag(got).any()


def test_ease_refuses_a_catalogue_beyond_its_memory_and_says_what_to_do() -> None:
    with pytest.raises(InputError, match=r"at most 0 MB.*max_memory_mb"):
        EASE(EASE.Config(max_memory_mb=0.001)).fit(random_data())


def test_gfcf_is_the_linear_filter_plus_the_ideal_low_pass() -> None:
    data = random_data()
    chosen = data.train.matrix().toarray().astype(np.float64)
    of_user = np.maximum(chosen.sum(axis=1, keepdims=True), 1e-9)
    of_item = np.maximum(chosen.sum(axis=0), 1e-9)
    graph = chosen / np.sqrt(of_user) / np.sqrt(of_item)
    spectrum = np.linalg.svd(graph, full_matrices=False)[2][:6]
    ideal = (spectrum.T / np.sqrt(of_item)[:, None]) @ (spectrum * np.sqrt(of_item))
    got = dense_operator(GraphFilter(GraphFilter.Config(rank=6, alpha=0.3)).fit(data))
    seen = chosen.sum(axis=0) > 0
    np.testing.assert_allclose(got[seen], (graph.T @ graph + 0.3 * ideal)[seen], atol=2e-3)


def test_the_spectrum_is_that_of_an_exact_decomposition() -> None:
    graph = normalised(random_data(num_users=80, num_items=60).train.matrix())
    vectors, values = item_spectrum(graph, 8, iterations=20)
    exact = np.linalg.svd(graph.toarray())[1][:8]
    np.testing.assert_allclose(values, exact, rtol=1e-3)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(8), atol=1e-4)


@pytest.mark.parametrize("dim", [3, 30])
def test_als_solves_the_weighted_least_squares_of_each_row(dim: int) -> None:
    chosen = random_data().train.matrix()
    factors = np.random.default_rng(2).standard_normal((chosen.shape[1], dim), np.float32)
    got = least_squares(chosen, factors, alpha=7.0, ridge=0.5)
    for row in range(chosen.shape[0]):
        wanted = chosen[[row]].toarray().ravel()
        weight = 1.0 + 7.0 * wanted
        system = (factors.T * weight) @ factors + 0.5 * np.eye(dim)
        expected = np.linalg.solve(system, factors.T @ (weight * wanted))
        np.testing.assert_allclose(got[row], expected, rtol=2e-2, atol=2e-4)


def test_als_lowers_its_own_objective() -> None:
    data = random_data()
    chosen = data.train.matrix().toarray()

    def objective(iterations: int) -> float:
        operator = ALS(ALS.Config(iterations=iterations, embedding_dim=5, ridge=1.0)).fit(data)
        weights = data.train.matrix()
        users = operator.user_embedding(weights, np.arange(len(chosen), dtype=np.int32))
        error = (1 + 10.0 * chosen) * (chosen - users @ operator.item_embedding.T) ** 2
        return float(error.sum() + (users**2).sum() + (operator.item_embedding**2).sum())

    assert objective(12) < objective(1)


def test_bpr_puts_chosen_items_before_others() -> None:
    data = random_data()
    operator = BPR(BPR.Config(embedding_dim=8, epochs=80, batch_size=64)).fit(data)
    chosen = data.train.matrix()
    scores = operator.score(chosen, np.arange(data.train.num_users, dtype=np.int32))
    known = chosen.toarray() > 0
    assert scores[known].mean() > scores[~known].mean() + 1.0


def test_a_fold_in_scores_training_histories_exactly_as_the_model() -> None:
    rng = np.random.default_rng(5)
    chosen = random_data().train.matrix()
    users = rng.standard_normal((chosen.shape[0], 6), np.float32)
    users[np.diff(chosen.indptr) == 0] = 0
    items = rng.standard_normal((chosen.shape[1], 6), np.float32)
    operator = folded(chosen, users, items)
    got = operator.score(chosen, np.arange(chosen.shape[0], dtype=np.int32))
    np.testing.assert_allclose(got, users @ items.T, atol=1e-4)


def test_a_fold_in_finds_the_rule_behind_the_users_when_there_is_one() -> None:
    rng = np.random.default_rng(5)
    chosen = random_data(num_users=300).train.matrix()
    rule = rng.standard_normal((chosen.shape[1], 4), np.float32)
    length = np.maximum(np.diff(chosen.indptr), 1)[:, None]
    users = (chosen @ rule / np.sqrt(length)).astype(np.float32)
    operator = folded(chosen[:200], users[:200], rule, ridge=1e-4)
    np.testing.assert_allclose(operator.user_embedding(chosen[200:]), users[200:], atol=0.05)


def test_next_and_previous_item_count_directed_steps_by_their_gap() -> None:
    train = Interactions.of([0, 0, 0, 0, 0, 1, 1], [0, 1, 2, 3, 4, 1, 0], num_users=2, num_items=5)
    config = NextItem.Config(steps=3, source_power=0.0)
    got = dense_operator(NextItem(config).fit(TrainingData(train)))
    expected = np.zeros((5, 5))
    expected[0, 1:4] = [1, 1 / 2, 1 / 3]
    expected[1, 2:5] = [1, 1 / 2, 1 / 3]
    expected[2, 3:5] = [1, 1 / 2]
    expected[3, 4] = 1
    expected[1, 0] = 1
    np.testing.assert_allclose(got, expected, rtol=1e-6)
    backwards = PreviousItem(PreviousItem.Config(steps=3, source_power=0.0)).fit(TrainingData(train))
    np.testing.assert_allclose(dense_operator(backwards), expected.T, rtol=1e-6)


def test_a_rare_shared_attribute_counts_more_than_a_common_one() -> None:
    common, rare = 0, 1
    incidence = np.zeros((6, 2), np.float32)
    incidence[:5, common] = 1
    incidence[[0, 5], rare] = 1
    knowledge = ItemKnowledge(attributes={("Item", "HAS", "Fact"): sp.csr_array(incidence)})
    data = TrainingData(Interactions.of([], [], num_users=1, num_items=6), knowledge)
    got = dense_operator(AttributeWalk(AttributeWalk.Config()).fit(data))
    assert got[0, 5] > got[0, 1] > 0
    np.testing.assert_allclose(np.diag(got), 1.0, rtol=1e-5)


def test_relations_share_one_unit_among_their_ends() -> None:
    relation = np.zeros((4, 4), np.float32)
    relation[0, [1, 2]] = 1
    relation[3, 0] = 1
    knowledge = ItemKnowledge(relations={("Item", "GOES_WITH", "Item"): sp.csr_array(relation)})
    data = TrainingData(Interactions.of([], [], num_users=1, num_items=4), knowledge)
    got = dense_operator(RelationWalk(RelationWalk.Config()).fit(data))
    np.testing.assert_allclose(got[0], [0, 0.5, 0.5, 0])
    np.testing.assert_allclose(got[3], [1, 0, 0, 0])


def test_an_item_without_text_is_like_nothing() -> None:
    text = np.eye(4, dtype=np.float32)
    text[3] = 0
    data = TrainingData(Interactions.of([], [], num_users=1, num_items=4), ItemKnowledge(text=text))
    got = dense_operator(TextNeighbors(TextNeighbors.Config()).fit(data))
    assert not got[3].any()
    assert not got[:, 3].any()
    assert (got[0, 0], got[0, 1]) == (pytest.approx(1.0), pytest.approx(-0.5))


def test_the_strongest_entries_of_a_product_are_those_of_the_dense_one(monkeypatch) -> None:
    monkeypatch.setattr("gnn.baselines.neighbors._BLOCK_ENTRIES", 50)
    rng = np.random.default_rng(8)
    left = sp.random_array((30, 12), density=0.3, rng=rng, format="csr", dtype=np.float32)
    right = sp.random_array((12, 30), density=0.3, rng=rng, format="csr", dtype=np.float32)
    got = strongest(left, right, 5).toarray()
    dense = (left @ right).toarray()
    np.fill_diagonal(dense, 0)
    for row in range(30):
        keep = sorted(range(30), key=lambda j: (-dense[row, j], j))[:5]
        expected = np.zeros(30, np.float32)
        expected[keep] = dense[row, keep]
        np.testing.assert_allclose(got[row], expected, rtol=1e-5)


def test_ties_for_the_last_place_go_to_the_lower_column() -> None:
    matrix = sp.csr_array(np.array([[1, 3, 1, 1, 2]], np.float32))
    np.testing.assert_array_equal(row_strongest(matrix, 3).toarray(), [[1, 3, 0, 0, 2]])


def test_recent_popularity_halves_with_age_and_without_times_is_popularity() -> None:
    day = 86_400
    shape = {"num_users": 3, "num_items": 3}
    train = Interactions.of([0, 1, 2, 0], [0, 0, 1, 2], timestamp_s=[0, 0, 14 * day, 28 * day], **shape)
    operator = RecentPopularity(RecentPopularity.Config(half_life_days=14.0)).fit(TrainingData(train))
    assert isinstance(operator, ConstantOperator)
    np.testing.assert_allclose(operator.item_score, [0.5, 0.5, 1.0], rtol=1e-6)
    timeless = RecentPopularity(RecentPopularity.Config()).fit(TrainingData(Interactions.of([0, 1], [0, 0], **shape)))
    assert isinstance(timeless, ConstantOperator)
    np.testing.assert_allclose(timeless.item_score, [1.0, 0.0, 0.0])
