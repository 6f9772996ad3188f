"""Full-ranking evaluation: blocks, masks, slices, significance, tables."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pytest

from gnn.data import Interactions
from gnn.data.histories import Histories, IntArray
from gnn.evaluation import Evaluation, evaluate
from gnn.evaluation.significance import bootstrap_interval, paired_bootstrap
from gnn.evaluation.slices import Slice, default_slices
from gnn.operators import ConstantOperator, OperatorRanker
from gnn.ranker import top_k
from graph.errors import InputError


@dataclass
class Scripted:
    """Scores by a fixed table of user × item, and remembers the blocks it was asked."""

    scores: np.ndarray
    blocks: list[int]

    def rank(self, histories: Histories, k: int) -> IntArray:
        self.blocks.append(len(histories))
        scores = self.scores[histories.user_index].copy()
        scores[histories.rows, histories.item_index] = -np.inf
        return top_k(scores, k)


def world(seed: int = 0, num_users: int = 50, num_items: int = 80):
    rng = np.random.default_rng(seed)
    cells = rng.random((num_users, num_items))
    seen = Interactions.of(*np.nonzero(cells < 0.1), num_users=num_users, num_items=num_items)
    wanted = Interactions.of(*np.nonzero(cells > 0.97), num_users=num_users, num_items=num_items)
    return seen, wanted, rng.standard_normal((num_users, num_items)).astype(np.float32)


def naive_recall(scores: np.ndarray, seen: Interactions, wanted: Interactions, k: int) -> dict[int, float]:
    got = {}
    for user in sorted(set(wanted.user_index.tolist())):
        met = set(seen.item_index[seen.user_index == user].tolist())
        asked = set(wanted.item_index[wanted.user_index == user].tolist())
        order = sorted((item for item in range(seen.num_items) if item not in met), key=lambda i: -scores[user, i])
        got[user] = len(asked & set(order[:k])) / len(asked)
    return got


@pytest.mark.parametrize("block_users", [None, 1, 7])
def test_agrees_with_the_naive_twin_in_any_block_size(block_users: int | None) -> None:
    seen, wanted, scores = world()
    ranker = Scripted(scores, [])
    measured = evaluate(ranker, seen, wanted, metrics=["recall@10"], block_users=block_users)
    expected = naive_recall(scores, seen, wanted, 10)
    assert measured.user_index.tolist() == list(expected)
    np.testing.assert_allclose(measured.per_user["recall@10"], list(expected.values()))
    assert max(ranker.blocks) <= (block_users or 2048)


def test_seen_items_are_never_in_a_list() -> None:
    seen, wanted, scores = world()
    measured = evaluate(OperatorRanker(ConstantOperator(scores[0])), seen, wanted)
    met = seen.matrix().toarray()[measured.user_index]
    for row, ranked in enumerate(measured.ranked):
        assert not met[row, ranked[ranked >= 0]].any()


def test_an_item_slice_restricts_what_is_relevant_and_nothing_else() -> None:
    seen, wanted, scores = world()
    some = np.arange(seen.num_items) % 3 == 0
    parts = [Slice("some", items=some)]
    measured = evaluate(Scripted(scores, []), seen, wanted, metrics=["recall@10"], slices=parts)
    restricted = wanted.where(some[wanted.item_index])
    expected = naive_recall(scores, seen, restricted, 10)
    assert measured.slices[0].num_users == len(expected)
    assert measured.slices[0].metrics["recall@10"] == pytest.approx(np.mean(list(expected.values())))


def test_a_user_slice_restricts_who_is_counted() -> None:
    seen, wanted, scores = world()
    few = np.arange(seen.num_users) < 10
    measured = evaluate(Scripted(scores, []), seen, wanted, slices=[Slice("few", users=few)])
    mine = measured.per_user["ndcg@20"][few[measured.user_index]]
    assert measured.slices[0].num_users == mine.size
    assert measured.slices[0].metrics["ndcg@20"] == pytest.approx(mine.mean())


def test_the_default_slices_cut_by_what_the_ranker_saw() -> None:
    users, items = [0, 1, 2, 3, 0, 1, 2, 0, 1, 0], [0, 0, 0, 0, 1, 1, 1, 2, 2, 3]
    seen = Interactions.of(users, items, num_users=4, num_items=5)
    parts = {part.name: part for part in default_slices(seen)}
    assert parts["cold items"].items.tolist() == [False, False, True, True, True]
    assert parts["unseen items"].items.tolist() == [False, False, False, False, True]
    assert parts["head items"].items.tolist() == [True, False, False, False, False]
    assert parts["tail items"].items.tolist() == [False, True, True, True, True]
    assert parts["cold users"].users.all()


def test_a_slice_without_anyone_is_empty_not_an_error() -> None:
    seen, wanted, scores = world()
    nobody = Slice("nobody", items=np.zeros(seen.num_items, np.bool_))
    measured = evaluate(Scripted(scores, []), seen, wanted, slices=[nobody])
    assert (measured.slices[0].num_users, measured.slices[0].metrics) == (0, {})


def test_nothing_relevant_gives_an_empty_evaluation() -> None:
    seen, wanted, scores = world()
    measured = evaluate(Scripted(scores, []), seen, wanted.where(np.zeros(len(wanted), np.bool_)))
    assert measured.num_users == 0
    assert measured.metrics["recall@20"] == 0.0
    json.dumps(measured.to_dict())


def test_worlds_that_do_not_fit_are_refused() -> None:
    seen, _, scores = world()
    other = Interactions.of([0], [0], num_users=2, num_items=2)
    with pytest.raises(InputError, match="50 users × 80 items"):
        evaluate(Scripted(scores, []), seen, other)


def test_the_better_ranker_is_told_from_the_worse() -> None:
    seen, wanted, scores = world()
    better = evaluate(Scripted(scores + 3 * wanted.matrix().toarray(), []), seen, wanted)
    worse = evaluate(Scripted(scores, []), seen, wanted)
    difference = better.compare(worse, "ndcg@20")
    assert difference.is_better
    assert not difference.is_worse
    assert difference.p < 0.01
    assert difference.low <= difference.mean <= difference.high
    opposite = worse.compare(better, "ndcg@20")
    assert opposite.is_worse
    assert opposite.mean == -difference.mean
    same = better.compare(better, "ndcg@20")
    assert (same.mean, same.p, same.is_better) == (0.0, 1.0, False)


def test_only_the_same_users_and_measured_metrics_can_be_compared() -> None:
    seen, wanted, scores = world()
    measured = evaluate(Scripted(scores, []), seen, wanted)
    fewer = evaluate(Scripted(scores, []), seen, wanted.where(wanted.user_index < 20))
    with pytest.raises(InputError, match="the same users"):
        measured.compare(fewer, "ndcg@20")
    with pytest.raises(InputError, match="was not measured"):
        measured.interval("ndcg@7")
    with pytest.raises(InputError, match="at least one"):
        paired_bootstrap([], [])


def test_the_bootstrap_agrees_with_the_normal_approximation() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(0.3, 1.0, 4000)
    low, high = bootstrap_interval(values, samples=2000)
    error = values.std() / np.sqrt(values.size)
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)


def test_the_bootstrap_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    covered = 0
    for draw in range(200):
        difference = paired_bootstrap(rng.normal(0.1, 1, 100), rng.normal(0.1, 1, 100), samples=400, seed=draw)
        covered += difference.low <= 0 <= difference.high
    assert 0.88 <= covered / 200 <= 0.99


def test_the_bootstrap_repeats_itself() -> None:
    values = np.random.default_rng(3).random((2, 300))
    assert paired_bootstrap(*values, seed=9) == paired_bootstrap(*values, seed=9)


@pytest.fixture
def compared() -> dict[str, Evaluation]:
    seen, wanted, scores = world()
    return {
        "weak": evaluate(Scripted(scores, []), seen, wanted),
        "strong": evaluate(Scripted(scores + 3 * wanted.matrix().toarray(), []), seen, wanted),
    }
