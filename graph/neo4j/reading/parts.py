"""A whole type read in parts by ranges of ids: no part is too large for the server's memory, and two go at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeAlias, TypeVar

import numpy as np
from neo4j import Transaction

from graph.neo4j.cypher import statements
from graph.neo4j.cypher.names import Names
from graph.neo4j.wire.line import LONG_S, Line
from graph.schema import EdgeSpec, NodeSpec

_T = TypeVar("_T")
Part: TypeAlias = tuple[str | None, str | None]
"""The first id, and the one after the last; None where the range is open."""

PART_EDGES = 50_000
PART_NODES = 20_000
_AT_ONCE = 2
"""The server has one thread for a query: with two it goes on while this process makes columns of the last answer."""


def in_parts(line: Line, parts: Iterable[Part], read: Callable[[Transaction, str | None, str | None], _T]) -> list[_T]:
    """What ``read`` makes of each part, in order; each in a transaction of its own."""

    def one(part: Part) -> _T:
        first, after = part
        return line.read(lambda tx: read(tx, first, after), timeout_s=LONG_S)

    every = list(parts)
    if len(every) == 1:
        return [one(every[0])]
    with ThreadPoolExecutor(_AT_ONCE, "neo4j-export") as pool:
        running = [pool.submit(partial(one, part)) for part in every]
        try:
            return [future.result() for future in running]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def node_parts(line: Line, names: Names, spec: NodeSpec) -> list[Part]:
    """Ranges of ids of a node type with about :data:`PART_NODES` nodes each."""

    def read(transaction: Transaction) -> list[Part]:
        ((count,),) = transaction.run(statements.count_nodes(names, spec.name)).values()
        if count <= PART_NODES:
            return [(None, None)]
        ((ids,),) = transaction.run(statements.node_ids(names, spec)).values()
        return _cut(ids, np.ones(len(ids), np.int64), PART_NODES)

    return line.read(read, timeout_s=LONG_S)


def edge_parts(line: Line, names: Names, spec: EdgeSpec) -> list[Part]:
    """Ranges of source ids with about :data:`PART_EDGES` edges each; all edges of one source are in one."""

    def read(transaction: Transaction) -> list[Part]:
        ((count,),) = transaction.run(statements.count_some_edges(names, spec.edge_type)).values()
        if count <= PART_EDGES:
            return [(None, None)]
        ((ids, degrees),) = transaction.run(statements.source_degrees(names, spec)).values()
        return _cut(ids, degrees, PART_EDGES)

    return line.read(read, timeout_s=LONG_S)


def _cut(
    ids: Sequence[object], sizes: Sequence[int] | np.ndarray[tuple[int], np.dtype[np.int64]], most: int
) -> list[Part]:
    """Open at both ends, so that an id from before or after those is in one too."""
    filled = np.cumsum(sizes)
    ends = np.flatnonzero(np.diff(filled // most)) + 1
    # Ids that a hand made numbers are in no order with texts, and stand for nobody.
    bounds = [bound for at in ends.tolist() if isinstance(bound := ids[at], str)]
    return list(zip([None, *bounds], [*bounds, None], strict=True))
