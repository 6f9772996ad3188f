"""The change feed: every row changed after a watermark, oldest first, each once."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from neo4j import Transaction

from graph.neo4j.cypher import statements
from graph.neo4j.cypher.names import Catalogue, Names
from graph.neo4j.rows import buried, read_edge, read_node
from graph.records import Change, Edge, Node
from graph.schema import EdgeSpec, NodeSpec

PAGE_ROWS = 10_000


def read_changes(
    transaction: Transaction, catalogue: Catalogue, since: int, until: int, limit: int = PAGE_ROWS
) -> tuple[list[Change], int]:
    """The first changes with a sequence number in ``(since, until]``, at most ``limit``, and the number to go on from.

    A row whose key a hand took away is no change: fewer than ``limit`` are not always the last.
    """
    schema, names = catalogue.schema, catalogue.names
    statement = statements.changed_rows(names, schema.nodes, schema.edges)
    rows = transaction.run(statement, since=since, until=until, limit=limit).values()
    rows.sort(key=lambda row: row[2])
    reached = until if len(rows) < limit else rows[limit - 1][2]
    rows = rows[:limit]
    if not rows:
        return [], reached
    batches = _batches(transaction, names, rows[0][2], rows[-1][2])
    lasts = [batch[1] for batch in batches]
    found: list[Change] = []
    for row in rows:
        record = record_of(row, schema.nodes, schema.edges)
        if record is not None:
            _, _, batch_id, actor = batches[bisect_left(lasts, row[2])]
            found.append(Change("delete" if row[0] == "T" else "upsert", record, str(row[2]), batch_id, actor))
    return found, reached


def _batches(transaction: Transaction, names: Names, first: int, last: int) -> list[list[Any]]:
    """The batches that gave numbers from ``first`` to ``last``, in order; of many, no row may be left."""
    found: list[list[Any]] = []
    while not found or found[-1][1] < last:
        after = found[-1][1] + 1 if found else first
        page = transaction.run(statements.batches(names), first=after, limit=PAGE_ROWS).values()
        if not page:
            break
        found += page
    return found


def record_of(row: Sequence[Any], nodes: Sequence[NodeSpec], edges: Sequence[EdgeSpec]) -> Node | Edge | None:
    """The record of a row; None when a hand edit took its key away, which is for the hand edits' part to report."""
    kind, at, _, version, source, target, cells = row
    if kind == "T":
        return buried(source, version)
    if not isinstance(source, str):
        return None
    if kind == "N":
        return read_node(nodes[at], source, version, cells)
    return read_edge(edges[at], (source, target), cells) if isinstance(target, str) else None
