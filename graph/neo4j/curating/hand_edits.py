"""Edits that people make in Neo4j Browser, found and put into the change feed.

Looking costs three short reads: the number of the last commit minus the count of ours stays the same until somebody
else commits. Only then is the curated part (all but people and their behaviour) read and compared.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from functools import partial

from neo4j import Transaction

from graph.curation import curated_edges, curated_nodes
from graph.errors import SchemaError
from graph.neo4j.curating.comparing import Comparing, edge_content, node_content
from graph.neo4j.curating.journal import Given, Journal
from graph.neo4j.curating.keeping import Keeper
from graph.neo4j.curating.known import NODE, Difference, Known, Place, Row
from graph.neo4j.curating.vouching import rows_of_ours, vouched
from graph.neo4j.cypher import turns
from graph.neo4j.cypher.names import Catalogue
from graph.neo4j.knowing import Knowledge
from graph.neo4j.reading.reader import LiveReader
from graph.neo4j.rows import Table
from graph.neo4j.wire.bookmarks import transaction_id
from graph.neo4j.wire.line import Line, RollBack
from graph.neo4j.writing.batch import Audit
from graph.records import Change, Edge, Node

ACTOR = "browser"
"""Who the feed says has made a hand edit."""
SAVE_EVERY_S = 60.0
"""How often what is known is kept in the database: a deletion made while nobody looks is found by it."""
FIRST_AFTER_S = 2.0
"""A start that had nothing to compare does so a little later: a first comparison is slow, and an edit waits for it."""
_EXPORT_S = 60.0
"""The deadline of reading the curated part; a line that hangs meanwhile holds nobody up for longer."""
_SECONDS_PER_ROW = 0.002
_LOOKS = 50
_UNKNOWN = object()
_NEVER = float("-inf")


class HandEditor:
    """Finds hand edits for one store. Safe to use from several threads; one looks at a time."""

    def __init__(self, line: Line, knowledge: Knowledge, reader: LiveReader) -> None:
        self._line = line
        self._knowledge = knowledge
        self._reader = reader
        self._comparing, self._keeper = Comparing(line), Keeper(line, knowledge)
        self._turn = threading.RLock()
        self._known = Known()
        self._loaded = False
        self._settled: object = _UNKNOWN
        self._saved_at = _NEVER
        self._compare_at = -_NEVER
        self._dirty = self._handed = False
        self._vouched: str | None = None
        self.diffs = 0
        """How often the curated part was compared."""

    @property
    def _export_s(self) -> float:
        """A store's URL may ask for more patience, never for less: a large graph on a busy machine needs it."""
        return max(_EXPORT_S, self._line.address.timeout_s)

    def reconcile(self) -> int:
        """How many rows somebody else has written since the last look; they are in the change feed now."""
        with self._turn:
            try:
                catalogue = self._knowledge.catalogue()
            except SchemaError:
                return 0  # nothing to curate yet
            mark = self._mark()
            if mark is not None and mark == self._settled and time.monotonic() < self._compare_at:
                self._save_when_due(catalogue)
                return 0
            self._load()
            if mark is not None and self._settled is _UNKNOWN and self._is_as_left(catalogue, mark):
                self._settled = mark
                self._compare_at = time.monotonic() + FIRST_AFTER_S
                return 0
            found = self._compared(catalogue)
            count = 0
            if any(found.values()):
                rows = sum(len(difference.edited) + len(difference.gone) for difference in found.values())
                seconds = self._line.address.timeout_s + rows * _SECONDS_PER_ROW
                count = self._settle(found, self._line.write(partial(self._journal, found=found), timeout_s=seconds))
            self._settled = mark
            self._dirty = True
            if self._saved_at == _NEVER:
                self._save_when_due(catalogue)
            return count  # later ones are kept by a look that finds nothing: who waits for this edit waits for no more

    def watched(self, changes: Iterable[Change]) -> Iterator[Change]:
        """The changes; what of the curated part is handed out is known to be so."""
        types: dict[Table, bool] = {}
        for change in changes:
            record = change.record
            table: Table = record.node_type if isinstance(record, Node) else record.edge_type
            if table not in types:
                types[table] = self._is_curated(table)
            if types[table]:
                self._saw(record, int(change.watermark), deleted=change.operation == "delete")
            yield change

    def save(self) -> None:
        """Keep what is known in the database, when there is something new."""
        with self._turn:
            if self._dirty or self._handed:
                self._save(self._knowledge.catalogue(), self._line.address.timeout_s)

    # Looking

    def _mark(self) -> object | None:
        """Something that differs once another has committed; None when that could not be told."""
        first = self._commits()
        for _ in range(_LOOKS):
            bookmark = self._line.bookmark()
            second = self._commits()
            if first == second:
                number = transaction_id(bookmark)
                return bookmark if number is None else number - first
            first = second
        return None

    def _commits(self) -> int:
        statement = turns.counters(self._knowledge.own_names)
        return int(self._line.read(lambda tx: tx.run(statement).values())[0][1])

    def _is_as_left(self, catalogue: Catalogue, mark: object) -> bool:
        """Whether nobody else has committed since what is known was kept; then our own rows since are known, too."""
        vouched_now = self._line.read(lambda tx: vouched(tx, catalogue, mark))
        if vouched_now is None or vouched_now != self._vouched:
            return False
        _, until = self._reader.settled()
        since = self._known.complete
        rows = self._line.read(lambda tx: rows_of_ours(tx, catalogue, since, until), timeout_s=self._export_s)
        if rows is None or self._mark() != mark:  # a hand may have been in what was read
            return False
        for record, number, deleted in rows:
            self._saw(record, number, deleted=deleted)
        self._known.complete = max(since, until)
        return True

    def _compared(self, catalogue: Catalogue) -> dict[Table, Difference]:
        _, until = self._reader.settled()
        self._compare_at = -_NEVER
        found = self._comparing.differences(catalogue, self._known, self._export_s)
        self.diffs += 1
        self._known.complete = max(self._known.complete, until)
        return found

    # Into the feed

    def _journal(self, transaction: Transaction, found: dict[Table, Difference]) -> Given:
        """The number that each row got; a row that is otherwise than it was found is left for the next look."""
        catalogue, sequence = self._knowledge.locked(transaction)
        writing = Journal(transaction, catalogue, sequence)
        for table, difference in found.items():
            writing.edited(table, self._versions(table, difference.edited))
            writing.gone(table, self._versions(table, difference.gone))
        if writing.sequence == sequence:
            raise RollBack(writing.given)
        audit = Audit(self._knowledge, f"{ACTOR}-{sequence + 1}", ACTOR)
        numbers = (sequence, writing.sequence)
        audit.finish(transaction, numbers, writing.sequence - sequence, uuid.uuid4().hex)
        return writing.given

    def _versions(self, table: Table, rows: Iterable[tuple[str, Place]]) -> dict[tuple[str, Place], int | None]:
        """The version that each row was last known with."""
        known = {at: self._known.row(table, *at) for at in rows}
        return {at: None if row is None else row.version for at, row in known.items()}

    def _settle(self, found: dict[Table, Difference], numbers: Given) -> int:
        for table, difference in found.items():
            for (source, place), row in difference.edited.items():
                if (given := numbers.get((table, source, place))) is not None:
                    self._known.settle(table, source, Row(*place, given[0], row.content, given[1]))
            for source, place in difference.gone:
                if (table, source, place) in numbers:
                    self._known.forget(table, source, place)
        last = max((number for number, _ in numbers.values()), default=0)
        self._known.complete = max(self._known.complete, last)
        return sum(number > 0 for number, _ in numbers.values())

    def _is_curated(self, table: Table) -> bool:
        schema = self._knowledge.catalogue().schema
        if isinstance(table, str):
            return any(spec.name == table for spec in curated_nodes(schema))
        return any(spec.edge_type == table for spec in curated_edges(schema))

    def _saw(self, record: Node | Edge, number: int, *, deleted: bool) -> None:
        table: Table
        if isinstance(record, Node):
            table, source, place = record.node_type, record.node_id, NODE
            content = node_content(record.properties)
        else:
            table, source, place = record.edge_type, record.source_id, (record.target_id, record.qualifier)
            content = edge_content(record.weight, record.timestamp_ms, record.properties)
        with self._turn:
            self._handed = True
            if deleted:
                self._known.saw_buried(table, source, place, number)
            else:
                self._known.saw(table, source, Row(*place, number, content, record.version))

    # Keeping what is known

    def _load(self) -> None:
        if not self._loaded:
            self._known, self._vouched = self._keeper.load(self._export_s)
            self._loaded = True

    def _save_when_due(self, catalogue: Catalogue) -> None:
        if self._dirty and time.monotonic() - self._saved_at > SAVE_EVERY_S:
            self._save(catalogue, self._export_s)

    def _save(self, catalogue: Catalogue, timeout_s: float) -> None:
        self._keeper.save(self._known, catalogue, self._settled, timeout_s)
        self._saved_at, self._dirty, self._handed = time.monotonic(), False, False
