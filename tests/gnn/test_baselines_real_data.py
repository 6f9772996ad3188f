"""Baselines meet the figures known for public data. Full ranking, seen items left out."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from gnn.data import Interactions, TrainingData
from gnn.data.histories import Histories, IntArray
from gnn.evaluation import Evaluation, evaluate
from gnn.models import MODELS
from gnn.operators import Operator, OperatorRanker
from gnn.ranker import Ranker, top_k
from gnn.splits import Split, fixed_files, leave_one_out, random_per_user

pytestmark = pytest.mark.real_data


PUBLISHED = {"rp3beta": {"alpha": 0.6, "beta": 0.2, "neighbors": 300}}
"""The options that figures known for Beauty were measured with."""


@dataclass
class RecentRanker:
    """Ranks by one operator over histories weighted by 1 / (1 + steps back)."""

    operator: Operator

    def rank(self, histories: Histories, k: int) -> IntArray:
        scores = np.array(self.operator.score(histories.recent(), histories.user_index))
        scores[histories.rows, histories.item_index] = -np.inf
        return top_k(scores, k)


def measure(split: Split, name: str, *, recent: bool = False, deployed: bool = True, **options: object) -> Evaluation:
    known = split.refit if deployed else split.train
    operator = MODELS[name].build(**options).fit(TrainingData(known))
    ranker: Ranker = RecentRanker(operator) if recent else OperatorRanker(operator)
    return evaluate(ranker, split.refit, split.test, slices=())


def read_lists(path: Path) -> tuple[IntArray, IntArray]:
    """One user per line, then their items."""
    if not path.is_file():
        pytest.skip(f"real data not found: {path.parent.name}/{path.name} is not in KINDRED_DATA_DIR")
    text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
    rows = [np.array(line.split(), np.int32) for line in text.splitlines() if line]
    users = np.concatenate([np.full(row.size - 1, row[0], np.int32) for row in rows])
    return users, np.concatenate([row[1:] for row in rows])


@pytest.fixture(scope="module")
def movielens(movielens_ratings: Path) -> Split:
    rows = np.loadtxt(movielens_ratings, skiprows=1)
    user, item = (np.unique(rows[:, column], return_inverse=True) for column in (0, 1))
    liked = rows[:, 2] >= 4
    known = Interactions.of(
        user[1][liked],
        item[1][liked],
        num_users=user[0].size,
        num_items=item[0].size,
        timestamp_s=rows[liked, 3].astype(np.int64),
    )
    return random_per_user(known, test_share=0.2, validation_share=0.1, seed=42)


@pytest.fixture(scope="module")
def beauty(real_data: Path) -> Split:
    users, items = read_lists(real_data / "amazon_beauty_kg" / "Beauty.txt")
    known = Interactions.of(users - 1, items - 1, num_users=int(users.max()), num_items=int(items.max()))
    return leave_one_out(known)


@pytest.fixture(scope="module")
def gowalla(real_data: Path) -> Split:
    folder = real_data / "gowalla_lightgcn"
    size = {"num_users": 29_858, "num_items": 40_981}
    train = Interactions.of(*read_lists(folder / "train_rebuilt.txt.gz"), **size)
    return fixed_files(train, Interactions.of(*read_lists(folder / "test.txt"), **size), validation_share=0.0)


@pytest.mark.parametrize(
    ("name", "options", "recall", "ndcg"),
    [
        ("popularity", {}, 0.178, 0.162),
        ("itemknn", {}, 0.319, 0.295),
        ("ease", {}, 0.363, 0.330),
        ("gfcf", {"rank": 64}, 0.348, 0.311),
        ("als", {}, 0.360, 0.320),
        ("bpr", {}, 0.340, 0.295),
    ],
)
def test_movielens_100k(movielens: Split, name: str, options: dict[str, object], recall: float, ndcg: float) -> None:
    measured = measure(movielens, name, **options).metrics
    assert measured["recall@20"] >= recall
    assert measured["ndcg@20"] >= ndcg


@pytest.mark.parametrize(
    ("name", "recent", "hit_rate", "ndcg"),
    [("itemknn", False, 0.0649, 0.0380), ("rp3beta", True, 0.081, 0.0475), ("next_item", True, 0.0813, 0.0525)],
)
def test_beauty_leave_one_out(beauty: Split, name: str, recent: bool, hit_rate: float, ndcg: float) -> None:
    measured = measure(beauty, name, recent=recent, **PUBLISHED.get(name, {})).metrics
    assert measured["hr@10"] >= hit_rate
    assert measured["ndcg@10"] >= ndcg


@pytest.mark.parametrize(
    ("name", "recent", "hit_rate", "ndcg"),
    [("itemknn", False, 0.0600, 0.0350), ("rp3beta", True, 0.0695, 0.0403), ("next_item", True, 0.0734, 0.0465)],
)
def test_beauty_without_the_validation_item_in_the_graph(
    beauty: Split, name: str, recent: bool, hit_rate: float, ndcg: float
) -> None:
    measured = measure(beauty, name, recent=recent, deployed=False, **PUBLISHED.get(name, {})).metrics
    assert measured["hr@10"] >= hit_rate
    assert measured["ndcg@10"] >= ndcg


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("name", "options", "recall", "ndcg"),
    [("rp3beta", {}, 0.184, 0.152), ("gfcf", {}, 0.185, 0.152)],
)
def test_gowalla_full_test(gowalla: Split, name: str, options: dict[str, object], recall: float, ndcg: float) -> None:
    assert (len(gowalla.train), len(gowalla.test)) == (810_128, 217_242)
    measured = measure(gowalla, name, **options)
    assert measured.num_users == 29_858
    assert measured.metrics["recall@20"] >= recall
    assert measured.metrics["ndcg@20"] >= ndcg
