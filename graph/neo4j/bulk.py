"""A bulk load: what it remembers from block to block, and the next block drafted while the server writes the last."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import fields, replace
from typing import Any

from neo4j import Transaction

from graph.blocks import COLUMNS, blocks, joined
from graph.errors import KindredError
from graph.neo4j.draft import Draft, EdgeRow, NodeRow
from graph.neo4j.flushing import StoredState
from graph.neo4j.names import Catalogue, Names
from graph.neo4j.rows import EdgeKey, NodeKey
from graph.neo4j.writing import Batch
from graph.records import Applied, Mutation, UpsertEdges, UpsertNodes
from graph.schema import EdgeSpec, EdgeType, NodeSpec
from graph.values import column_list


class NotRemembered(Exception):
    """Only the database knows."""


class Memory:
    """Nodes known to be live, and edges known to be there or not, while nobody else writes."""

    def __init__(self) -> None:
        self.sequence: int | None = None
        """Where the graph is by all we know; None when nothing is known."""
        self.catalogue: Catalogue | None = None
        self.live: dict[str, set[str]] = {}
        self.whole: set[str] = set()
        """Node types that had no node when the load began: whoever is not known to be live is not there."""
        self.keys: dict[EdgeType, set[int]] = {}
        """Only for edge types that had no edge when the load began: the hash of every key written since."""
        self.tombstones: bool | None = None
        self.forgotten = 0
        """How often all was forgotten."""

    def state(self, transaction: Transaction, catalogue: Catalogue, sequence: int) -> RememberedState:
        """What the database holds at ``sequence``; all is forgotten when that is not where this load left it."""
        if self.sequence != sequence:
            self.forget()
        self.sequence, self.catalogue = sequence, catalogue
        return RememberedState(transaction, catalogue.names, self)

    def draft(self, mutations: Iterable[Mutation]) -> Draft | None:
        """The rows that the mutations end in, without asking the database; None where only that knows."""
        if self.sequence is None or self.catalogue is None:
            return None
        draft = Draft(self.catalogue, _OnlyRemembered(self), self.sequence)
        try:
            for mutation in mutations:
                draft.write(mutation)
        except (NotRemembered, KindredError):
            return None  # the transaction will tell, once it sees what is there
        return draft if draft.changed else None

    def forget(self) -> None:
        self.forgotten += 1
        self.sequence = self.catalogue = self.tombstones = None
        self.live.clear()
        self.whole.clear()
        self.keys.clear()

    def committed(self, draft: Draft) -> None:
        """Nothing; what the draft wrote is known."""
        self.sequence = draft.sequence
        for node_type, nodes in draft.nodes.items():
            live = self.live.setdefault(node_type, set())
            for node_id, row in nodes.items():
                if row.live:
                    live.add(node_id)
                else:
                    live.discard(node_id)
                    self.tombstones = None
        for edge_type, edges in draft.edges.items():
            if edge_type in self.keys:
                self.keys[edge_type].update(map(hash, edges))
            if self.tombstones is False and not all(row.live for row in edges.values()):
                self.tombstones = None

    def split(self, mutation: Mutation) -> tuple[Mutation | None, UpsertEdges | None]:
        """The rows that are surely new, or that nothing is known of, and those of edges this load wrote before."""
        if not isinstance(mutation, UpsertEdges) or not (known := self.keys.get(mutation.edge_type)):
            return mutation, None
        rows = len(mutation.source_ids)
        qualifiers = [""] * rows if mutation.qualifiers is None else mutation.qualifiers
        ends = (column_list(column, "ids") for column in (mutation.source_ids, mutation.target_ids, qualifiers))
        again = [hash(key) in known for key in zip(*ends, strict=False)]
        if not any(again):
            return mutation, None
        if all(again):
            return None, mutation
        return _rows(mutation, [not mark for mark in again]), _rows(mutation, again)


def _rows(mutation: UpsertEdges, marks: Sequence[bool]) -> UpsertEdges:
    chosen: dict[str, Any] = {}
    for field in fields(mutation):
        column = getattr(mutation, field.name)
        if field.name in COLUMNS and hasattr(column, "__len__"):
            values = column_list(column, field.name)
            chosen[field.name] = [value for value, mark in zip(values, marks, strict=True) if mark]
    return replace(mutation, **chosen)


class RememberedState(StoredState):
    """The database, asked only for what the memory does not know."""

    def __init__(self, transaction: Transaction, names: Names, memory: Memory) -> None:
        super().__init__(transaction, names)
        self._memory = memory

    def live(self, node_type: str) -> Set[str]:
        return self._memory.live.get(node_type, frozenset())

    def nodes(self, spec: NodeSpec, node_ids: Sequence[str]) -> dict[str, NodeRow]:
        memory = self._memory
        if spec.name not in memory.whole and not memory.live.get(spec.name) and not self.count_nodes(spec.name):
            memory.whole.add(spec.name)
        if spec.name in memory.whole:
            live = self.live(spec.name)
            node_ids = [node_id for node_id in node_ids if node_id in live]
        return super().nodes(spec, node_ids) if node_ids else {}

    def doubtful(self, spec: EdgeSpec, keys: Sequence[tuple[str, str, str]]) -> Sequence[tuple[str, str, str]]:
        written = self._memory.keys.get(spec.edge_type)
        if written is None:
            if self.count(spec.edge_type):
                return keys
            written = self._memory.keys[spec.edge_type] = set()
        return [key for key in keys if hash(key) in written] if written else []

    def _any_tombstone(self) -> bool:
        if self._memory.tombstones is None:
            self._memory.tombstones = super()._any_tombstone()
        return self._memory.tombstones


class _OnlyRemembered:
    """A :class:`~graph.neo4j.draft.State` that never asks.

    Raises:
        NotRemembered: from every question that only the database can answer.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def live(self, node_type: str) -> Set[str]:
        return self._memory.live.get(node_type, frozenset())

    def nodes(self, spec: NodeSpec, node_ids: Sequence[str]) -> dict[str, NodeRow]:
        if spec.name not in self._memory.whole or not self.live(spec.name).isdisjoint(node_ids):
            raise NotRemembered
        return {}

    def doubtful(self, spec: EdgeSpec, keys: Sequence[tuple[str, str, str]]) -> Sequence[tuple[str, str, str]]:
        written = self._memory.keys.get(spec.edge_type)
        if written is None or not written.isdisjoint(map(hash, keys)):
            raise NotRemembered
        return []

    def edges(self, spec: EdgeSpec, pairs: Sequence[tuple[str, str]]) -> list[tuple[EdgeKey, EdgeRow]]:
        raise NotRemembered

    def edges_at(self, spec: EdgeSpec, end: str, node_ids: Sequence[str]) -> list[tuple[EdgeKey, EdgeRow]]:
        raise NotRemembered

    def buried(self, keys: Sequence[NodeKey | EdgeKey]) -> dict[NodeKey | EdgeKey, int]:
        if keys and self._memory.tombstones is not False:
            raise NotRemembered
        return {}


