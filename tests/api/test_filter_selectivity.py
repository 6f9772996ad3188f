"""A filter that one item in a thousand passes: the list is full, and ranked as a naive reading ranks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.engine import Engine, Request, Steering
from gnn.data import TrainingData
from gnn.data.histories import Histories
from gnn.data.knowledge import interactions_from, knowledge_from
from gnn.fusion import FeatureSpace, FusedRanker, FusionWeights
from gnn.models import MODELS
from graph.records import UpsertEdges, UpsertNodes
from graph.schema import GraphSchema
from graph.snapshot import build_snapshot
from graph.store import open_store
from graph.view import GraphView

ITEMS = 4_000
USERS = 30
SCHEMA = GraphSchema.parse(
    {
        "nodes": [
            {"name": "User", "role": "user"},
            {"name": "Item", "role": "item", "properties": {"shelf": "integer"}},
        ],
        "edges": [
            {"source": "User", "relation": "BOUGHT", "target": "Item", "role": "interaction", "kind": "purchase"}
        ],
    }
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Four thousand items on as many shelves of four, thirty users with forty items each."""
    folder: Path = tmp_path_factory.mktemp("wide")
    rng = np.random.default_rng(7)
    names = [f"i{number:04}" for number in range(ITEMS)]
    bought = (rng.random((USERS, 40)) ** 3 * ITEMS).astype(int)
    with open_store(f"sqlite:{folder / 'graph.db'}") as store:
        store.ensure_schema(SCHEMA)
        store.apply(
            [
                UpsertNodes("Item", names, [{"shelf": number % 1_000} for number in range(ITEMS)]),
                UpsertEdges(
                    ("User", "BOUGHT", "Item"),
                    [f"u{row}" for row in range(USERS) for _ in range(40)],
                    [names[item] for item in bought.ravel()],
                    create_missing=True,
                ),
            ],
            batch_id="all",
            actor="test",
        )
        snapshot = build_snapshot(store, folder / "snapshot")
    data = TrainingData(interactions_from(snapshot), knowledge_from(snapshot))
    operators = {name: MODELS[name].build().fit(data) for name in ("popularity", "itemknn", "rp3beta")}
    yield Engine(GraphView(snapshot), FusedRanker(operators, FusionWeights.prior(FeatureSpace.over(operators))))
    snapshot.close()


@settings(max_examples=40, deadline=None)
@given(
    shelves=st.lists(st.integers(0, 999), min_size=1, max_size=3, unique=True),
    user=st.integers(0, USERS),
    k=st.integers(1, 15),
)
def test_k_asked_is_k_returned_whenever_k_pass(engine: Engine, shelves, user, k) -> None:
    text = f"shelf in ({', '.join(map(str, shelves))})"
    answer = engine.recommend(Request(f"u{user}", n=k, steering=Steering(filter=text)))
    history = engine.histories([f"u{user}"])
    seen = set(history.item_index.tolist())
    passing = [item for item in range(ITEMS) if item % 1_000 in shelves and item not in seen]
    listed = [item.item_index for item in answer.items]
    assert set(listed) <= set(passing)
    assert len(listed) == min(k, len(passing))
    if seen:
        expected = _naive(engine, history, passing)
        best = sorted(expected.values(), reverse=True)[:k]
        assert [expected[item] for item in listed] == pytest.approx(best, abs=1e-4)
    strict = engine.recommend(Request(f"u{user}", n=k, steering=Steering(filter=text, strict=True)))
    remaining = iter(listed)
    assert all(item.item_index in remaining for item in strict.items), "the same order, perhaps with gaps"


def _naive(engine: Engine, history: Histories, passing: list[int]) -> dict[int, float]:
    """The fused score of every passing item, each asked about on its own."""
    ranker = engine._keeper.current().sources.ranker
    scores = {}
    for item in passing:
        alone = np.zeros(ITEMS, bool)
        alone[item] = True
        fused = ranker.fuse(history, k=1, allowed=alone)
        scores[item] = float(fused.score[0, 0])
    return scores
