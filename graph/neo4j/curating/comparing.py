"""The curated part as it is now, compared with what is known of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from neo4j import Transaction

from graph.collecting import without_collector
from graph.curation import curated_edges, curated_nodes
from graph.neo4j.curating.known import NODE, Difference, Known, Reader, Row
from graph.neo4j.cypher import curation
from graph.neo4j.cypher.names import Catalogue
from graph.neo4j.rows import Table, read_cells, read_properties
from graph.neo4j.wire.line import Line
from graph.schema import EdgeSpec, NodeSpec

_AT_ONCE = 2


class Comparing:
    """Reads the tables that people edit, two at a time (the server has a thread for each), the slowest first."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._took_s: dict[Table, float] = {}
        """How long each table took at the last comparison."""

    def differences(self, catalogue: Catalogue, known: Known, timeout_s: float) -> dict[Table, Difference]:
        """How each table differs from what is known, which is changed where that is no edit; a deadline for each."""
        schema, names = catalogue.schema, catalogue.names
        adopted = set() if known.complete else {*names.adopted.nodes, *names.adopted.edges}

        def differing(table: Table, statement: str, read: Reader, transaction: Transaction) -> Difference:
            rows: Any = transaction.run(statement)
            return known.compare(table, rows, read, adopt=named(table) in adopted)

        work: list[tuple[Table, Callable[[Transaction], Difference]]] = []
        for node in curated_nodes(schema):
            statement = curation.numbered_nodes(names, node)
            work.append((node.name, partial(differing, node.name, statement, partial(_node_row, node))))
        for edge in curated_edges(schema):
            statement = curation.numbered_edges(names, edge)
            work.append((edge.edge_type, partial(differing, edge.edge_type, statement, partial(_edge_row, edge))))
        with without_collector():  # it looked through what was just read for longer than the comparison took
            return self._of_each(work, timeout_s)

    def _of_each(
        self, work: list[tuple[Table, Callable[[Transaction], Difference]]], timeout_s: float
    ) -> dict[Table, Difference]:
        def one(table: Table, compare: Callable[[Transaction], Difference]) -> Difference:
            began = time.monotonic()
            difference = self._line.read(compare, timeout_s=timeout_s)
            self._took_s[table] = time.monotonic() - began
            return difference

        by_time = sorted(work, key=lambda some: -self._took_s.get(some[0], 0.0))
        with ThreadPoolExecutor(_AT_ONCE, "neo4j-compare") as pool:
            running = {table: pool.submit(one, table, compare) for table, compare in by_time}
            try:
                return {table: running[table].result() for table, _ in work}
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def named(table: Table) -> str:
    """The table's name as text."""
    return table if isinstance(table, str) else "-".join(table)


def node_content(properties: Any) -> Any:
    """What is compared of a node."""
    return dict(properties)


def edge_content(weight: float, timestamp_ms: int | None, properties: Any) -> Any:
    """What is compared of an edge."""
    return [weight, timestamp_ms, dict(properties)]


def _node_row(spec: NodeSpec, cells: Sequence[Any]) -> Row:
    sequence, version, values = cells
    content = node_content(read_properties(spec.properties, values))
    return Row(*NODE, _number(sequence), content, _number(version) or 1)


def _edge_row(spec: EdgeSpec, cells: Sequence[Any]) -> Row | None:
    target, sequence, *values = cells
    if not isinstance(target, str) or not target:
        return None
    read = read_cells(spec, values)
    content = edge_content(read.weight, read.timestamp_ms, read.properties)
    return Row(target, read.qualifier, _number(sequence), content, read.version)


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