class BulkWriting:
    """Writes many mutations block by block.

    While the server writes a block the next one is drafted from memory: into an empty graph this process and the
    server then work at the same time. Rows of edges that an earlier block wrote wait to the end, since the database
    has to be asked for them; their order among themselves stays. ``before_many`` is called before the first block
    where it is a full one.
    """

    def __init__(
        self,
        new_batch: Callable[[Sequence[Mutation], Memory], Batch],
        write: Callable[[Batch], Applied],
        before_many: Callable[[], None],
        block_rows: int,
    ) -> None:
        self._new_batch = new_batch
        self._write = write
        self._before_many = before_many
        self._block_rows = block_rows
        self._memory = Memory()
        self._flying: tuple[Batch, Future[Applied]] | None = None
        self.changed = 0

    def write(self, mutations: Iterable[Mutation]) -> None:
        """Nothing; all is committed."""
        with ThreadPoolExecutor(1, "neo4j-load") as pool:
            for some in self._sorted(mutations):
                batch = self._new_batch(some, self._memory)
                batch.ahead = self._memory.draft(some)
                self._land()
                if batch.ahead is not None and batch.ahead.started_at == self._memory.sequence:
                    self._memory.committed(batch.ahead)
                    self._flying = batch, pool.submit(self._write, batch)
                else:
                    batch.ahead = None
                    self._count(batch, self._write(batch))
            self._land()

    def _land(self) -> None:
        """Nothing; the block on its way is written, and where it went another way than drafted all is forgotten."""
        if self._flying is None:
            return
        (batch, written), self._flying = self._flying, None
        self.changed += written.result().changed
        if batch.draft is not batch.ahead:
            self._memory.forget()

    def _count(self, batch: Batch, applied: Applied) -> None:
        self.changed += applied.changed
        if applied.changed and batch.draft is not None:
            self._memory.committed(batch.draft)

    def _sorted(self, mutations: Iterable[Mutation]) -> Iterator[list[Mutation]]:
        """The blocks, without the rows that wait, and those at the end or before anything that is no plain upsert."""
        waiting: list[UpsertEdges] = []
        forgotten = self._memory.forgotten
        for number, block in enumerate(blocks(mutations, self._block_rows)):
            if number == 0 and block.rows >= self._block_rows:
                self._before_many()
            some = list(joined(block.mutations))
            if waiting and forgotten != self._memory.forgotten:
                yield list(joined(waiting))  # rows after them can no longer be told from them
                waiting = []
            forgotten = self._memory.forgotten
            if all(isinstance(mutation, (UpsertNodes, UpsertEdges)) for mutation in some):
                parts = [self._memory.split(mutation) for mutation in some]
                waiting += [again for _, again in parts if again is not None]
                some = [first for first, _ in parts if first is not None]
            elif waiting:
                yield list(joined(waiting))
                waiting = []
            if some:
                yield some
            if sum(len(mutation.source_ids) for mutation in waiting) >= self._block_rows:
                yield list(joined(waiting))
                waiting = []
        if waiting:
            yield list(joined(waiting))
