"""A chain of transactions, two open at a time: the server works one out while it commits the one before.

Each holds one of the two locks of :mod:`graph.neo4j.cypher.turns`, in turn, takes it after the one before has taken
the other, and commits after that one has. So no number is there before all below it, whenever the process ends.
Whoever else writes takes both locks, gets in where the chain has just one, and leaves a higher number than the next
transaction of the chain expects.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from neo4j import Transaction

from graph.errors import KindredError
from graph.neo4j.bulk.new_rows import Elements, Part
from graph.neo4j.cypher.turns import Turn
from graph.neo4j.wire.line import Line
from graph.neo4j.writing.batch import Audit

LINK_S = 120.0
"""The deadline of one transaction, waiting for others' included; what is late is written in the plain way."""
_TURNS: tuple[Turn, Turn] = ("first", "second")


class Broken(Exception):
    """A transaction of the chain was not committed, or nobody knows; none after it was."""


class Link:
    """One transaction of a chain."""

    def __init__(self, chain: Chain, part: Part, before: Link | None, nodes: Link | None, turn: Turn) -> None:
        self.token = uuid.uuid4().hex
        self.part = part
        self.future: Future[None] = Future()
        self.at_turn = threading.Event()
        """It has its lock, or never will."""
        self._chain = chain
        self._before = before
        self._nodes = nodes
        """The one that writes the last nodes its edges may end at."""
        self._turn = turn
        self._tried = False

    def run(self) -> None:
        try:
            self._chain.line.write(self, timeout_s=LINK_S)
            self.future.set_result(None)
        except (Broken, KindredError) as error:
            self.future.set_exception(Broken(str(error)))
        except BaseException as error:
            self.future.set_exception(error)
        finally:
            self.at_turn.set()
            self._before = self._nodes = None  # or each would keep all before it

    def __call__(self, transaction: Transaction) -> None:
        """Nothing; all is written but the commit, whose turn it is."""
        if self._tried:
            raise Broken  # an earlier try may have been committed: to be found out by who has both locks
        self._tried = True
        part, before, chain = self.part, self._before, self._chain
        if before is not None:
            before.at_turn.wait()
            if before.future.done():
                before.future.result()
        if self._nodes is not None:
            self._nodes.future.result()  # only what is committed is seen
        catalogue, number = chain.audit.knowledge.locked(transaction, self._turn)
        expected = {part.after} if before is None else {part.after, before.after}
        if number not in expected or catalogue.version != chain.version:
            raise Broken
        self.at_turn.set()
        part.write(transaction, catalogue, chain.elements)
        chain.audit.finish(transaction, (part.after, part.last), part.changed, self.token, self._turn)
        if before is not None:
            before.future.result()
        if self.future.done():
            raise Broken  # it took too long, and whoever waited for it has gone on

    @property
    def after(self) -> int:
        """The last number before its own."""
        return self.part.after


class Chain:
    """Writes parts in the order they are given, from where the graph is when it begins."""

    def __init__(self, line: Line, audit: Audit, version: str) -> None:
        self.line = line
        self.audit = audit
        self.version = version
        self.elements: Elements = {}
        self._pool = ThreadPoolExecutor(len(_TURNS), "neo4j-chain")
        self._last: Link | None = None
        self._added = 0

    def add(self, parts: Sequence[Part]) -> list[Link]:
        """The links that write the parts of a block, which follow on those added before.

        Their futures raise :class:`Broken`.
        """
        links: list[Link] = []
        earlier = self._last if self._last is not None and self._last.part.nodes else None
        nodes: Link | None = None
        for part in parts:
            needed = None if part.nodes else (nodes if part.needs_nodes else None) or earlier
            link = Link(self, part, self._last, needed, _TURNS[self._added % 2])
            if part.nodes:
                nodes = link
            self._last = link
            self._added += 1
            self._pool.submit(link.run)
            links.append(link)
        return links

    def close(self) -> None:
        """Nothing; what was added is written, or refused."""
        self._pool.shutdown()
