"""The stored schema, read when it may have changed, and the writers' turn."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from neo4j import Transaction

from graph.errors import SchemaError, StoreError
from graph.neo4j.cypher import statements, turns
from graph.neo4j.cypher.names import Adopted, Catalogue, Names
from graph.neo4j.cypher.turns import Turn
from graph.neo4j.wire.line import Line
from graph.schema import GraphSchema, no_schema

_T = TypeVar("_T")

FORMAT = 1
_FRESH_S = 2.0
"""How long a schema is taken for the stored one: another process may add types to it."""


class Knowledge:
    """What this process knows of the graph's schema and names."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._names = Names(line.address.graph)
        self._lock = threading.Lock()
        self._known: Catalogue | None = None
        self._known_at = 0.0

    @property
    def own_names(self) -> Names:
        """The names of the bookkeeping, which no adoption changes."""
        return self._names

    def catalogue(self, *, fresh: bool = False) -> Catalogue:
        """The stored schema and its names; :class:`~graph.errors.SchemaError` when there is none."""
        with self._lock:
            known = self._known
            if known is not None and not fresh and time.monotonic() - self._known_at < _FRESH_S:
                return known
        return self._line.read(self.read)

    def read(self, transaction: Transaction) -> Catalogue:
        """The catalogue as the transaction sees it."""
        rows = transaction.run(statements.read_schema(self._names)).values()
        if not rows or rows[0][0] is None:
            raise no_schema(self._line.address.url)
        document, adopted, version, layout = rows[0]
        if layout != FORMAT:
            raise StoreError(
                "the graph in the database cannot be used",
                expected=f"format {FORMAT}",
                got=f"format {layout}",
                where=self._line.address.url,
                remedy="Use the Kindred that wrote it, or name another graph: ?graph=NAME.",
            )
        with self._lock:
            if self._known is None or self._known.version != version:
                names = Names(self._names.graph, Adopted.model_validate_json(adopted or "{}"))
                self._known = Catalogue(GraphSchema.parse(document), names, version)
            self._known_at = time.monotonic()
            return self._known

    def locked(self, transaction: Transaction, turn: Turn | None = None) -> tuple[Catalogue, int]:
        """The catalogue and the last sequence number, once it is this transaction's turn to write.

        All that was committed by others is there to be read, and nobody commits until this transaction ends. With
        one ``turn`` of the two nobody begins to, but the one who has the other.
        """
        statement = turns.lock(self._names) if turn is None else turns.lock_one(self._names, turn)
        rows = transaction.run(statement).values()
        if not rows or rows[0][1] is None:
            raise no_schema(self._line.address.url)
        sequence, version = rows[0]
        known = self._known
        return (known if known is not None and known.version == version else self.read(transaction)), sequence

    def asked(self, question: Callable[[Catalogue], _T]) -> _T:
        """The answer to a question of names; a name that is not known is looked for in a fresh schema."""
        catalogue = self.catalogue()
        try:
            return question(catalogue)
        except SchemaError:
            newer = self.catalogue(fresh=True)
            if newer.version == catalogue.version:
                raise
            return question(newer)
