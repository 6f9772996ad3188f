"""Paths from a history to an item that lack one edge: what would have to be true for the item to be there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice, zip_longest
from typing import Any

import numpy as np

from api.engine.answer import Hop, ReasonPath
from api.engine.connections import Connections
from api.engine.lists.scoring import Scored
from api.engine.reading import telling_interactions
from api.engine.reasons.evidence import MAX_ANCHORS, latest_distinct
from api.engine.sources.keeper import Moment
from api.engine.sources.pull import item_column
from graph.records import NodeKey, UpsertEdges
from graph.schema import EdgeRole, EdgeType


@dataclass(frozen=True, slots=True)
class MissingPath:
    """A path that would be there with one more edge, which is ``path.hops[missing]``."""

    path: ReasonPath
    missing: int

    @property
    def edge(self) -> tuple[EdgeType, str, str]:
        """The missing edge: its type, source id and target id."""
        hop = self.path.hops[self.missing]
        before, after = self.path.nodes[self.missing][1], self.path.nodes[self.missing + 1][1]
        return (hop.edge_type, *((before, after) if hop.direction == "out" else (after, before)))

    @property
    def edit(self) -> UpsertEdges:
        """What adds the edge."""
        edge_type, source, target = self.edge
        return UpsertEdges(edge_type, [source], [target])

    def to_json(self) -> dict[str, Any]:
        edge_type, source, target = self.edge
        return {
            "path": self.path.to_json(),
            "edge": {"edge": edge_type[1], "from": [edge_type[0], source], "to": [edge_type[2], target]},
        }


def missing_paths(moment: Moment, user_id: str | None, scores: Scored, item: int, limit: int) -> Iterator[MissingPath]:
    """Nearly complete paths to an item, the most promising first, the kinds in turn.

    An attribute of the history that the item lacks, a curated relation from the history, a step of the user to what
    leads to the item. Only edge types that the ranking learns from.
    """
    anchors = latest_distinct(scores.asked.history, MAX_ANCHORS)
    kinds = (
        _attributes(moment, anchors, item, limit),
        _relations(moment, anchors, item, limit),
        _steps(moment, user_id, scores, item, limit),
    )
    in_turn = (path for path in chain.from_iterable(zip_longest(*kinds)) if path is not None)
    return islice(in_turn, limit)


def _attributes(moment: Moment, anchors: np.ndarray[Any, Any], item: int, limit: int) -> Iterator[MissingPath]:
    """The history's attributes that the item lacks: shared by many of it and rare elsewhere."""
    connections: Connections = moment.connections
    if not anchors.size:
        return
    columns, position = connections.of_items(anchors.astype(np.int32))
    distinct, first, inverse = np.unique(columns, return_index=True, return_inverse=True)
    shared = np.bincount(inverse, minlength=distinct.size) / anchors.size
    strength = shared * connections.rarity[distinct]
    strength[np.isin(distinct, connections.of_item(item))] = 0.0
    view = moment.view
    told = 0
    for at in np.argsort(-strength, kind="stable").tolist():
        if told == limit or strength[at] <= 0:
            return
        block = connections.block_of(int(distinct[at]))
        spec = block.spec
        if block.relates_items or block.direction != "out" or not spec.learn or spec.role is not EdgeRole.ATTRIBUTE:
            continue
        anchor: NodeKey = (spec.source, view.id_of(spec.source, int(anchors[position[first[at]]])))
        middle: NodeKey = (block.node_type, view.id_of(block.node_type, int(distinct[at]) - block.start))
        end: NodeKey = (spec.source, view.id_of(spec.source, item))
        hops = (Hop(spec.edge_type, "out"), Hop(spec.edge_type, "in"))
        yield MissingPath(ReasonPath((anchor, middle, end), hops), 1)
        told += 1


def _relations(moment: Moment, anchors: np.ndarray[Any, Any], item: int, limit: int) -> Iterator[MissingPath]:
    """Curated relations from the latest items of the history to the item."""
    view = moment.view
    item_type = view.schema.item_type
    specs = [spec for spec in view.schema.edges_with(EdgeRole.ITEM_RELATION) if spec.learn]
    for anchor in anchors[:limit].tolist():
        for spec in specs:
            if anchor != item and not view.has_edge(spec.edge_type, anchor, item):
                nodes = ((item_type, view.id_of(item_type, anchor)), (item_type, view.id_of(item_type, item)))
                yield MissingPath(ReasonPath(nodes, (Hop(spec.edge_type, "out"),)), 0)


def _steps(moment: Moment, user_id: str | None, scores: Scored, item: int, limit: int) -> Iterator[MissingPath]:
    """Steps the user has not taken to the items that lead to this one most."""
    view, sources = moment.view, moment.sources
    specs = telling_interactions(view.schema)
    if user_id is None or not specs or scores.asked.session.user_index < 0:
        return
    pull = np.zeros(sources.num_items, np.float32)
    for operator in sources.ranker.operators.values():
        column = item_column(operator, item)
        if column is not None and (peak := float(column.max(initial=0.0))) > 0:
            pull += column / peak
    pull[~sources.allowed] = 0.0
    pull[[item, *scores.asked.session.history.tolist(), *scores.asked.session.seen.tolist()]] = 0.0
    schema = view.schema
    for leading in np.argsort(-pull, kind="stable")[:limit].tolist():
        if pull[leading] <= 0:
            return
        nodes: tuple[NodeKey, ...] = (
            (schema.user_type, user_id),
            (schema.item_type, view.id_of(schema.item_type, leading)),
            (schema.item_type, view.id_of(schema.item_type, item)),
        )
        hops = (Hop(specs[0].edge_type, "out"), Hop(specs[0].edge_type, None))
        yield MissingPath(ReasonPath(nodes, hops), 0)
