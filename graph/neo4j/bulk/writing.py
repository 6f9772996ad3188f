"""A bulk load: block by block, the next one drafted while the server writes the last."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from graph.blocks import blocks, joined
from graph.collecting import without_collector
from graph.errors import KindredError
from graph.neo4j.bulk.chain import Broken, Chain, Link
from graph.neo4j.bulk.cut_block import CutBlock, cut_draft, cut_new_edges
from graph.neo4j.bulk.memory import Memory, without
from graph.neo4j.bulk.new_rows import keys_of
from graph.neo4j.cypher.names import Catalogue
from graph.neo4j.writing.batch import Batch
from graph.records import Applied, Mutation, UpsertEdges, UpsertNodes
from graph.schema import EdgeType

_PARTS = 10
"""Transactions of a block: the server writes rows faster in small ones, and two are open at a time."""
_BLOCKS_AHEAD = 1
"""Blocks that may be on their way while the next is drafted."""
_MOST_BROKEN = 3
"""Somebody else is writing all the time: from here on a block is one transaction."""


class Loading(Protocol):
    """What a bulk load needs of its store."""

    def new_batch(self, mutations: Sequence[Mutation], memory: Memory) -> Batch: ...

    def write(self, batch: Batch) -> Applied: ...

    def before_many(self, memory: Memory) -> None:
        """Called before the first block, where it is a full one: there may be many."""
        ...

    def new_chain(self, catalogue: Catalogue) -> Chain: ...

    def committed(self, tokens: Sequence[str]) -> dict[str, int]:
        """Those of the transactions that were committed, with the changes they made; the others never will be."""
        ...


@dataclass(slots=True)
class _Flight:
    """A block that is being written by a chain."""

    mutations: Sequence[Mutation]
    links: list[Link]
    changed: int


class BulkWriting:
    """Writes many mutations block by block.

    Blocks of new rows are drafted from memory and go to a :class:`~graph.neo4j.bulk.chain.Chain`, which writes them
    while the next ones are drafted. Rows of edges that an earlier block wrote wait to the end, since the database
    has to be asked for them; their order among themselves stays.
    """

    def __init__(self, loading: Loading, block_rows: int) -> None:
        self._loading = loading
        self._block_rows = block_rows
        self._memory = Memory()
        self._chain: Chain | None = None
        self._flights: deque[_Flight] = deque()
        self._many = False
        self._broken = 0
        self.changed = 0

    def write(self, mutations: Iterable[Mutation]) -> None:
        """Nothing; all is committed."""
        try:
            for some in self._sorted(mutations):
                block = self._cut(some)
                self._land(_BLOCKS_AHEAD if block is not None else 0)
                if block is not None and block.started_at == self._memory.sequence:
                    self._fly(some, block)
                else:
                    self._land()
                    self._write_plainly(some)
            self._land()
        finally:
            self._end_chain()

    def _cut(self, mutations: Sequence[Mutation]) -> CutBlock | None:
        """The new rows of the mutations in parts; None where they are for one transaction that asks the database."""
        conditional = any(getattr(mutation, "expected_version", None) is not None for mutation in mutations)
        memory, part_rows = self._memory, max(1, self._block_rows // _PARTS)
        if not self._many or conditional or self._broken >= _MOST_BROKEN or memory.catalogue is None:
            return None
        with without_collector():  # more than half of the time went there
            block = None
            with suppress(KindredError):  # the transaction will tell, once it sees what is there
                block = cut_new_edges(memory, mutations, part_rows)
            if block is None and (draft := memory.draft(mutations)) is not None:
                block = cut_draft(memory.catalogue, draft, part_rows)
        return block

    def _fly(self, mutations: Sequence[Mutation], block: CutBlock) -> None:
        if self._chain is None:
            assert self._memory.catalogue is not None
            self._chain = self._loading.new_chain(self._memory.catalogue)
        self._memory.flying(block.last, block.live, block.keys)
        self._flights.append(_Flight(mutations, self._chain.add(block.parts), block.changed))

    def _land(self, keep: int = 0) -> None:
        """Nothing; all blocks but the last ``keep`` are written.

        When a chain broke, what it has not written of that is written in the plain way.
        """
        while len(self._flights) > keep:
            flight = self._flights[0]
            try:
                for link in flight.links:
                    link.future.result()
            except Broken:
                self._write_again()
            else:
                self.changed += self._flights.popleft().changed
        if not self._flights:
            self._end_chain()

    def _write_again(self) -> None:
        self._end_chain()
        self._broken += 1
        self._memory.forget()
        while self._flights:
            flight = self._flights.popleft()
            committed = self._loading.committed([link.token for link in flight.links])
            self.changed += sum(committed.values())
            # Not once more what is there: somebody may have changed or deleted it since.
            done = keys_of(link.part for link in flight.links if link.token in committed)
            if rest := without(flight.mutations, done):
                self._write_plainly(rest)

    def _end_chain(self) -> None:
        chain, self._chain = self._chain, None
        if chain is not None:
            chain.close()

    def _write_plainly(self, mutations: Sequence[Mutation]) -> None:
        """Nothing; they are written in one transaction."""
        batch = self._loading.new_batch(mutations, self._memory)
        applied = self._loading.write(batch)
        self.changed += applied.changed
        if applied.changed and batch.draft is not None:
            self._memory.committed(batch.draft)

    def _sorted(self, mutations: Iterable[Mutation]) -> Iterator[list[Mutation]]:
        """The blocks, without the rows that wait, and those at the end or before anything that is no plain upsert."""
        waiting: list[UpsertEdges] = []
        forgotten = self._memory.forgotten
        for number, block in enumerate(blocks(mutations, self._block_rows)):
            if number == 0 and block.rows >= self._block_rows:
                self._loading.before_many(self._memory)
                self._many = True
            some = list(joined(block.mutations))
            if waiting and forgotten != self._memory.forgotten:
                yield list(joined(waiting))  # rows after them can no longer be told from them
                waiting = []
            forgotten = self._memory.forgotten
            if all(isinstance(mutation, (UpsertNodes, UpsertEdges)) for mutation in some):
                met: dict[EdgeType, set[int]] = {}
                parts = [self._memory.split(mutation, met) for mutation in some]
                waiting += [again for _, again in parts if again is not None]
                some = [first for first, _ in parts if first is not None]
            elif waiting:
                yield list(joined(waiting))
                waiting = []
            if some:
                yield some
            if sum(len(mutation.source_ids) for mutation in waiting) >= self._block_rows:
                yield list(joined(waiting))
                waiting = []
        if waiting:
            yield list(joined(waiting))
