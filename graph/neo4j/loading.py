"""What a bulk load does with the database beside writing rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from neo4j import Transaction

from graph.neo4j import cypher, cypher_turns
from graph.neo4j.chain import Chain
from graph.neo4j.knowing import Knowledge
from graph.neo4j.line import LONG_S, Line, RollBack
from graph.neo4j.load_memory import Memory
from graph.neo4j.names import Catalogue
from graph.neo4j.setup import change_schema, deferrable, establish, wanted
from graph.neo4j.writing import Batch
from graph.records import Applied, Mutation


class StoreLoading:
    """A :class:`~graph.neo4j.bulk.Loading` of a store; ``write`` commits one batch."""

    def __init__(
        self,
        line: Line,
        knowledge: Knowledge,
        write: Callable[[Batch, float], Applied],
        *,
        batch_id: str,
        actor: str,
    ) -> None:
        self._line = line
        self._knowledge = knowledge
        self._write = write
        self._batch_id = batch_id
        self._actor = actor
        self._catalogue = knowledge.catalogue(fresh=True)
        self._deferred: list[str] = []

    def before_many(self) -> None:
        """Nothing; there is a second turn, and an empty graph has no index that is not looked up by meanwhile."""
        names = self._knowledge.own_names
        self._line.write(lambda tx: tx.run(cypher_turns.create_second(names)).consume())
        if self._is_empty():
            (row,) = self._line.command(cypher.COUNT_ALL_EDGES)
            indexes = deferrable(self._catalogue, shared=row["count"] > 0)
            self._deferred = [cypher.drop_index(one.name) for one in indexes]
            self._line.write(lambda tx: change_schema(tx, self._deferred), timeout_s=LONG_S)

    def end(self) -> None:
        """Nothing; what was dropped is there again, filled in one go."""
        if self._deferred:
            establish(self._line, wanted(self._catalogue))

    def new_batch(self, mutations: Sequence[Mutation], memory: Memory) -> Batch:
        return Batch(self._knowledge, mutations, self._batch_id, self._actor, memory)

    def write(self, batch: Batch) -> Applied:
        return self._write(batch, LONG_S)

    def new_chain(self, catalogue: Catalogue) -> Chain:
        return Chain(self._line, self._knowledge, catalogue.version, self._batch_id, self._actor)

    def committed(self, tokens: Sequence[str]) -> dict[str, int]:
        def find(transaction: Transaction) -> dict[str, int]:
            catalogue, _ = self._knowledge.locked(transaction)  # whoever was at it has committed by now, or never will
            found = transaction.run(cypher_turns.find_tokens(catalogue.names), tokens=list(tokens)).values()
            raise RollBack({token: changed for token, changed, _ in found})

        return self._line.write(find, timeout_s=LONG_S)

    def _is_empty(self) -> bool:
        schema, names = self._catalogue.schema, self._catalogue.names
        counts = [cypher.count_nodes(names, spec.name) for spec in schema.nodes]
        return not self._line.read(lambda tx: any(tx.run(count).values()[0][0] for count in counts))
