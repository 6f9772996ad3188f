"""What a bulk load does with the database beside writing rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from neo4j import Transaction

from graph.neo4j.bulk.chain import Chain
from graph.neo4j.bulk.memory import Memory
from graph.neo4j.cypher import statements, turns
from graph.neo4j.cypher.names import Catalogue
from graph.neo4j.setup import change_schema, deferrable, establish, wanted
from graph.neo4j.wire.line import LONG_S, Line, RollBack
from graph.neo4j.writing.batch import Audit, Batch
from graph.records import Applied, Mutation


class StoreLoading:
    """A :class:`~graph.neo4j.bulk.writing.Loading` of a store; ``write`` commits one batch."""

    def __init__(
        self,
        line: Line,
        audit: Audit,
        write: Callable[[Batch, float], Applied],
    ) -> None:
        self._line = line
        self._audit = audit
        self._knowledge = audit.knowledge
        self._write = write
        self._catalogue = audit.knowledge.catalogue(fresh=True)
        self._deferred: list[str] = []

    def before_many(self, memory: Memory) -> None:
        """Nothing; there is a second turn, the memory knows what is empty, and an empty graph has no text index."""
        names = self._knowledge.own_names
        self._line.write(lambda tx: tx.run(turns.create_second(names)).consume())
        if self._is_empty():
            self._deferred = [statements.drop_index(one.name) for one in deferrable(self._catalogue)]
            self._line.write(lambda tx: change_schema(tx, self._deferred), timeout_s=LONG_S)

        self._line.write(partial(self._look, memory), timeout_s=LONG_S)

    def _look(self, memory: Memory, transaction: Transaction) -> None:
        memory.look(transaction, *self._knowledge.locked(transaction))
        raise RollBack(None)

    def end(self) -> None:
        """Nothing; what was dropped is there again, filled in one go."""
        if self._deferred:
            establish(self._line, wanted(self._catalogue))

    def new_batch(self, mutations: Sequence[Mutation], memory: Memory) -> Batch:
        return Batch(self._audit, mutations, memory)

    def write(self, batch: Batch) -> Applied:
        return self._write(batch, LONG_S)

    def new_chain(self, catalogue: Catalogue) -> Chain:
        return Chain(self._line, self._audit, catalogue.version)

    def committed(self, tokens: Sequence[str]) -> dict[str, int]:
        def find(transaction: Transaction) -> dict[str, int]:
            catalogue, _ = self._knowledge.locked(transaction)  # whoever was at it has committed by now, or never will
            found = transaction.run(turns.find_tokens(catalogue.names), tokens=list(tokens)).values()
            raise RollBack({token: changed for token, changed, _ in found})

        return self._line.write(find, timeout_s=LONG_S)

    def _is_empty(self) -> bool:
        schema, names = self._catalogue.schema, self._catalogue.names
        counts = [statements.count_nodes(names, spec.name) for spec in schema.nodes]
        return not self._line.read(lambda tx: any(tx.run(count).values()[0][0] for count in counts))
