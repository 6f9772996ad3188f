"""Edits that people make in Neo4j Browser, found and put into the change feed.

Looking costs three short reads: the number of the last commit minus the count of ours stays the same until somebody
else commits. Only then is the curated part (all but people and their behaviour) read and compared.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

from neo4j import Transaction

from graph.errors import SchemaError
from graph.neo4j import cypher, cypher_curated
from graph.neo4j.bookmarks import transaction_id
from graph.neo4j.flushing import StoredState, pieces
from graph.neo4j.knowing import Knowledge
from graph.neo4j.known import NODE, Difference, Known, Place, Row, Table
from graph.neo4j.line import Line, RollBack
from graph.neo4j.names import Catalogue
from graph.neo4j.reading import LiveReader
from graph.neo4j.rows import EdgeKey, NodeKey, read_cells, read_properties, tombstone_key, tombstone_record
from graph.neo4j.writing import finish
from graph.records import Change, Node
from graph.schema import EdgeRole, EdgeSpec, GraphSchema, NodeRole, NodeSpec

ACTOR = "browser"
"""Who the feed says has made a hand edit."""
SAVE_EVERY_S = 60.0
"""How often what is known is kept in the database: a deletion made while nobody looks is found by it."""
_EXPORT_S = 60.0
"""The deadline of reading the curated part; a line that hangs meanwhile holds nobody up for longer."""
_SECONDS_PER_ROW = 0.002
_LOOKS = 50
_PART_BYTES = 1 << 20
_UNKNOWN = object()
_NEVER = float("-inf")
Given: TypeAlias = dict[tuple[Table, str, Place], tuple[int, int]]
"""The number and the version of each row; the number is 0 for a row that we had buried ourselves."""


def curated_nodes(schema: GraphSchema) -> list[NodeSpec]:
    """Node types that people edit."""
    return [spec for spec in schema.nodes if spec.role is not NodeRole.USER]


def curated_edges(schema: GraphSchema) -> list[EdgeSpec]:
    """Edge types that people edit: not behaviour, nor what an ingest computes from it."""
    behaviour = (EdgeRole.INTERACTION, EdgeRole.SOCIAL)
    return [
        spec
        for spec in schema.edges
        if spec.role not in behaviour and not spec.derived and schema.user_type not in (spec.source, spec.target)
    ]


class HandEditor:
    """Finds hand edits for one store. Safe to use from several threads; one looks at a time."""

    def __init__(self, line: Line, knowledge: Knowledge, reader: LiveReader) -> None:
        self._line = line
        self._knowledge = knowledge
        self._reader = reader
        self._turn = threading.RLock()
        self._known = Known()
        self._loaded = False
        self._settled: object = _UNKNOWN
        self._saved_at = _NEVER
        self._dirty = False
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
            mark = self._mark(catalogue)
            if mark is not None and mark == self._settled:
                self._save_when_due(catalogue)
                return 0
            self._load(catalogue)
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
                self._saw(change, table)
            yield change

    def save(self) -> None:
        """Keep what is known in the database, when there is something new."""
        with self._turn:
            if self._dirty:
                self._save(self._knowledge.catalogue(), self._line.address.timeout_s)

    # Looking

    def _mark(self, catalogue: Catalogue) -> object | None:
        """Something that differs once another has committed; None when that could not be told."""
        first = self._commits(catalogue)
        for _ in range(_LOOKS):
            bookmark = self._line.bookmark()
            second = self._commits(catalogue)
            if first == second:
                number = transaction_id(bookmark)
                return bookmark if number is None else number - first
            first = second
        return None

    def _commits(self, catalogue: Catalogue) -> int:
        statement = cypher_curated.commits(self._knowledge.own_names)
        return int(self._line.read(lambda tx: tx.run(statement).values())[0][0])

    def _compared(self, catalogue: Catalogue) -> dict[Table, Difference]:
        schema, names = catalogue.schema, catalogue.names
        _, until = self._reader.settled()
        found: dict[Table, Difference] = {}
        blank = not self._known.complete

        def read(transaction: Transaction) -> None:
            found.clear()
            for node in curated_nodes(schema):
                rows = transaction.run(cypher_curated.numbered_nodes(names, node))
                found[node.name] = self._known.compare(
                    node.name, _groups(rows), partial(_node_row, node), adopt=blank and node.name in names.adopted.nodes
                )
            for edge in curated_edges(schema):
                names_type = "-".join(edge.edge_type)
                rows = transaction.run(cypher_curated.numbered_edges(names, edge))
                found[edge.edge_type] = self._known.compare(
                    edge.edge_type,
                    _groups(rows),
                    partial(_edge_row, edge),
                    adopt=blank and names_type in names.adopted.edges,
                )

        self._line.read(read, timeout_s=self._export_s)
        self.diffs += 1
        self._known.complete = max(self._known.complete, until)
        return found

    # Into the feed

    def _journal(self, transaction: Transaction, found: dict[Table, Difference]) -> Given:
        """The number that each row got; a row that is otherwise than it was found is left for the next look."""
        catalogue, sequence = self._knowledge.locked(transaction)
        writing = _Writing(transaction, catalogue, sequence)
        for table, difference in found.items():
            writing.edited(table, self._versions(table, difference.edited))
            writing.gone(table, self._versions(table, difference.gone))
        if writing.sequence == sequence:
            raise RollBack(writing.given)
        finish(
            transaction,
            self._knowledge,
            (sequence, writing.sequence),
            writing.sequence - sequence,
            uuid.uuid4().hex,
            batch_id=f"{ACTOR}-{sequence + 1}",
            actor=ACTOR,
        )
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

    def _saw(self, change: Change, table: Table) -> None:
        record, number = change.record, int(change.watermark)
        if isinstance(record, Node):
            source, place, content = record.node_id, NODE, _node_content(record.properties)
        else:
            source, place = record.source_id, (record.target_id, record.qualifier)
            content = _edge_content(record.weight, record.timestamp_ms, record.properties)
        with self._turn:
            if change.operation == "delete":
                self._known.saw_buried(table, source, place, number)
            else:
                self._known.saw(table, source, Row(*place, number, content, record.version))

    # Keeping what is known

    def _load(self, catalogue: Catalogue) -> None:
        if self._loaded:
            return
        names = self._knowledge.own_names

        def read(transaction: Transaction) -> tuple[list[list[Any]], int | None]:
            parts = transaction.run(cypher_curated.read_known(names)).values()
            return parts, transaction.run(cypher_curated.read_known_number(names)).values()[0][0]

        parts, number = self._line.read(read, timeout_s=self._export_s)
        whole: dict[str, bytes] = {}
        for kind, _, content in parts:
            whole[kind] = whole.get(kind, b"") + content
        for kind, content in whole.items():
            ends = kind.split("-")
            self._known.load(kind if len(ends) == 1 else (ends[0], ends[1], ends[2]), content)
        self._known.complete = number or 0
        self._loaded = True

    def _save_when_due(self, catalogue: Catalogue) -> None:
        if self._dirty and time.monotonic() - self._saved_at > SAVE_EVERY_S:
            self._save(catalogue)

    def _save(self, catalogue: Catalogue, timeout_s: float | None = None) -> None:
        names = self._knowledge.own_names
        rows = [
            [table if isinstance(table, str) else "-".join(table), at, content[start : start + _PART_BYTES]]
            for table, content in self._known.dumped()
            for at, start in enumerate(range(0, len(content), _PART_BYTES))
        ]

        def write(transaction: Transaction) -> None:
            self._knowledge.locked(transaction)
            transaction.run(cypher_curated.drop_known(names)).consume()
            transaction.run(cypher_curated.write_known(names), rows=rows).consume()
            transaction.run(cypher_curated.count_commit(names), known=self._known.complete).consume()

        self._line.write(write, timeout_s=self._export_s if timeout_s is None else timeout_s)
        self._saved_at, self._dirty = time.monotonic(), False


class _Writing:
    """Numbers rows inside one transaction."""

    def __init__(self, transaction: Transaction, catalogue: Catalogue, sequence: int) -> None:
        self._transaction = transaction
        self._catalogue = catalogue
        self._state = StoredState(transaction, catalogue.names)
        self.sequence = sequence
        self.given: Given = {}

    def _next(self) -> int:
        self.sequence += 1
        return self.sequence

    def edited(self, table: Table, rows: Mapping[tuple[str, Place], int | None]) -> None:
        """Numbers rows that are there; one that once was deleted goes on from its last version."""
        keyed = [(_key(table, source, place), source, place) for source, place in rows]
        if not keyed:
            return
        versions = self._state.buried([key for key, _, _ in keyed])
        cells = [
            [source, self._next(), versions.get(key, rows[source, place]), *(place if len(key) > 2 else ())]
            for key, source, place in keyed
        ]
        names, schema = self._catalogue.names, self._catalogue.schema
        if isinstance(table, str):
            statement = cypher_curated.stamp_nodes(names, schema.node(table))
        else:
            statement = cypher_curated.stamp_edges(names, schema.edge(table))
        numbers = {(source, place): row[1] for (_, source, place), row in zip(keyed, cells, strict=True)}
        there: set[tuple[str, Place]] = set()
        for some in pieces(cells):
            for source, *place, version in self._transaction.run(statement, rows=some).values():
                where = (source, (place[0], place[1]) if place else NODE)
                there.add(where)
                self.given[table, *where] = (numbers[where], version)
        back = [tombstone_key(tombstone_record(key)) for key, source, place in keyed if (source, place) in there]
        if versions:
            self._transaction.run(cypher.drop_tombstones(names), keys=back).consume()

    def gone(self, table: Table, rows: Mapping[tuple[str, Place], int | None]) -> None:
        """Buries rows that are gone, with their last version, unless we had buried them ourselves."""
        if not rows:
            return
        there = self._there(table, rows)
        absent = [(source, place) for source, place in rows if (source, place) not in there]
        buried = self._state.buried([_key(table, source, place) for source, place in absent])
        fresh = []
        for source, place in absent:
            key = _key(table, source, place)
            if key in buried:
                self.given[table, source, place] = (0, 0)
                continue
            record = tombstone_record(key)
            number = self._next()
            version = rows[source, place] or 1
            fresh.append([tombstone_key(record), record, version, number])
            self.given[table, source, place] = (number, version)
        for some in pieces(fresh):
            self._transaction.run(cypher.write_tombstones(self._catalogue.names), rows=some).consume()

    def _there(self, table: Table, rows: Iterable[tuple[str, Place]]) -> set[tuple[str, Place]]:
        schema = self._catalogue.schema
        if isinstance(table, str):
            found = self._state.nodes(schema.node(table), [source for source, _ in rows])
            return {(node_id, NODE) for node_id in found}
        pairs = list(dict.fromkeys((source, place[0]) for source, place in rows))
        edges = self._state.edges(schema.edge(table), pairs)
        return {(key[1], (key[2], key[3])) for key, _ in edges}


def _key(table: Table, source: str, place: Place) -> NodeKey | EdgeKey:
    return (table, source) if isinstance(table, str) else (table, source, *place)


def _groups(records: Iterable[Any]) -> Iterator[tuple[str, Sequence[Any]]]:
    return ((source, rows) for (groups,) in records for source, rows in groups if isinstance(source, str) and source)


def _node_row(spec: NodeSpec, cells: Sequence[Any]) -> Row:
    sequence, version, values = cells
    content = _node_content(read_properties(spec.properties, values))
    return Row(*NODE, _number(sequence), content, _number(version) or 1)


def _edge_row(spec: EdgeSpec, cells: Sequence[Any]) -> Row | None:
    target, sequence, *values = cells
    if not isinstance(target, str) or not target:
        return None
    read = read_cells(spec, values)
    content = _edge_content(read.weight, read.timestamp_ms, read.properties)
    return Row(target, read.qualifier, _number(sequence), content, read.version)


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _node_content(properties: Any) -> Any:
    return dict(properties)


def _edge_content(weight: float, timestamp_ms: int | None, properties: Any) -> Any:
    return [weight, timestamp_ms, dict(properties)]
