"""One batch on its way into an overlay: rows are copied when first touched, published together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np

from graph.erasure import is_pseudonym, named_by
from graph.overlay.grown import Changes, GrownRow, Key
from graph.overlay.persistent import FrozenRows
from graph.overlay.rows import edge_row, snapshot_row
from graph.overlay.state import EdgeChanges, EdgeState, Names, NodeChanges, OverlayState
from graph.records import Change, Edge, Node, Properties
from graph.schema import EdgeType
from graph.snapshot import NO_TIME, Snapshot

_NO_CHANGES = GrownRow()
_FORESEEN_FROM = 32
"""Qualifiers that are worth looking up together."""


class _Rows:
    """Changed rows of one edge type and side, over those already published."""

    def __init__(self, published: FrozenRows[GrownRow]) -> None:
        self._published = published
        self._drafted: dict[int, Changes] = {}

    def get(self, row: int) -> GrownRow:
        published = self._published.get(row) or _NO_CHANGES
        drafted = self._drafted.get(row)
        return published if drafted is None else published.with_changes(drafted)

    def find(self, row: int, key: Key) -> tuple[bool, EdgeState | None]:
        """Whether an edge has changed, and what it is now."""
        drafted = self._drafted.get(row)
        if drafted is not None and key in drafted:
            return True, drafted[key]
        published = self._published.get(row)
        if published is None or key not in published:
            return False, None
        return True, published[key]

    def put(self, row: int, key: Key, state: EdgeState | None) -> None:
        drafted = self._drafted.get(row)
        if drafted is None:
            self._drafted[row] = {key: state}
        else:
            drafted[key] = state

    def publish(self) -> FrozenRows[GrownRow]:
        return self._published.updated({row: self.get(row) for row in self._drafted})


class Draft:
    """Takes the changes of one batch, then makes the next state of them."""

    def __init__(
        self,
        snapshot: Snapshot,
        state: OverlayState,
        new_ids: Mapping[str, Names],
        new_qualifiers: Mapping[EdgeType, Names],
    ) -> None:
        self._snapshot = snapshot
        self._state = state
        self._new_ids = new_ids
        self._new_qualifiers = new_qualifiers
        self._properties: dict[str, dict[int, Properties | None]] = {name: {} for name in state.nodes}
        self._out = {edge_type: _Rows(changes.out) for edge_type, changes in state.edges.items()}
        self._into = {edge_type: _Rows(changes.into) for edge_type, changes in state.edges.items()}
        self._foreseen: dict[EdgeType, Mapping[str, int | None]] = {}

    def foresee(self, changes: Sequence[Change]) -> None:
        """Looks up the qualifiers of many edges at once, at a quarter of the time for each."""
        if len(changes) < _FORESEEN_FROM:
            return
        names: dict[EdgeType, dict[str, None]] = {}
        for change in changes:
            record = change.record
            if isinstance(record, Edge) and record.qualifier:
                names.setdefault(record.edge_type, {})[record.qualifier] = None
        for edge_type, qualifiers in names.items():
            if len(qualifiers) >= _FORESEEN_FROM and edge_type in self._out:
                self._foreseen[edge_type] = self._snapshot.edges(edge_type).qualifier_codes(list(qualifiers))

    def node(self, node: Node, gone: bool) -> bool:
        """Take a node's latest state; whether that changed anything."""
        if node.node_type not in self._properties:
            return False
        if gone:
            known = self._find(node.node_type, node.node_id)
            return known is not None and self._remove(node.node_type, known)
        row = self._row(node.node_type, node.node_id)
        properties = {name: value for name, value in node.properties.items() if value is not None}
        if self._now(node.node_type, row) == properties:
            return False
        self._properties[node.node_type][row] = properties
        return True

    def edge(self, edge: Edge, gone: bool) -> bool:
        """Take an edge's latest state; whether that changed anything."""
        edge_type = edge.edge_type
        if edge_type not in self._out:
            return False
        row_of = self._find if gone else self._row
        source, target = row_of(edge_type[0], edge.source_id), row_of(edge_type[2], edge.target_id)
        if source is None or target is None:
            return False
        code = self._code(edge_type, edge.qualifier)
        time = NO_TIME if edge.timestamp_ms is None else edge.timestamp_ms
        now = None if gone else EdgeState(float(np.float32(edge.weight)), time)
        if self._edge_now(edge_type, source, target, code) == now:
            return False
        if not gone:
            # A feed gives latest states, so an edge may come before the node that was created again for it.
            for node_type, row in ((edge_type[0], source), (edge_type[2], target)):
                if not self._exists(node_type, row):
                    self._properties[node_type][row] = {}
        self._put(edge_type, source, target, code, now)
        return True

    def finish(self, watermark: str, changed: int) -> OverlayState:
        """The state after this batch."""
        if not changed:
            state = self._state
            return OverlayState(state.version, watermark, state.nodes, state.edges)
        nodes = {}
        for name, changes in self._state.nodes.items():
            properties = changes.properties.updated(self._properties[name])
            count = max([changes.count, *(row + 1 for row in self._properties[name])])
            unchanged = properties is changes.properties
            nodes[name] = changes if unchanged else NodeChanges(count, properties)
        edges = {}
        for edge_type, before in self._state.edges.items():
            out, into = self._out[edge_type].publish(), self._into[edge_type].publish()
            edges[edge_type] = before if out is before.out else EdgeChanges(out, into)
        return OverlayState(self._state.version + 1, watermark, nodes, edges)

    def _find(self, node_type: str, node_id: str) -> int | None:
        if is_pseudonym(node_id):
            known = chain(self._snapshot.nodes(node_type).ids(), self._new_ids[node_type])
            return named_by(node_id, known)
        row = self._snapshot.nodes(node_type).index_of(node_id)
        return self._new_ids[node_type].number(node_id) if row is None else row

    def _row(self, node_type: str, node_id: str) -> int:
        row = self._snapshot.nodes(node_type).index_of(node_id)
        return self._new_ids[node_type].add(node_id) if row is None else row

    def _now(self, node_type: str, row: int) -> Properties | None:
        """A node's properties as drafted so far; None when it is not there."""
        if row in self._properties[node_type]:
            return self._properties[node_type][row]
        published = self._state.nodes[node_type].properties
        if row in published:
            return published.get(row)
        table = self._snapshot.nodes(node_type)
        return table.properties(row) if row < len(table) else None

    def _exists(self, node_type: str, row: int) -> bool:
        """Whether a node is there as drafted so far; its properties are not read, which costs more than the rest."""
        if row in self._properties[node_type]:
            return self._properties[node_type][row] is not None
        published = self._state.nodes[node_type].properties
        if row in published:
            return published.get(row) is not None
        return row < len(self._snapshot.nodes(node_type))

    def _code(self, edge_type: EdgeType, qualifier: str) -> int:
        if not qualifier:
            return -1
        foreseen = self._foreseen.get(edge_type)
        if foreseen is not None and qualifier in foreseen:
            code = foreseen[qualifier]
        else:
            code = self._snapshot.edges(edge_type).qualifier_code(qualifier)
        return self._new_qualifiers[edge_type].add(qualifier) if code is None else code

    def _edge_now(self, edge_type: EdgeType, source: int, target: int, code: int) -> EdgeState | None:
        changed, state = self._out[edge_type].find(source, (target, code))
        if changed:
            return state
        table = self._snapshot.edges(edge_type)
        if code >= len(table.columns.qualifier_names):
            return None  # the qualifier is younger than the snapshot, and so is the edge
        row = snapshot_row(table, source, "out")
        at = np.flatnonzero((row.indices == target) & (row.qualifier == code))
        return EdgeState(float(row.weight[at[0]]), int(row.timestamp_ms[at[0]])) if at.size else None

    def _put(self, edge_type: EdgeType, source: int, target: int, code: int, state: EdgeState | None) -> None:
        self._out[edge_type].put(source, (target, code), state)
        self._into[edge_type].put(target, (source, code), state)

    def _remove(self, node_type: str, row: int) -> bool:
        """Take a node away with every edge at it, so that none comes back when the node does."""
        if self._now(node_type, row) is None:
            return False
        for edge_type in self._out:
            table = self._snapshot.edges(edge_type)
            if edge_type[0] == node_type:
                edges = edge_row(table, self._out[edge_type].get(row), row, "out")
                for target, code in zip(edges.indices.tolist(), edges.qualifier.tolist(), strict=True):
                    self._put(edge_type, row, target, code, None)
            if edge_type[2] == node_type:
                edges = edge_row(table, self._into[edge_type].get(row), row, "in")
                for source, code in zip(edges.indices.tolist(), edges.qualifier.tolist(), strict=True):
                    self._put(edge_type, source, row, code, None)
        self._properties[node_type][row] = None
        return True
