"""Ids that stand in the queries as examples: real ones, where the release has some."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from api.curator.words import tame
from graph.schema import EdgeRole, EdgeType, GraphSchema

if TYPE_CHECKING:
    from graph.view import GraphView

ITEM, OTHER_ITEM = "ITEM ID", "OTHER ITEM ID"
_LOOKED_AT = 200
"""Items of which the best examples are taken."""
_MISTAKES = 0.02
"""Share of items that may have two of an attribute of which each has one."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Two items, and an attribute node of each attribute relation; placeholders where the graph has none.

    Only ids of plain characters are taken: the text around them is run by people.
    """

    item: str = ITEM
    other_item: str = OTHER_ITEM
    text: str = "red bag"
    attributes: dict[EdgeType, str] = field(default_factory=dict)
    one_each: frozenset[EdgeType] = frozenset()
    """Attribute relations of which an item has one, e.g. its brand; a few mistakes do not count."""

    def attribute(self, edge_type: EdgeType) -> str:
        return self.attributes.get(edge_type, f"{edge_type[2].upper()} ID")


def examples_from(view: GraphView) -> Examples:
    """The two best-known items of a graph, and attributes that they have."""
    schema = view.schema
    rows = [row for row in _well_known(view) if tame(view.id_of(schema.item_type, row))][:2]
    if len(rows) < 2:
        return Examples()
    titles = [view.title(schema.item_type, row) for row in rows]
    words = [word for word in titles[0].split() if len(word) > 2 and tame(word) and word.isalnum()]
    return Examples(
        view.id_of(schema.item_type, rows[0]),
        view.id_of(schema.item_type, rows[1]),
        " ".join(words[:2]).lower() or "red bag",
        dict(_attributes(view, schema, rows)),
        frozenset(edge_type for edge_type in _of_items(schema) if _is_single(view, edge_type)),
    )


def _well_known(view: GraphView) -> list[int]:
    """Items that are there now, those with the most interactions first."""
    item_type = view.schema.item_type
    counts = np.zeros(view.num_nodes(item_type), np.int64)
    for spec in view.schema.edges_with(EdgeRole.INTERACTION):
        degree = np.asarray(view.matrix(spec.edge_type).sum(axis=0)).ravel()
        counts[: degree.size] += degree.astype(np.int64)
    best = np.argsort(-counts, kind="stable")[:_LOOKED_AT].tolist()
    return [row for row in best if view.exists(item_type, row)]


def _of_items(schema: GraphSchema) -> list[EdgeType]:
    """Attribute relations that begin at an item."""
    return [spec.edge_type for spec in schema.edges_with(EdgeRole.ATTRIBUTE) if spec.source == schema.item_type]


def _attributes(view: GraphView, schema: GraphSchema, rows: list[int]) -> Iterator[tuple[EdgeType, str]]:
    for edge_type in _of_items(schema):
        ends = (end for row in rows for end in view.ends(edge_type, row).tolist())
        ids = (view.id_of(edge_type[2], end) for end in ends)
        found = next((node_id for node_id in ids if tame(node_id)), None)
        if found is not None:
            yield edge_type, found


def _is_single(view: GraphView, edge_type: EdgeType) -> bool:
    counts = np.diff(view.matrix(edge_type).indptr)
    return bool((counts > 1).sum() <= _MISTAKES * (counts > 0).sum())
