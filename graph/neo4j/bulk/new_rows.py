"""New rows in parts that can be written one after the other, each by one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, TypeAlias

from neo4j import Transaction

from graph.neo4j.cypher import loads
from graph.neo4j.cypher.names import Catalogue
from graph.neo4j.rows import Table
from graph.neo4j.writing.flushing import check_count
from graph.schema import EdgeSpec, NodeSpec

Key: TypeAlias = str | tuple[str, str, str]
Elements: TypeAlias = dict[str, dict[str, str]]
"""Node type → id → the server's name of the node, of nodes that the chain has made."""

MOST_ELEMENTS = 2_000_000
"""Nodes whose names are kept, some 100 bytes each; edges of others look their ends up by id."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one type in columns. A node has its id, an edge its source and target before the ``names``."""

    spec: NodeSpec | EdgeSpec
    names: Sequence[str]
    columns: Sequence[list[Any]]

    def __len__(self) -> int:
        return len(self.columns[0])

    @property
    def table(self) -> Table:
        return self.spec.name if isinstance(self.spec, NodeSpec) else self.spec.edge_type

    @property
    def ends(self) -> int:
        """How many columns say which row it is."""
        return 1 if isinstance(self.spec, NodeSpec) else 2

    def cut(self, first: int, after: int) -> Rows:
        return Rows(self.spec, self.names, [column[first:after] for column in self.columns])

    def keys(self) -> Iterator[Key]:
        """Of every row: the id of a node, or the ends and the qualifier of an edge."""
        if isinstance(self.spec, NodeSpec):
            return iter(self.columns[0])
        at = 2 + self.names.index("cell:qualifier") if "cell:qualifier" in self.names else None
        qualifiers = repeat("") if at is None else (text or "" for text in self.columns[at])
        return zip(self.columns[0], self.columns[1], qualifiers)  # noqa: B905 - one of them may be endless

    def write(self, transaction: Transaction, catalogue: Catalogue, first: int, elements: Elements) -> None:
        """Nothing; the rows are written, with numbers from ``first`` on."""
        values: dict[str, Any] = {f"c{at}": column for at, column in enumerate(self.columns)}
        if isinstance(self.spec, NodeSpec):
            statement = loads.create_nodes(catalogue.names, self.spec, self.names)
            record = transaction.run(statement, values, first=first).single()
            if record is not None and sum(map(len, tuple(elements.values()))) < MOST_ELEMENTS:
                made = zip(self.columns[0], record["elements"], strict=True)
                elements.setdefault(self.spec.name, {}).update(made)
        else:
            statement, ends = self._edges(catalogue, elements)
            record = transaction.run(statement, values | ends, first=first).single()
        check_count(record, len(self), catalogue.names)

    def _edges(self, catalogue: Catalogue, elements: Elements) -> tuple[str, dict[str, Any]]:
        spec = self.spec
        assert isinstance(spec, EdgeSpec)
        sources = list(map(elements.get(spec.source, {}).get, self.columns[0]))
        targets = list(map(elements.get(spec.target, {}).get, self.columns[1]))
        if None in sources or None in targets:
            return loads.create_edges(catalogue.names, spec, self.names), {}
        statement = loads.create_edges_of_elements(catalogue.names, spec, self.names)
        return statement, {"sources": sources, "targets": targets}


@dataclass(slots=True)
class Part:
    """Rows for one transaction. They have the numbers in ``(after, last]``, all of one part below all of the next."""

    after: int
    last: int
    changed: int = 0
    nodes: bool = False
    """Whether it is nodes; else it is edges."""
    needs_nodes: bool = False
    """Whether its edges may have ends among the nodes of the same block."""
    rows: list[Rows] = field(default_factory=list)

    def add(self, rows: Rows) -> None:
        self.rows.append(rows)
        self.changed += len(rows)
        self.last += len(rows)

    def write(self, transaction: Transaction, catalogue: Catalogue, elements: Elements) -> None:
        """Nothing; the rows are written, and the server's names of nodes are among the ``elements``."""
        first = self.after + 1
        for rows in self.rows:
            rows.write(transaction, catalogue, first, elements)
            first += len(rows)


class Cutting:
    """Cuts rows into parts: first nodes, then edges between nodes of earlier blocks, then edges that need the nodes."""

    def __init__(self, after: int, part_rows: int) -> None:
        self.parts: list[Part] = []
        self._after = after
        self._part_rows = part_rows
        self._new_part = True
        self._needs_nodes = False

    def add(self, rows: Rows) -> None:
        start = 0
        while start < len(rows):
            part = self._open(nodes=isinstance(rows.spec, NodeSpec))
            after = min(len(rows), start + self._part_rows - part.changed)
            part.add(rows.cut(start, after))
            start = after

    def next_kind(self, *, needs_nodes: bool) -> None:
        """Nothing; what comes now is never in one part with what came before."""
        self._new_part, self._needs_nodes = True, needs_nodes

    def _open(self, *, nodes: bool) -> Part:
        """A part with room."""
        if self._new_part or self.parts[-1].changed >= self._part_rows:
            last = self.parts[-1].last if self.parts else self._after
            self.parts.append(Part(last, last, nodes=nodes, needs_nodes=self._needs_nodes))
            self._new_part = False
        return self.parts[-1]


def keys_of(parts: Iterable[Part]) -> Mapping[Table, set[Key]]:
    """What is in the parts, by type."""
    found: dict[Table, set[Key]] = {}
    for part in parts:
        for rows in part.rows:
            found.setdefault(rows.table, set()).update(rows.keys())
    return found
