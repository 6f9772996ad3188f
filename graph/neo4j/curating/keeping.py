"""What is known of the curated part, kept in the database: a deletion made while nobody looks is found by it."""

from __future__ import annotations

import uuid
import zlib
from typing import Any

import msgspec
from neo4j import Transaction

from graph.collecting import without_collector
from graph.neo4j.curating.comparing import named
from graph.neo4j.curating.known import Known
from graph.neo4j.curating.vouching import vouched
from graph.neo4j.cypher import curation
from graph.neo4j.cypher.names import Catalogue
from graph.neo4j.knowing import Knowledge
from graph.neo4j.wire.line import Line, RollBack


class Keeper:
    """Reads and writes what is kept. It is written piece by piece, as long as nobody else has written any."""

    def __init__(self, line: Line, knowledge: Knowledge) -> None:
        self._line, self._knowledge = line, knowledge
        self._token: str | None = None
        """Of what is kept, while that is what is known but for what is unsaved."""

    def load(self, timeout_s: float) -> tuple[Known, str | None]:
        """What was kept and its voucher; nothing where nothing is, or somebody has meddled with it."""
        names = self._knowledge.own_names

        def read(transaction: Transaction) -> tuple[list[list[Any]], list[Any]]:
            parts = transaction.run(curation.read_known(names)).values()
            return parts, transaction.run(curation.read_known_number(names)).values()[0]

        parts, (number, vouched_then, token) = self._line.read(read, timeout_s=timeout_s)
        known = Known()
        if token is None:
            return known, None
        try:
            with without_collector():
                for kind, content in parts:
                    ends = kind.split("-")
                    known.load(kind if len(ends) == 1 else (ends[0], ends[1], ends[2]), content)
        except (zlib.error, msgspec.DecodeError):
            return Known(), None
        known.complete, self._token = number or 0, token
        return known, vouched_then

    def save(self, known: Known, catalogue: Catalogue, mark: object, timeout_s: float) -> None:
        """Nothing; it is kept, vouched for by the ``mark`` of the last look."""
        token = uuid.uuid4().hex
        if not self._is_written(known, catalogue, mark, token, timeout_s):
            self._token = None
            self._is_written(known, catalogue, mark, token, timeout_s)
        known.saved()
        self._token = token

    def _is_written(self, known: Known, catalogue: Catalogue, mark: object, token: str, timeout_s: float) -> bool:
        """Whether what is known is kept; what has changed is not enough where another process, or a hand, was there."""
        names, unsaved = self._knowledge.own_names, self._token is not None
        rows = [[named(table), bucket, content] for table, bucket, content in known.dumped(unsaved=unsaved)]

        def write(transaction: Transaction) -> bool:
            self._knowledge.locked(transaction)
            if not unsaved:
                transaction.run(curation.drop_known(names)).consume()
            elif transaction.run(curation.kept_whole(names)).values() != [[self._token]]:
                raise RollBack(False)
            transaction.run(curation.write_known(names), rows=rows).consume()
            transaction.run(
                curation.keep_known_number(names),
                known=known.complete,
                vouched=vouched(transaction, catalogue, mark),
                kept=token,
            ).consume()
            return True

        return self._line.write(write, timeout_s=timeout_s)
