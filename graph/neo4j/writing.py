"""How a batch becomes one transaction: our turn, the draft, the rows, the counters."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Protocol

from neo4j import Transaction

from graph.neo4j import cypher
from graph.neo4j.draft import Draft, State
from graph.neo4j.flushing import StoredState, flush
from graph.neo4j.knowing import Knowledge
from graph.neo4j.line import RollBack
from graph.neo4j.names import Catalogue
from graph.records import Applied, Mutation


class Remembering(Protocol):
    """What a bulk load knows without asking."""

    def state(self, transaction: Transaction, catalogue: Catalogue, sequence: int) -> State: ...

    def forget(self) -> None: ...


class Batch:
    """One batch, to be run as a transaction as often as it takes; it is written once."""

    def __init__(
        self,
        knowledge: Knowledge,
        mutations: Sequence[Mutation],
        batch_id: str,
        actor: str,
        memory: Remembering | None = None,
    ) -> None:
        self._memory = memory
        self.draft: Draft | None = None
        """What the last try wrote."""
        self.ahead: Draft | None = None
        """Drafted already, for the graph as it will probably be when it is this batch's turn."""
        self._knowledge = knowledge
        self._mutations = mutations
        self._batch = {"batch_id": batch_id, "actor": actor}
        self._token = uuid.uuid4().hex
        self._tried_at: int | None = None

    def __call__(self, transaction: Transaction) -> Applied:
        """What the batch did. Rolls back when it changes nothing, or was committed by an earlier try."""
        catalogue, sequence = self._knowledge.locked(transaction)
        names = catalogue.names
        first_try = self._tried_at is None
        if self._memory is not None and not first_try and self.ahead is None:
            self._memory.forget()  # something was not as remembered
        if self._tried_at is None:
            self._tried_at = sequence
        elif sequence > self._tried_at:  # an earlier try may have been committed, only its answer was lost
            rows = transaction.run(cypher.find_token(names), since=self._tried_at, token=self._token).values()
            if rows:
                raise RollBack(Applied(rows[0][0], str(rows[0][1])))
        draft = self.draft = self._drafted(transaction, catalogue, sequence, first_try=first_try)
        if not draft.changed:
            raise RollBack(Applied(0, str(sequence)))
        flush(transaction, catalogue, draft)
        finish(transaction, self._knowledge, (sequence, draft.sequence), draft.changed, self._token, **self._batch)
        return Applied(draft.changed, str(draft.sequence))

    def _drafted(self, transaction: Transaction, catalogue: Catalogue, sequence: int, *, first_try: bool) -> Draft:
        """The rows to write: as drafted ahead when nothing has come in between, else worked out now."""
        ahead = self.ahead
        if ahead is not None and first_try and (ahead.started_at, ahead.version) == (sequence, catalogue.version):
            return ahead
        if self._memory is None or ahead is not None:  # by now the memory belongs to the block after this one
            state: State = StoredState(transaction, catalogue.names)
        else:
            state = self._memory.state(transaction, catalogue, sequence)
        draft = Draft(catalogue, state, sequence)
        for mutation in self._mutations:
            draft.write(mutation)
        return draft


def finish(
    transaction: Transaction,
    knowledge: Knowledge,
    sequences: tuple[int, int],
    changed: int,
    token: str,
    *,
    batch_id: str,
    actor: str,
) -> None:
    """Nothing; the transaction counts as one of ours, and the feed knows whose its rows are.

    ``sequences`` are the last number before and the last one given; call it once, at the end.
    """
    statement = cypher.finish(knowledge.own_names)
    values = {"first": sequences[0] + 1, "last": sequences[1], "changed": changed, "token": token}
    transaction.run(statement, values, batch_id=batch_id, actor=actor).consume()
