"""How a batch becomes one transaction: our turn, the draft, the rows, the counters."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from neo4j import Transaction

from graph.neo4j.cypher import turns
from graph.neo4j.cypher.names import Catalogue
from graph.neo4j.cypher.turns import Turn
from graph.neo4j.knowing import Knowledge
from graph.neo4j.wire.line import RollBack
from graph.neo4j.writing.draft import Draft
from graph.neo4j.writing.draft_rows import State
from graph.neo4j.writing.flushing import StoredState, flush
from graph.records import Applied, Mutation


@dataclass(frozen=True, slots=True)
class Audit:
    """Whose rows they are that a process writes."""

    knowledge: Knowledge
    batch_id: str
    actor: str

    def finish(
        self, transaction: Transaction, numbers: tuple[int, int], changed: int, token: str, turn: Turn = "first"
    ) -> None:
        """Nothing; the transaction counts as one of ours, and the feed knows whose its rows are.

        ``numbers`` are the last one before and the last one given; call it once, at the end.
        """
        statement = turns.finish(self.knowledge.own_names, turn)
        values = {"first": numbers[0] + 1, "last": numbers[1], "changed": changed, "token": token}
        transaction.run(statement, values, batch_id=self.batch_id, actor=self.actor).consume()


class Remembering(Protocol):
    """What a bulk load knows without asking."""

    def state(self, transaction: Transaction, catalogue: Catalogue, sequence: int) -> State: ...

    def forget(self) -> None: ...


class Batch:
    """One batch, to be run as a transaction as often as it takes; it is written once."""

    def __init__(
        self,
        audit: Audit,
        mutations: Sequence[Mutation],
        memory: Remembering | None = None,
    ) -> None:
        self._memory = memory
        self.draft: Draft | None = None
        """What the last try wrote."""
        self._audit = audit
        self._mutations = mutations
        self._token = uuid.uuid4().hex
        self._tried_at: int | None = None

    def __call__(self, transaction: Transaction) -> Applied:
        """What the batch did. Rolls back when it changes nothing, or was committed by an earlier try."""
        catalogue, sequence = self._audit.knowledge.locked(transaction)
        names = catalogue.names
        if self._memory is not None and self._tried_at is not None:
            self._memory.forget()  # something was not as remembered
        if self._tried_at is None:
            self._tried_at = sequence
        elif sequence > self._tried_at:  # an earlier try may have been committed, only its answer was lost
            for _, changed, last in transaction.run(turns.find_tokens(names), tokens=[self._token]).values():
                raise RollBack(Applied(changed, str(last)))
        draft = self.draft = self._drafted(transaction, catalogue, sequence)
        if not draft.changed:
            raise RollBack(Applied(0, str(sequence)))
        flush(transaction, catalogue, draft)
        self._audit.finish(transaction, (sequence, draft.sequence), draft.changed, self._token)
        return Applied(draft.changed, str(draft.sequence))

    def _drafted(self, transaction: Transaction, catalogue: Catalogue, sequence: int) -> Draft:
        """The rows to write, worked out now that nobody else changes what is there."""
        if self._memory is None:
            state: State = StoredState(transaction, catalogue.names)
        else:
            state = self._memory.state(transaction, catalogue, sequence)
        draft = Draft(catalogue, state, sequence)
        for mutation in self._mutations:
            draft.write(mutation)
        return draft
