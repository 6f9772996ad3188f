"""Weights that differ by item: how new it is, and how often it was shown lately."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from api.engine.filters.tokens import FilterError
from api.engine.steering.asked import Freshness, Rotation
from api.engine.steering.stage import Applied, Weighing
from gnn.data import NO_TIME
from gnn.data.histories import FloatArray
from graph.schema import EdgeRole, GraphSchema, PropertyKind
from graph.snapshot.nodes import ARROW_TYPES
from graph.view import GraphView

IMPRESSION = "impression"
"""The kind of interaction that says an item was shown to a user."""
_LEAST = 1e-6
"""A factor is never 0: an item that weighs nothing still comes before an empty place."""


def freshness(view: GraphView, asked: Freshness, now_s: float) -> Weighing:
    """``1 - strength + strength * 2 ** (-age / half_life_s)`` of every item; without a date, the weight of an old one.

    Raises:
        FilterError: when ``by`` names no timestamp property, or names none and there is not exactly one.
    """
    name = _dated(view.schema, asked.by)
    age_s = now_s - _column(view, name) / 1000
    fresh = np.where(np.isnan(age_s), 0.0, 2.0 ** (-np.maximum(np.nan_to_num(age_s), 0.0) / asked.half_life_s))
    factor = 1 - asked.strength + asked.strength * fresh
    return _weighing(f"freshness by {name}", asked.strength, factor)


def rotation(view: GraphView, asked: Rotation, user_index: int, now_s: float) -> Weighing | None:
    """``(1 - strength) ** showings`` of every item shown lately; ``None`` when nothing was."""
    times = np.zeros(view.num_nodes(view.schema.item_type))
    for item_id, count in Counter(asked.shown).items():
        row = view.index_of(view.schema.item_type, item_id)
        if row is not None:
            times[row] += count
    for spec in view.schema.edges_with(EdgeRole.INTERACTION):
        if spec.kind == IMPRESSION and user_index >= 0:
            shown = view.neighbors(spec.edge_type, user_index)
            known = shown.timestamp_s != NO_TIME
            age_s = np.maximum(now_s - np.where(known, shown.timestamp_s, now_s), 0.0)
            np.add.at(times, shown.indices, np.where(known, 2.0 ** (-age_s / asked.half_life_s), 1.0))
    if not times.any():
        return None
    return _weighing("rotation", 1 - asked.strength, (1.0 - asked.strength) ** times)


def _weighing(name: str, strength: float, factor: npt.NDArray[np.floating]) -> Weighing:
    factors: FloatArray = np.maximum(factor, _LEAST).astype(np.float32)
    return Weighing(Applied(name, strength), np.asarray(factors != 1), factors)


def _dated(schema: GraphSchema, by: str | None) -> str:
    properties = schema.node(schema.item_type).properties
    dated = [name for name, kind in properties.items() if kind is PropertyKind.TIMESTAMP]
    if by in dated:
        return by
    if by is None and len(dated) == 1:
        return dated[0]
    error = FilterError(
        "freshness needs a date of the item",
        column=1,
        expected="one of " + ", ".join(dated) if dated else "a timestamp property, and items have none",
        got=by or "nothing",
    )
    error.field = "freshness.by"
    raise error


def _column(view: GraphView, name: str) -> npt.NDArray[np.float64]:
    """A number or timestamp of every item as it is now, NaN where there is none. Shape (I,)."""
    item_type = view.schema.item_type
    base = view.snapshot.nodes(item_type)
    values = np.full(view.num_nodes(item_type), np.nan)
    values[: len(base)] = _numbers(base.column(name))
    changed = view.changed_nodes(item_type)
    now = [view.properties(item_type, row).get(name) for row in changed.tolist()]
    values[changed] = _numbers(pa.array(now, ARROW_TYPES[view.schema.node(item_type).properties[name]]))
    return values


def _numbers(column: pa.Array) -> npt.NDArray[np.float64]:
    return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)
