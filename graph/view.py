"""The graph as it is now: a snapshot with an overlay over it, read by row number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import scipy.sparse as sp

from graph.expansion import Expansion, expand
from graph.overlay import EdgeChanges, EdgeRow, Overlay, OverlayState, edge_row
from graph.overlay.persistent import FrozenRows
from graph.overlay.state import Names
from graph.patching import patched
from graph.records import Properties, Value
from graph.schema import EdgeRole, EdgeType, GraphSchema
from graph.snapshot import NO_TIME, IntArray, Snapshot
from graph.snapshot.edges import EdgeTable, FloatArray, LongArray
from graph.snapshot.nodes import title_of

Side: TypeAlias = Literal["out", "in"]


class Neighbors(NamedTuple):
    """The edges at one node, oldest first, parallel ones kept. Shapes: (N,)."""

    indices: IntArray
    weight: FloatArray
    timestamp_s: LongArray
    """``NO_TIME`` where unknown."""


class GraphView:
    """Reads a snapshot and what changed since. Safe to use from several threads.

    Each answer is of one moment; :meth:`frozen` gives a view whose every answer is of the same moment.
    New nodes have rows after the snapshot's, deleted ones keep theirs and :meth:`exists` says so.
    """

    def __init__(self, snapshot: Snapshot, overlay: Overlay | None = None) -> None:
        self.snapshot = snapshot
        self.schema: GraphSchema = snapshot.schema
        self._overlay = overlay
        self._frozen: OverlayState | None = None
        self._base: dict[EdgeType, sp.csr_array] = {}
        self._matrices: dict[EdgeType, tuple[EdgeChanges, tuple[int, int], sp.csr_array]] = {}

    def frozen(self) -> GraphView:
        """This view as of now; what is cached is shared."""
        view = GraphView(self.snapshot, self._overlay)
        view._frozen, view._base, view._matrices = self._state, self._base, self._matrices
        return view

    def over(self, overlay: Overlay) -> GraphView:
        """The same snapshot under another overlay; what the snapshot alone decides is shared."""
        view = GraphView(self.snapshot, overlay)
        view._base, view._matrices = self._base, dict(self._matrices)
        return view

    @property
    def overlay(self) -> Overlay | None:
        """What lies over the snapshot, if anything."""
        return self._overlay

    def qualifier(self, edge_type: EdgeType, code: int) -> str:
        """The qualifier behind a code of :meth:`edge_row`; empty for -1."""
        table = self.snapshot.edges(edge_type)
        if code < len(table.columns.qualifier_names):
            return table.qualifier_name(code)
        assert self._overlay is not None  # a code beyond the snapshot's comes from an overlay
        return self._overlay.new_qualifiers[edge_type].name(code)

    @property
    def _state(self) -> OverlayState | None:
        if self._frozen is not None or self._overlay is None:
            return self._frozen
        return self._overlay.state

    @property
    def watermark(self) -> str:
        state = self._state
        return self.snapshot.watermark if state is None else state.watermark

    @property
    def version(self) -> int:
        """A number that grows with every change that a reader can see."""
        state = self._state
        return 0 if state is None else state.version

    def num_nodes(self, node_type: str) -> int:
        """Rows of a node type, deleted nodes included."""
        return self._count(self._state, node_type)

    def _count(self, state: OverlayState | None, node_type: str) -> int:
        if state is None or node_type not in state.nodes:
            return len(self.snapshot.nodes(node_type))
        return state.nodes[node_type].count

    def index_of(self, node_type: str, node_id: str) -> int | None:
        """The row of a node that exists now."""
        row = self.snapshot.nodes(node_type).index_of(node_id)
        if row is None and self._overlay is not None:
            row = self._overlay.new_ids[node_type].number(node_id)
        return row if row is not None and self.exists(node_type, row) else None

    def id_of(self, node_type: str, index: int) -> str:
        table = self.snapshot.nodes(node_type)
        return table.id_of(index) if index < len(table) else self._new_ids(node_type, index).name(index)

    def title(self, node_type: str, index: int) -> str:
        """The display name of a node, else its id."""
        return self.named(node_type, index)[1]

    def named(self, node_type: str, index: int) -> tuple[str, str]:
        """The id and the title of a node."""
        properties = self._changed_properties(node_type, index)
        if properties is None:
            return self.snapshot.nodes(node_type).named(index)
        spec, node_id = self.schema.node(node_type), self.id_of(node_type, index)
        return node_id, title_of(spec, node_id, properties.get(spec.title or ""))

    def all_named(self, node_type: str, rows: Sequence[int]) -> list[tuple[str, str]]:
        """The id and the title of each of some nodes."""
        state = self._state
        if state is None or not len(state.nodes[node_type].properties):
            return self.snapshot.nodes(node_type).all_named(rows)
        return [self.named(node_type, row) for row in rows]

    def property(self, node_type: str, index: int, name: str) -> Value | None:
        """One property a node has now; ``None`` for an absent one."""
        properties = self._changed_properties(node_type, index)
        return self.snapshot.nodes(node_type).property(index, name) if properties is None else properties.get(name)

    def properties(self, node_type: str, index: int) -> dict[str, Value]:
        """The properties a node has now; empty for a deleted one."""
        properties = self._changed_properties(node_type, index)
        return self.snapshot.nodes(node_type).properties(index) if properties is None else properties

    def exists(self, node_type: str, index: int) -> bool:
        """Whether the node of a row is there now."""
        state = self._state
        num_base = len(self.snapshot.nodes(node_type))
        if state is not None and index in state.nodes[node_type].properties:
            return state.nodes[node_type].properties.get(index) is not None
        return 0 <= index < num_base

    def missing(self, node_type: str) -> IntArray:
        """Rows whose node is not there now, ascending."""
        state = self._state
        if state is None:
            return np.zeros(0, np.int32)
        changes = state.nodes[node_type]
        gone = [row for row in changes.properties if changes.properties.get(row) is None]
        late = range(len(self.snapshot.nodes(node_type)), changes.count)
        never = [row for row in late if row not in changes.properties]
        return np.sort(np.asarray(gone + never, np.int32))

    def touched(self, node_type: str, *, since: GraphView | None = None) -> set[int]:
        """Rows of a node type whose properties, or whose edges other than interactions, are not what they were.

        ``since`` is an earlier frozen view of the same graph; without it the snapshot is meant.
        """
        state, before = self._state, None if since is None else since._state
        if state is None:
            return set()
        rows = self.reworded(node_type, since=since)
        for spec in self.schema.edges:
            if spec.role is not EdgeRole.INTERACTION:
                changes = state.edges[spec.edge_type]
                was = EdgeChanges(FrozenRows(), FrozenRows()) if before is None else before.edges[spec.edge_type]
                if changes is not was and spec.source == node_type:
                    rows.update(changes.out.changed_since(was.out))
                if changes is not was and spec.target == node_type:
                    rows.update(changes.into.changed_since(was.into))
        return rows

    def reworded(self, node_type: str, *, since: GraphView | None = None) -> set[int]:
        """Rows of a node type whose properties are not what they were; ``since`` as in :meth:`touched`."""
        if self._state is None:
            return set()
        before = None if since is None else since._state
        nodes = FrozenRows[Properties | None]() if before is None else before.nodes[node_type].properties
        return set(self._state.nodes[node_type].properties.changed_since(nodes))

    def changed_nodes(self, node_type: str) -> IntArray:
        """Rows that came, changed or went since the snapshot, ascending."""
        state = self._state
        rows = () if state is None else tuple(state.nodes[node_type].properties)
        return np.sort(np.asarray(rows, np.int32))

    def state_of(self, name: str | EdgeType) -> object:
        """What is the same object for as long as nothing of this node or edge type changes."""
        state = self._state
        if state is None:
            return None
        return state.nodes[name] if isinstance(name, str) else state.edges[name]

    def _changed_properties(self, node_type: str, index: int) -> dict[str, Value] | None:
        """Properties that differ from the snapshot's; None when they are the snapshot's."""
        state = self._state
        if state is None or index not in state.nodes[node_type].properties:
            return None
        return dict(state.nodes[node_type].properties.get(index) or {})

    def _new_ids(self, node_type: str, index: int) -> Names:
        if self._overlay is None or index >= self.num_nodes(node_type):
            raise IndexError(f"{node_type} row out of range: expected below {self.num_nodes(node_type)}, got {index}")
        return self._overlay.new_ids[node_type]

    def edge_row(self, edge_type: EdgeType, index: int, direction: Side = "out") -> EdgeRow:
        """The edges at one node with times in milliseconds and qualifier codes, oldest first."""
        changes = self._changes(edge_type)
        side = None if changes is None else (changes.out if direction == "out" else changes.into)
        return edge_row(self.snapshot.edges(edge_type), None if side is None else side.get(index), index, direction)

    def neighbors(self, edge_type: EdgeType, index: int, direction: Side = "out") -> Neighbors:
        """The edges at one node, oldest first."""
        row = self.edge_row(edge_type, index, direction)
        seconds = np.where(row.timestamp_ms == NO_TIME, NO_TIME, row.timestamp_ms // 1000)
        return Neighbors(row.indices, row.weight, seconds)

    def events(self, edge_type: EdgeType, index: int) -> tuple[IntArray, LongArray]:
        """Where a node's edges lead and when they were, in seconds, oldest first: the columns of a history."""
        changes, table = self._changes(edge_type), self.snapshot.edges(edge_type)
        if index < table.out.indptr.size - 1 and (changes is None or index not in changes.out):
            row = slice(int(table.out.indptr[index]), int(table.out.indptr[index + 1]))
            return table.out.indices[row], table.timestamp_s_at(row)
        found = self.neighbors(edge_type, index)
        return found.indices, found.timestamp_s

    def ends(self, edge_type: EdgeType, index: int, direction: Side = "out") -> IntArray:
        """The rows at the other ends of a node's edges, oldest first: :meth:`neighbors` without its columns."""
        changes = self._changes(edge_type)
        table = self.snapshot.edges(edge_type)
        csr, changed = (
            (table.out, changes and changes.out) if direction == "out" else (table.into, changes and changes.into)
        )
        if index < csr.indptr.size - 1 and (not changed or index not in changed):
            return csr.row(index)
        return self.edge_row(edge_type, index, direction).indices

    def expand(
        self,
        edge_type: EdgeType,
        indices: IntArray,
        direction: Side = "out",
        *,
        distinct: bool = False,
        columns: bool = False,
    ) -> Expansion:
        """The edges at many nodes, one row after the other; ``distinct`` gives each pair of ends once."""
        table, changes = self.snapshot.edges(edge_type), self._changes(edge_type)
        return expand(table, changes, indices, direction, distinct=distinct, columns=columns)

    def unchanged(self, edge_type: EdgeType) -> EdgeTable | None:
        """The snapshot's table of an edge type, when nothing of that type has changed since."""
        changes = self._changes(edge_type)
        return self.snapshot.edges(edge_type) if changes is None or not len(changes.out) else None

    def told_apart(self, edge_type: EdgeType, sources: IntArray) -> tuple[IntArray, IntArray]:
        """The source rows whose edges are the snapshot's, and those whose edges changed since."""
        changes = self._changes(edge_type)
        if changes is None or not len(changes.out):
            return sources, sources[:0]
        changed = np.isin(sources, changes.out_rows)
        return sources[~changed], sources[changed]

    def has_parallel_edges(self, edge_type: EdgeType) -> bool:
        """Whether two edges of this type may join the same pair."""
        changes = self._changes(edge_type)
        changed = changes is not None and len(changes.out) > 0
        return changed or self.snapshot.edges(edge_type).has_parallel_edges

    def has_edge(self, edge_type: EdgeType, source_index: int, target_index: int) -> bool:
        """Whether any edge of this type joins the two now."""
        changes = self._changes(edge_type)
        if changes is not None and (source_index in changes.out or target_index in changes.into):
            return bool((self.edge_row(edge_type, source_index).indices == target_index).any())
        table = self.snapshot.edges(edge_type)
        if source_index >= table.out.indptr.size - 1 or target_index >= table.into.indptr.size - 1:
            return False
        targets, sources = table.out.row(source_index), table.into.row(target_index)
        if targets.size <= sources.size:
            return bool((targets == target_index).any())
        return bool((sources == source_index).any())

    def matrix(self, edge_type: EdgeType) -> sp.csr_array:
        """Which pairs are joined now: binary, float32, sorted indices. Shape (source rows, target rows).

        Cached until an edge of this type changes or a node is added; shared, so its arrays are read-only.
        """
        state = self._state
        changes = None if state is None else state.edges.get(edge_type)
        shape = (self._count(state, edge_type[0]), self._count(state, edge_type[2]))
        base = self._base.get(edge_type)
        if base is None:
            base = self._base.setdefault(edge_type, _read_only(self.snapshot.edges(edge_type).matrix()))
        if changes is None or (not len(changes.out) and base.shape == shape):
            return base
        cached = self._matrices.get(edge_type)
        if cached is not None and cached[0] is changes and cached[1] == shape:
            return cached[2]
        rows = changes.out_rows
        table = self.snapshot.edges(edge_type)
        targets = [edge_row(table, changes.out.get(row), row, "out").indices for row in rows.tolist()]
        matrix = _read_only(patched(base, rows, targets, shape))
        self._matrices[edge_type] = (changes, shape, matrix)
        return matrix

    def _changes(self, edge_type: EdgeType) -> EdgeChanges | None:
        state = self._state
        return None if state is None else state.edges.get(edge_type)


def _read_only(matrix: sp.csr_array) -> sp.csr_array:
    for array in (matrix.indptr, matrix.indices, matrix.data):
        array.flags.writeable = False
    return matrix
