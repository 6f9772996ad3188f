"""A made-up shop's log, the same rows for every store that is measured."""

from __future__ import annotations

import numpy as np

from graph.schema import EdgeType, GraphSchema

EDGE_TYPE: EdgeType = ("User", "PURCHASED", "Item")
SCHEMA = GraphSchema.parse(
    {
        "nodes": [{"name": "User", "role": "user"}, {"name": "Item", "role": "item"}],
        "edges": [
            {"source": "User", "relation": "PURCHASED", "target": "Item", "role": "interaction", "kind": "purchase"}
        ],
    }
)
BATCH_ROWS = 50_000
_USERS, _ITEMS = 70_000, 30_000


def shop_log(edges: int) -> tuple[list[str], list[str], list[int]]:
    """In order of time, popular users and items more often. Lists of E ids, ids, milliseconds."""
    random = np.random.default_rng(7)
    users = (_USERS * random.random(edges) ** 1.5).astype(int)
    items = (_ITEMS * random.random(edges) ** 2).astype(int)
    times = np.sort(random.integers(1_500_000_000_000, 1_600_000_000_000, edges))
    return [f"user-{user}" for user in users], [f"item-{item}" for item in items], times.tolist()
