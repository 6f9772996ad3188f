"""A shop in which gender tells tastes apart, with newcomers who have not bought anything."""

from __future__ import annotations

from pathlib import Path

from api.engine import Engine
from gnn.data import TrainingData
from gnn.data.knowledge import interactions_from, knowledge_from
from gnn.fusion import FeatureSpace, FusedRanker, FusionWeights
from gnn.models import MODELS
from graph.records import UpsertEdges, UpsertNodes
from graph.schema import GraphSchema
from graph.snapshot import build_snapshot
from graph.store import open_store
from graph.view import GraphView

SCHEMA = GraphSchema.parse(
    {
        "nodes": [
            {"name": "User", "role": "user", "properties": {"gender": "string"}},
            {"name": "Item", "role": "item"},
        ],
        "edges": [
            {"source": "User", "relation": "BOUGHT", "target": "Item", "role": "interaction", "kind": "purchase"}
        ],
    }
)


def open_world(folder: Path) -> Engine:
    """Thirty people of each of two genders, who buy garden things or tools, and everyone the same bag."""
    store = open_store(f"sqlite:{folder / 'graph.db'}")
    store.ensure_schema(SCHEMA)
    users, genders, sources, targets = [], [], [], []
    for gender, taste in (("f", "garden"), ("m", "tools")):
        for number in range(30):
            user = f"{gender}{number:02}"
            users.append(user)
            genders.append({"gender": gender})
            sources += [user] * 3
            targets += [f"{taste}-{(number + step) % 4}" for step in range(3)]
    newcomers = ["new-f", "new-m", "new-rare"]
    store.apply(
        [
            UpsertNodes("User", [*users, *newcomers], [*genders, {"gender": "f"}, {"gender": "m"}, {"gender": "x"}]),
            UpsertEdges(("User", "BOUGHT", "Item"), sources, targets, create_missing=True),
        ],
        batch_id="all",
        actor="test",
    )
    snapshot = build_snapshot(store, folder / "snapshot")
    store.close()
    data = TrainingData(interactions_from(snapshot), knowledge_from(snapshot))
    operators = {name: MODELS[name].build().fit(data) for name in ("popularity", "itemknn")}
    return Engine(GraphView(snapshot), FusedRanker(operators, FusionWeights.prior(FeatureSpace.over(operators))))
