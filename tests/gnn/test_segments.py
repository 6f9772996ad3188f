"""Segments: users who share a common value of a property are measured apart."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pyarrow as pa

from gnn.data import Interactions
from gnn.evaluation.segments import user_segments
from gnn.evaluation.slices import default_slices
from graph.schema import NodeRole, NodeSpec, PropertyKind


class Users:
    spec = NodeSpec(
        name="User",
        role=NodeRole.USER,
        properties={
            "name": PropertyKind.STRING,
            "country": PropertyKind.STRING,
            "town": PropertyKind.STRING,
            "age": PropertyKind.INTEGER,
        },
        title="name",
    )

    def column(self, name: str) -> Any:
        country = ["UK"] * 70 + ["France"] * 25 + ["Malta"] * 3 + [None] * 2
        return pa.array({"country": country, "town": [f"town {row}" for row in range(100)]}[name])


def test_common_values_are_segments_and_rare_ones_and_names_are_not() -> None:
    snapshot = SimpleNamespace(schema=SimpleNamespace(user_type="User"), nodes=lambda _: Users())
    found = user_segments(cast(Any, snapshot))
    assert [part.name for part in found] == ["users, country UK", "users, country France"]
    assert found[1].users is not None
    assert found[1].users.nonzero()[0].tolist() == list(range(70, 95))
    seen = Interactions.of([0, 0, 0, 1, 1, 2], [0, 1, 2, 0, 1, 0], num_users=100, num_items=3)
    parts = {part.name: part for part in default_slices(seen, found)}
    assert parts["users, country UK"] is found[0]
    assert parts["most active users"].users is not None
    assert parts["most active users"].users.nonzero()[0].tolist() == [0]
    assert parts["least active users"].users is not None
    assert parts["least active users"].users.nonzero()[0].tolist() == [2]
