"""A draft that is nothing but new rows, cut into parts that can be written one after the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from neo4j import Transaction

from graph.neo4j import cypher
from graph.neo4j.draft import Draft
from graph.neo4j.flushing import check_count, edge_cells, node_cells
from graph.neo4j.names import Catalogue, Names


@dataclass(slots=True)
class Part:
    """Rows for one transaction. They have the numbers in ``(after, last]``, all of one part below all of the next."""

    after: int
    last: int
    changed: int = 0
    nodes: bool = False
    """Whether it is nodes; else it is edges."""
    _statements: list[tuple[str, list[list[Any]]]] = field(default_factory=list)

    def add(self, statement: str, rows: list[list[Any]]) -> None:
        self._statements.append((statement, rows))
        self.changed += len(rows)

    def write(self, transaction: Transaction, names: Names) -> None:
        """Nothing; the rows are written."""
        for statement, rows in self._statements:
            check_count(transaction.run(statement, rows=rows).single(), len(rows), names)


def parts_of(catalogue: Catalogue, draft: Draft, part_rows: int) -> list[Part] | None:
    """The rows of the draft with numbers of their own, nodes before edges; None where not all of them are new."""
    if not _is_all_new(draft):
        return None
    cutting = _Cutting(draft.started_at, part_rows)
    for node in catalogue.schema.nodes:
        columns, rows, _ = node_cells(node, draft.nodes[node.name])
        cutting.add(cypher.create_nodes(catalogue.names, node, columns), rows, number_at=1)
    cutting.end_of_nodes()
    for edge in catalogue.schema.edges:
        used, _, rows, _ = edge_cells(edge, draft.edges[edge.edge_type])
        cutting.add(cypher.create_edges(catalogue.names, edge, used), rows, number_at=2)
    parts = cutting.parts
    # A row that changed twice in the draft has taken two numbers.
    parts[-1].last, parts[-1].changed = draft.sequence, draft.sequence - parts[-1].after
    return parts


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

    def add(self, statement: str, rows: list[list[Any]], *, number_at: int) -> None:
        start = 0
        while start < len(rows):
            part = self._open()
            some = rows[start : start + self._part_rows - part.changed]
            for row in some:
                self._number += 1
                row[number_at] = self._number
            part.add(statement, some)
            part.last = self._number
            start += len(some)

    def end_of_nodes(self) -> None:
        self._edges_from = len(self.parts)

    def _open(self) -> Part:
        """A part with room; nodes and edges are never in one."""
        if len(self.parts) in (0, self._edges_from) or self.parts[-1].changed >= self._part_rows:
            self.parts.append(Part(self._number, self._number, nodes=self._edges_from is None))
        return self.parts[-1]
