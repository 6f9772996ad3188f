"""A load of many mutations: in blocks, and edges in long runs, each in a transaction of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import numpy as np

from graph.blocks import Block, joined
from graph.records import UpsertEdges, UpsertNodes
from graph.sqlite.edge_writing import edge_rows, write_rows
from graph.sqlite.transaction import Transaction
from graph.sqlite.waiting_edges import WaitingEdges
from graph.sqlite.writing import write

WAITING_BYTES = 128_000_000
"""Of edges that wait: four million with a weight and a time. They take twice as much while they are put in order."""


class Loading:
    """Writes blocks; edges wait until they are many, or something comes that has to find them.

    ``begun`` opens a transaction that knows what another one knew, and commits it.
    """

    def __init__(
        self, begun: Callable[[Transaction | None], AbstractContextManager[Transaction]], run_rows: int
    ) -> None:
        self.changed = 0
        self._begun, self._run_rows = begun, run_rows
        self._waiting = WaitingEdges()
        self._last: Transaction | None = None

    def write(self, block: Block) -> None:
        """Nothing; the block is written, or its nodes are and its edges wait."""
        can_wait = all(isinstance(mutation, (UpsertNodes, UpsertEdges)) for mutation in block.mutations)
        if not can_wait:
            self.finish()
        gathered = WaitingEdges()  # wait with the others once their nodes are committed
        with self._transaction() as transaction:
            for mutation in joined(block.mutations):
                if can_wait and isinstance(mutation, UpsertEdges):
                    self._gather(transaction, gathered, mutation)
                else:
                    write(transaction, mutation)
        self._waiting.add_all(gathered)
        if self._waiting.memory > WAITING_BYTES:
            self.finish()

    def _gather(self, transaction: Transaction, gathered: WaitingEdges, mutation: UpsertEdges) -> None:
        edges = edge_rows(transaction, mutation)
        if not (self._waiting.takes(edges) and gathered.takes(edges)):
            for waiting in (self._waiting, gathered):
                while waiting.rows:
                    write_rows(transaction, waiting.next_run(self._run_rows))
        if edges.patches is None:
            gathered.add(edges)
        else:
            write_rows(transaction, edges)

    def finish(self) -> None:
        """Nothing; no edge waits."""
        while self._waiting.rows:
            with self._transaction() as transaction:
                if self._waiting.rows:  # whoever wrote in between may have deleted the ends of all
                    write_rows(transaction, self._waiting.next_run(self._run_rows))

    @contextmanager
    def _transaction(self) -> Iterator[Transaction]:
        with self._begun(self._last) as transaction:
            if self._last is not None and self._last.stamp != transaction.stamp:  # someone else wrote in between
                self._waiting.keep(_live_nodes(transaction))
            yield transaction
        self.changed += transaction.changed
        self._last = transaction


def _live_nodes(transaction: Transaction) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The numbers of all live nodes: an edge that waits at another one has gone with it."""
    found = transaction.connection.execute("SELECT id FROM nodes WHERE NOT deleted")
    return np.fromiter((number for (number,) in found), np.int64)
