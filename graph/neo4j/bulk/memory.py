"""What a bulk load remembers from block to block, so that it need not ask the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import fields, replace
from typing import Any, TypeVar

from neo4j import Transaction

from graph.blocks import COLUMNS
from graph.errors import KindredError
from graph.neo4j.bulk.new_rows import Key
from graph.neo4j.cypher.names import Catalogue, Names
from graph.neo4j.rows import EdgeKey, NodeKey, Table
from graph.neo4j.writing.draft import Draft
from graph.neo4j.writing.draft_rows import EdgeRow, NodeRow
from graph.neo4j.writing.flushing import StoredState
from graph.records import Mutation, UpsertEdges, UpsertNodes
from graph.schema import EdgeSpec, EdgeType, GraphSchema, NodeSpec
from graph.values import column_list

_Upsert = TypeVar("_Upsert", bound=UpsertNodes | UpsertEdges)


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

    def look(self, transaction: Transaction, catalogue: Catalogue, sequence: int) -> None:
        """Nothing; it is known which types are empty, and whether anything was ever deleted."""
        self.state(transaction, catalogue, sequence).look(catalogue.schema)

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
        """Nothing; what the draft wrote is known, unless all was forgotten since it was drafted.

        That is so where a transaction was tried again and found that an earlier try, whose answer was lost, had been
        committed: rows cut before then rest on what is no longer known.
        """
        if self.catalogue is None:
            return
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

    def flying(self, last: int, live: Mapping[str, Iterable[str]], keys: Mapping[EdgeType, Iterable[int]]) -> None:
        """Nothing; new rows up to that number are taken for written: nodes by type, and the hashes of edges."""
        self.sequence = last
        for node_type, node_ids in live.items():
            self.live.setdefault(node_type, set()).update(node_ids)
        for edge_type, hashes in keys.items():
            if edge_type in self.keys:
                self.keys[edge_type].update(hashes)

    def split(self, mutation: Mutation, met: dict[EdgeType, set[int]]) -> tuple[Mutation | None, UpsertEdges | None]:
        """The rows that are surely new, or that nothing is known of, and those of edges that this load has already.

        ``met`` are the edges of this block before the mutation, and with its own afterwards.
        """
        if not isinstance(mutation, UpsertEdges) or (known := self.keys.get(mutation.edge_type)) is None:
            return mutation, None
        hashes = list(map(hash, _edge_keys(mutation)))
        here = met.setdefault(mutation.edge_type, set())
        distinct = set(hashes)
        if len(distinct) == len(hashes) and distinct.isdisjoint(known) and distinct.isdisjoint(here):
            here |= distinct
            return mutation, None
        again = []
        for one in hashes:
            again.append(one in known or one in here)
            here.add(one)
        if all(again):
            return None, mutation
        return _rows(mutation, [not mark for mark in again]), _rows(mutation, again)


def without(mutations: Iterable[Mutation], done: Mapping[Table, Set[Key]]) -> list[Mutation]:
    """The upserts without the rows of ``done``."""
    left: list[Mutation] = []
    for mutation in mutations:
        keys: Sequence[Key]
        if isinstance(mutation, UpsertNodes):
            table: Table = mutation.node_type
            keys = column_list(mutation.node_ids, "ids")
        elif isinstance(mutation, UpsertEdges):
            table, keys = mutation.edge_type, _edge_keys(mutation)
        else:
            left.append(mutation)
            continue
        marks = [key not in done.get(table, ()) for key in keys]
        if any(marks):
            left.append(mutation if all(marks) else _rows(mutation, marks))
    return left


def _edge_keys(mutation: UpsertEdges) -> list[tuple[str, str, str]]:
    rows = len(mutation.source_ids)
    qualifiers = [""] * rows if mutation.qualifiers is None else mutation.qualifiers
    ends = (column_list(column, "ids") for column in (mutation.source_ids, mutation.target_ids, qualifiers))
    return list(zip(*ends, strict=False))


def _rows(mutation: _Upsert, marks: Sequence[bool]) -> _Upsert:
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

    def look(self, schema: GraphSchema) -> None:
        """Nothing; the memory knows which types are empty, and whether anything was ever deleted."""
        for node in schema.nodes:
            self._is_whole(node.name)
        for edge in schema.edges:
            self._written(edge.edge_type)
        self._any_tombstone()

    def nodes(self, spec: NodeSpec, node_ids: Sequence[str]) -> dict[str, NodeRow]:
        if self._is_whole(spec.name):
            live = self.live(spec.name)
            node_ids = [node_id for node_id in node_ids if node_id in live]
        return super().nodes(spec, node_ids) if node_ids else {}

    def doubtful(self, spec: EdgeSpec, keys: Sequence[tuple[str, str, str]]) -> Sequence[tuple[str, str, str]]:
        written = self._written(spec.edge_type)
        if written is None:
            return keys
        return [key for key in keys if hash(key) in written] if written else []

    def _is_whole(self, node_type: str) -> bool:
        memory = self._memory
        if node_type not in memory.whole and not memory.live.get(node_type) and not self.count_nodes(node_type):
            memory.whole.add(node_type)
        return node_type in memory.whole

    def _written(self, edge_type: EdgeType) -> set[int] | None:
        """The edges of the type that this load wrote; None where the type had some before."""
        keys = self._memory.keys
        if edge_type not in keys and not self.count(edge_type):
            keys[edge_type] = set()
        return keys.get(edge_type)

    def _any_tombstone(self) -> bool:
        if self._memory.tombstones is None:
            self._memory.tombstones = super()._any_tombstone()
        return self._memory.tombstones


class _OnlyRemembered:
    """A :class:`~graph.neo4j.writing.draft_rows.State` that never asks.

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
