"""What a bulk load remembers from block to block, so that it need not ask the database again."""

from __future__ import annotations

from collections.abc import Sequence, Set

from neo4j import Transaction

from graph.neo4j.draft import Draft, EdgeRow
from graph.neo4j.flushing import StoredState
from graph.neo4j.names import Names
from graph.neo4j.rows import EdgeKey
from graph.schema import EdgeSpec, EdgeType


class Memory:
    """Nodes known to be live, and pairs known to be joined, while nobody else writes."""

    def __init__(self) -> None:
        self._sequence: int | None = None
        self.live: dict[str, set[str]] = {}
        self.pairs: dict[EdgeType, set[int]] = {}
        """Only for edge types that had no edge when the load began: the hash of every pair written since."""

    def state(self, transaction: Transaction, names: Names, sequence: int) -> RememberedState:
        """What the database holds at ``sequence``; all is forgotten when that is not where this load left it."""
        if self._sequence != sequence:
            self.forget()
        self._sequence = sequence
        return RememberedState(transaction, names, self)

    def forget(self) -> None:
        self._sequence = None
        self.live.clear()
        self.pairs.clear()

    def committed(self, draft: Draft) -> None:
        """Nothing; what the draft wrote is known."""
        self._sequence = draft.sequence
        for node_type, nodes in draft.nodes.items():
            live = self.live.setdefault(node_type, set())
            live.update(node_id for node_id, row in nodes.items() if row.live)
            live.difference_update([node_id for node_id, row in nodes.items() if not row.live])
        for edge_type, edges in draft.edges.items():
            if edge_type in self.pairs:
                self.pairs[edge_type].update(hash(key[:2]) for key in edges)


class RememberedState(StoredState):
    """The database, asked only for what the memory does not know."""

    def __init__(self, transaction: Transaction, names: Names, memory: Memory) -> None:
        super().__init__(transaction, names)
        self._memory = memory

    def live(self, node_type: str) -> Set[str]:
        return self._memory.live.get(node_type, frozenset())

    def edges(self, spec: EdgeSpec, pairs: Sequence[tuple[str, str]]) -> list[tuple[EdgeKey, EdgeRow]]:
        written = self._memory.pairs.get(spec.edge_type)
        if written is None and not self.count(spec.edge_type):
            written = self._memory.pairs[spec.edge_type] = set()
        if written is not None:
            pairs = [pair for pair in pairs if hash(pair) in written]
        return super().edges(spec, pairs) if pairs else []
