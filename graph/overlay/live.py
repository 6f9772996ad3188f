"""The overlay itself: takes changes, hands out states."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from copy import copy

from graph.overlay.draft import Draft
from graph.overlay.persistent import FrozenRows
from graph.overlay.state import EdgeChanges, Names, NodeChanges, OverlayState
from graph.records import Change, Node, UpsertEdges
from graph.snapshot import Snapshot


class Overlay:
    """Changes since a snapshot. Safe for one or many writers beside many readers; a reader sees whole batches.

    New nodes get rows after the snapshot's and keep them; a deleted node keeps its row. Changes of types
    that the snapshot's schema does not know wait for the next snapshot.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        schema = snapshot.schema
        self.snapshot = snapshot
        self.new_ids = {spec.name: Names(len(snapshot.nodes(spec.name))) for spec in schema.nodes}
        self.new_qualifiers = {
            spec.edge_type: Names(len(snapshot.edges(spec.edge_type).columns.qualifier_names)) for spec in schema.edges
        }
        self._lock = threading.Lock()
        self._state = OverlayState(
            version=0,
            watermark=snapshot.watermark,
            nodes={name: NodeChanges(ids.first, FrozenRows()) for name, ids in self.new_ids.items()},
            edges={spec.edge_type: EdgeChanges(FrozenRows(), FrozenRows()) for spec in schema.edges},
        )

    @property
    def state(self) -> OverlayState:
        """Every change so far, as one value."""
        return self._state

    @property
    def size(self) -> int:
        """How many nodes and row ends have changed; what a new snapshot would save."""
        state = self._state
        nodes = sum(len(changes.properties) for changes in state.nodes.values())
        return nodes + sum(len(changes.out) for changes in state.edges.values())

    def branch(self) -> Overlay:
        """An overlay that begins as this one is now and goes its own way; costs nothing until it changes."""
        other = copy(self)
        with self._lock:
            other._state = self._state
            other.new_ids = {name: names.branch() for name, names in self.new_ids.items()}
            other.new_qualifiers = {edge_type: names.branch() for edge_type, names in self.new_qualifiers.items()}
        other._lock = threading.Lock()
        return other

    def add(self, written: Sequence[UpsertEdges], watermark: str) -> int:
        """Take edges that were just written, with the watermark right after; how many changed what a reader sees.

        As :meth:`apply` of what the store's feed says of them, at a quarter of the time: nothing is made of each row.
        """
        with self._lock:
            draft = Draft(self.snapshot, self._state, self.new_ids, self.new_qualifiers)
            changed = sum(draft.written(columns) for columns in written)
            self._state = draft.finish(watermark, changed)
        return changed

    def apply(self, changes: Iterable[Change]) -> int:
        """Take changes in order, all visible at once. How many changed what a reader sees.

        Taking the same changes again changes nothing, so a feed may overlap with what is already here.
        """
        with self._lock:
            draft = Draft(self.snapshot, self._state, self.new_ids, self.new_qualifiers)
            changed = 0
            watermark = self._state.watermark
            taken = changes if isinstance(changes, Sequence) else list(changes)
            draft.foresee(taken)
            for change in taken:
                watermark = change.watermark
                record = change.record
                gone = change.operation == "delete"
                changed += draft.node(record, gone) if isinstance(record, Node) else draft.edge(record, gone)
            self._state = draft.finish(watermark, changed)
        return changed
