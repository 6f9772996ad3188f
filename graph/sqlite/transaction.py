"""The state of one write transaction: its batch, its sequence numbers, the nodes it has met."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field

from graph.sqlite.catalogue import Catalogue
from graph.sqlite.search import index_nodes

_LAST_SEQUENCE = """
    SELECT max(coalesce((SELECT max(sequence) FROM nodes), 0), coalesce((SELECT max(sequence) FROM edges), 0))
"""


def last_sequence(connection: sqlite3.Connection) -> int:
    """The sequence number of the last change; 0 for an empty graph."""
    return int(connection.execute(_LAST_SEQUENCE).fetchone()[0])


@dataclass(slots=True)
class Transaction:
    """The state of one write transaction on ``connection``."""

    connection: sqlite3.Connection
    catalogue: Catalogue
    batch: int
    started_at: int
    """The last sequence number before this transaction."""
    sequence: int = 0
    """The last sequence number handed out."""
    changed: int = 0
    changed_nodes: int = 0
    live: dict[int, dict[str, int]] = field(default_factory=dict)
    """Node type → id → number of nodes known to be live now; filled as they are met."""

    complete: set[int] = field(default_factory=set)
    """Node types of which ``live`` has every node that ever was: what is not in it is new."""

    stamp: tuple[int, int] | None = None
    of: tuple[str, str] = ("", "")
    """The batch's id and actor."""

    @classmethod
    def begun(
        cls,
        connection: sqlite3.Connection,
        catalogue: Catalogue,
        batch: tuple[str, str],
        *,
        after: Transaction | None = None,
        stamp: tuple[int, int] | None = None,
    ) -> Transaction:
        """A transaction for ``batch`` (its id, its actor) on a connection that has just begun one.

        What ``after``, the last one committed, knew is kept when the ``stamp`` says nobody wrote in between.
        """
        if after is None or after.stamp != stamp:
            last = last_sequence(connection)
            return cls(connection, catalogue, batch_number(connection, batch), last, last, stamp=stamp, of=batch)
        last = after.sequence
        number = after.batch if after.of == batch else batch_number(connection, batch)
        begun = cls(connection, catalogue, number, last, last, stamp=stamp, of=batch)
        begun.live, begun.complete = after.live, after.complete
        return begun

    def committed(self, last: int, writes: int) -> Transaction:
        """What it knows, for the next one: numbers go on from ``last``, and the store has written ``writes`` times."""
        assert self.stamp is not None  # only one that was stamped is gone on from
        self.sequence, self.stamp = last, (self.stamp[0], writes)  # nobody but this transaction has written
        return self

    @property
    def remembered(self) -> int:
        """How many nodes it knows."""
        return sum(map(len, self.live.values()))

    def sequences(self, count: int) -> range:
        """The next ``count`` sequence numbers."""
        first = self.sequence + 1
        self.sequence += count
        return range(first, first + count)

    def count_nodes(self, changed: int) -> None:
        """Counts changed rows of nodes, whose text has to be indexed."""
        self.changed += changed
        self.changed_nodes += changed

    def finish(self) -> None:
        """Nothing; what is derived from the rows (the text index) fits them. Call before the commit."""
        if self.changed_nodes:
            index_nodes(self.connection, self.started_at)

    def last_changed(self) -> int:
        """The sequence number of the last changed row; numbers of rows that stayed as they were are not used up."""
        if self.changed == self.sequence - self.started_at:
            return self.sequence
        return last_sequence(self.connection)


def batch_number(connection: sqlite3.Connection, batch: tuple[str, str]) -> int:
    """The file's number of a batch id and actor; a new one when they were never seen together."""
    row = connection.execute("SELECT id FROM batches WHERE batch_id = ? AND actor = ?", batch).fetchone()
    if row is None:
        row = connection.execute("INSERT INTO batches (batch_id, actor) VALUES (?, ?) RETURNING id", batch).fetchone()
    return int(row[0])
