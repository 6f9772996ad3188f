"""A draft that is nothing but new rows, cut into parts that can be written one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from neo4j import Transaction

from graph.neo4j import cypher
from graph.neo4j.draft import Draft
from graph.neo4j.flushing import check_count, edge_cells, node_cells
from graph.neo4j.known import Table
from graph.neo4j.names import Catalogue, Names

Key: TypeAlias = str | tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class _Kind:
    """Rows of one type, and the statement that takes them."""

    table: Table
    statement: str
    number_at: int
    qualifier_at: int | None = None


@dataclass(slots=True)
class Part:
    """Rows for one transaction. They have the numbers in ``(after, last]``, all of one part below all of the next."""

    after: int
    last: int
    changed: int = 0
    nodes: bool = False
    """Whether it is nodes; else it is edges."""
    _statements: list[tuple[_Kind, list[list[Any]]]] = field(default_factory=list)

    def add(self, kind: _Kind, rows: list[list[Any]]) -> None:
        self._statements.append((kind, rows))
        self.changed += len(rows)

    def named(self) -> Iterator[tuple[Table, Key]]:
        """Of every row: the id of a node, or the ends and the qualifier of an edge."""
        for kind, rows in self._statements:
            for row in rows:
                at = kind.qualifier_at
                yield kind.table, row[0] if self.nodes else (row[0], row[1], row[at] or "" if at is not None else "")

    def write(self, transaction: Transaction, names: Names) -> None:
        """Nothing; the rows are written."""
        for kind, rows in self._statements:
            check_count(transaction.run(kind.statement, rows=rows).single(), len(rows), names)


def parts_of(catalogue: Catalogue, draft: Draft, part_rows: int) -> list[Part] | None:
    """The rows of the draft with numbers of their own, nodes before edges; None where not all of them are new."""
    if not _is_all_new(draft):
        return None
    cutting = _Cutting(draft.started_at, part_rows)
    for node in catalogue.schema.nodes:
        columns, rows, _ = node_cells(node, draft.nodes[node.name])
        cutting.add(_Kind(node.name, cypher.create_nodes(catalogue.names, node, columns), number_at=1), rows)
    cutting.end_of_nodes()
    for edge in catalogue.schema.edges:
        used, _, rows, _ = edge_cells(edge, draft.edges[edge.edge_type])
        qualifier_at = 3 + used.index("cell:qualifier") if "cell:qualifier" in used else None
        statement = cypher.create_edges(catalogue.names, edge, used)
        cutting.add(_Kind(edge.edge_type, statement, 2, qualifier_at), rows)
    parts = cutting.parts
    # A row that changed twice in the draft has taken two numbers.
    parts[-1].last, parts[-1].changed = draft.sequence, draft.sequence - parts[-1].after
    return parts


def keys_of(parts: Iterable[Part]) -> dict[Table, set[Key]]:
    """What is in the parts, by type."""
    found: dict[Table, set[Key]] = {}
    for part in parts:
        for table, key in part.named():
            found.setdefault(table, set()).add(key)
    return found


def _is_all_new(draft: Draft) -> bool:
    """Whether the statements that make rows say all; what was drafted from memory is."""
    if draft.doomed_edges:
        return False
    for nodes in draft.nodes.values():
        for node in nodes.values():
            if node.sequence and (node.stored or node.doomed or node.buried or not node.live):
                return False
    for edges in draft.edges.values():
        for edge in edges.values():
            if edge.sequence and (edge.buried or edge.element is not None or not edge.live):
                return False
    return True


class _Cutting:
    def __init__(self, after: int, part_rows: int) -> None:
        self.parts: list[Part] = []
        self._number = after
        self._part_rows = part_rows
        self._edges_from: int | None = None

    def add(self, kind: _Kind, rows: list[list[Any]]) -> None:
        start = 0
        while start < len(rows):
            part = self._open()
            some = rows[start : start + self._part_rows - part.changed]
            for row in some:
                self._number += 1
                row[kind.number_at] = self._number
            part.add(kind, some)
            part.last = self._number
            start += len(some)

    def end_of_nodes(self) -> None:
        self._edges_from = len(self.parts)

    def _open(self) -> Part:
        """A part with room; nodes and edges are never in one."""
        if len(self.parts) in (0, self._edges_from) or self.parts[-1].changed >= self._part_rows:
            self.parts.append(Part(self._number, self._number, nodes=self._edges_from is None))
        return self.parts[-1]
