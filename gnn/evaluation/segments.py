"""Segments of the users: those who share a value of a property, such as a country or a gender."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from gnn.evaluation.slices import Slice
from graph.schema import PropertyKind
from graph.snapshot import Snapshot

LEAST_SHARE = 0.05
"""A value that fewer of the users have is no segment."""
MOST_VALUES = 4


def user_segments(snapshot: Snapshot) -> tuple[Slice, ...]:
    """The commonest values of every property of users that words or yes and no can say, as slices."""
    return tuple(_segments(snapshot))


def _segments(snapshot: Snapshot) -> Iterator[Slice]:
    users = snapshot.nodes(snapshot.schema.user_type)
    for name, kind in users.spec.properties.items():
        if kind not in (PropertyKind.STRING, PropertyKind.BOOLEAN) or name == users.spec.title:
            continue
        values = users.column(name).to_pylist()
        common = Counter(value for value in values if value is not None).most_common(MOST_VALUES)
        if len(common) < 2:
            continue
        for value, count in common:
            if count >= LEAST_SHARE * len(values):
                yield Slice(f"users, {name} {value}", users=np.array([found == value for found in values], np.bool_))
