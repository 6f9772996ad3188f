"""How the rows of a draft are read from and written to the database inside a transaction."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence, Set
from functools import partial
from operator import itemgetter
from typing import Any, TypeVar

from neo4j import Transaction

from graph.neo4j.cypher import statements
from graph.neo4j.cypher.names import Catalogue, Names
from graph.neo4j.rows import EdgeKey, NodeKey, read_cells, read_properties, tombstone_key, tombstone_record
from graph.neo4j.wire.faults import MovedUnderneath
from graph.neo4j.writing.draft import Draft
from graph.neo4j.writing.draft_rows import EdgeRow, NodeRow
from graph.schema import EdgeSpec, EdgeType, NodeSpec

ROWS_AT_ONCE = 20_000
_THERE = partial(operator.is_not, None)
_T = TypeVar("_T")


def pieces(rows: Sequence[_T]) -> Iterator[Sequence[_T]]:
    """The rows in pieces that one statement can take."""
    for start in range(0, len(rows), ROWS_AT_ONCE):
        yield rows[start : start + ROWS_AT_ONCE]


class StoredState:
    """A :class:`~graph.neo4j.writing.draft_rows.State`: what the database holds, as the transaction sees it."""

    def __init__(self, transaction: Transaction, names: Names) -> None:
        self._transaction = transaction
        self._names = names
        self._edges: dict[EdgeType, int] = {}
        self._tombstones: int | None = None

    def nodes(self, spec: NodeSpec, node_ids: Sequence[str]) -> dict[str, NodeRow]:
        statement = statements.find_nodes(self._names, spec)
        return {
            node_id: NodeRow(version, read_properties(spec.properties, cells), live=True, stored=True)
            for some in pieces(node_ids)
            for node_id, version, cells in self._transaction.run(statement, ids=some).values()
        }

    def doubtful(self, spec: EdgeSpec, keys: Sequence[tuple[str, str, str]]) -> Sequence[tuple[str, str, str]]:
        return keys if self.count(spec.edge_type) else []

    def edges(self, spec: EdgeSpec, pairs: Sequence[tuple[str, str]]) -> list[tuple[EdgeKey, EdgeRow]]:
        if not self.count(spec.edge_type):
            return []
        statement = statements.find_edges(self._names, spec)
        return [
            _edge(spec, row)
            for some in pieces(pairs)
            for row in self._transaction.run(statement, pairs=list(map(list, some))).values()
        ]

    def edges_at(self, spec: EdgeSpec, end: str, node_ids: Sequence[str]) -> list[tuple[EdgeKey, EdgeRow]]:
        statement = statements.find_edges_at(self._names, spec, end)
        return [
            _edge(spec, row)
            for some in pieces(node_ids)
            for row in self._transaction.run(statement, ids=some).values()
            if isinstance(row[0], str) and isinstance(row[1], str)
        ]

    def live(self, node_type: str) -> Set[str]:
        return frozenset()

    def buried(self, keys: Sequence[NodeKey | EdgeKey]) -> dict[NodeKey | EdgeKey, int]:
        if not keys or not self._any_tombstone():
            return {}
        of = {tombstone_key(tombstone_record(key)): key for key in keys}
        statement = statements.find_tombstones(self._names)
        return {
            of[key]: version
            for some in pieces(list(of))
            for key, version in self._transaction.run(statement, keys=some).values()
        }

    def count(self, edge_type: EdgeType) -> int:
        """How many edges of the type there are at most, at the beginning."""
        if edge_type not in self._edges:
            (row,) = self._transaction.run(statements.count_some_edges(self._names, edge_type)).values()
            self._edges[edge_type] = row[0]
        return self._edges[edge_type]

    def count_nodes(self, node_type: str) -> int:
        """How many nodes of the type there are."""
        (row,) = self._transaction.run(statements.count_nodes(self._names, node_type)).values()
        return int(row[0])

    def _any_tombstone(self) -> bool:
        if self._tombstones is None:
            (row,) = self._transaction.run(statements.count_tombstones(self._names)).values()
            self._tombstones = row[0]
        return bool(self._tombstones)


def _edge(spec: EdgeSpec, row: Sequence[Any]) -> tuple[EdgeKey, EdgeRow]:
    source, target, element, cells = row
    read = read_cells(spec, cells)
    edge = EdgeRow(read.version, read.weight, read.timestamp_ms, read.properties, live=True, element=element)
    return (spec.edge_type, source, target, read.qualifier), edge


def flush(transaction: Transaction, catalogue: Catalogue, draft: Draft) -> None:
    """Nothing; the database holds what the draft says."""
    names, schema = catalogue.names, catalogue.schema
    for some in pieces(draft.doomed_edges):
        transaction.run(statements.DELETE_EDGES, elements=some).consume()
    for node in schema.nodes:
        doomed = [node_id for node_id, row in draft.nodes[node.name].items() if row.doomed]
        for some in pieces(doomed):
            transaction.run(statements.delete_nodes(names, node.name), ids=some).consume()
    _write_tombstones(transaction, names, draft)
    for node in schema.nodes:
        _write_nodes(transaction, names, node, draft.nodes[node.name])
    for edge in schema.edges:
        _write_edges(transaction, names, edge, draft.edges[edge.edge_type])


def _write_tombstones(transaction: Transaction, names: Names, draft: Draft) -> None:
    # Few rows of a load are of interest here, so their keys are made last.
    keyed: list[tuple[NodeKey | EdgeKey, NodeRow | EdgeRow]] = [
        ((node_type, node_id), node)
        for node_type, nodes in draft.nodes.items()
        for node_id, node in nodes.items()
        if node.sequence and (node.buried or not node.live)
    ]
    keyed += [
        ((edge_type, *key), edge)
        for edge_type, edges in draft.edges.items()
        for key, edge in edges.items()
        if edge.sequence and (edge.buried or not edge.live)
    ]
    dug_up = [tombstone_key(tombstone_record(key)) for key, row in keyed if row.live]
    fresh = []
    for key, row in keyed:
        if not row.live:
            record = tombstone_record(key)
            fresh.append([tombstone_key(record), record, row.version, row.sequence])
    for some in pieces(dug_up):
        transaction.run(statements.drop_tombstones(names), keys=some).consume()
    for rows in pieces(fresh):
        transaction.run(statements.write_tombstones(names), rows=rows).consume()


def _write_nodes(transaction: Transaction, names: Names, spec: NodeSpec, rows: dict[str, NodeRow]) -> None:
    columns, created, updated = node_cells(spec, rows)
    for some in pieces(created):
        transaction.run(statements.create_nodes(names, spec, columns), rows=some).consume()
    for some in pieces(updated):
        check_count(transaction.run(statements.update_nodes(names, spec), rows=some).single(), len(some), names)


def _write_edges(
    transaction: Transaction, names: Names, spec: EdgeSpec, rows: dict[tuple[str, str, str], EdgeRow]
) -> None:
    used, columns, created, updated = edge_cells(spec, rows)
    for some in pieces(created):
        check_count(transaction.run(statements.create_edges(names, spec, used), rows=some).single(), len(some), names)
    for some in pieces(updated):
        check_count(
            transaction.run(statements.update_edges(names, spec, columns), rows=some).single(), len(some), names
        )


def node_cells(spec: NodeSpec, rows: dict[str, NodeRow]) -> tuple[list[str], list[list[Any]], list[list[Any]]]:
    """The properties that any new node has, the rows of new nodes, and those of changed ones."""
    properties = list(spec.properties)
    created: list[list[Any]] = []
    updated: list[list[Any]] = []
    for node_id, row in rows.items():
        if row.sequence and row.live:
            cells = [node_id, row.sequence, _version(row), *map(row.properties.get, properties)]
            (updated if row.stored else created).append(cells)
    return *_used(properties, created, 3), updated


def edge_cells(
    spec: EdgeSpec, rows: dict[tuple[str, str, str], EdgeRow]
) -> tuple[list[str], list[str], list[list[Any]], list[list[Any]]]:
    """The columns that any new edge has, all there are, the rows of new edges, and those of changed ones."""
    keys = [key for key, row in rows.items() if row.sequence and row.live and row.element is None]
    new = [rows[key] for key in keys]
    fresh = _edge_columns(spec, keys, new)
    used = [name for name, column in fresh.items() if any(map(_THERE, column))]
    sources, targets, numbers = [key[0] for key in keys], [key[1] for key in keys], [row.sequence for row in new]
    created = list(map(list, zip(sources, targets, numbers, *(fresh[name] for name in used), strict=True)))
    # By the target, usually the denser end: its relationships are then written one after the other.
    created.sort(key=itemgetter(1))
    keys = [key for key, row in rows.items() if row.sequence and row.live and row.element is not None]
    old = [rows[key] for key in keys]
    cells = _edge_columns(spec, keys, old)
    elements, numbers = [row.element for row in old], [row.sequence for row in old]
    return used, list(cells), created, list(map(list, zip(elements, numbers, *cells.values(), strict=True)))


def _edge_columns(
    spec: EdgeSpec, keys: Sequence[tuple[str, str, str]], rows: Sequence[EdgeRow]
) -> dict[str, list[Any]]:
    """What is stored of edges beside their ends and number, a default as None. Columns take less time than rows."""
    columns: dict[str, list[Any]] = {
        "cell:qualifier": [key[2] or None for key in keys],
        "cell:weight": [None if row.weight == 1.0 else row.weight for row in rows],
        "cell:timestamp_ms": [row.timestamp_ms for row in rows],
        "_version": [_version(row) for row in rows],
    }
    for name in spec.properties:
        columns[f"property:{name}"] = [row.properties.get(name) for row in rows]
    return columns


def _version(row: NodeRow | EdgeRow) -> int | None:
    """The version to store: none for the first, which most rows never leave."""
    return row.version if row.version != 1 else None


def _used(columns: Sequence[str], rows: list[list[Any]], first: int) -> tuple[list[str], list[list[Any]]]:
    """The columns that any row has a value in, and the rows with those only: nulls need not be sent."""
    kept = [at for at in range(len(columns)) if any(map(_THERE, map(itemgetter(first + at), rows)))]
    if len(kept) == len(columns) or not rows:
        return list(columns), rows
    chosen = itemgetter(*range(first), *(first + at for at in kept))
    return [columns[at] for at in kept], [list(row) for row in map(chosen, rows)]


def check_count(record: Any, rows: int, names: Names) -> None:
    """Nothing; as many rows were written as were sent."""
    if record is None or record[0] != rows:
        raise MovedUnderneath(
            "rows were deleted by hand while they were written",
            expected=f"{rows} rows",
            got=None if record is None else record[0],
            where=names.graph or None,
            remedy="Try again.",
        )
