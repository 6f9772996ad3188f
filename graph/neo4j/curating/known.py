"""What this process last knew of the part that people edit, and how it differs from what is there.

A hand edit stamps nothing. What betrays it is a row whose content differs though its sequence number does not, a row
without a number, a row with a number that was never given to it (copied with the properties of another), and a row
that is gone.
"""

from __future__ import annotations

import marshal
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec

from graph.neo4j.rows import Table

Place: TypeAlias = tuple[str, str]
"""Where in its group a row is: an edge's target and qualifier; ``("", "")`` for a node, which is a group of its own."""
NODE: Place = ("", "")
BUCKETS = 64
"""Pieces of a table that are kept apart, so that little is written where little has changed."""
_MARSHAL = 2
"""The version without references: equal values give equal bytes."""


class Row(msgspec.Struct, array_like=True, frozen=True):
    """One row as it was: ``sequence`` is None for a row that nobody numbered."""

    target: str
    qualifier: str
    sequence: int | None
    content: Any
    version: int = 1

    @property
    def place(self) -> Place:
        return (self.target, self.qualifier)


@dataclass(frozen=True, slots=True)
class _Group:
    """The rows of one source, packed; ``print`` is a checksum of how the database wrote them, 0 when not known.

    ``part`` is the part of an export that they were in, None when no export had them.
    """

    print: int
    packed: bytes
    part: int | None

    def rows(self) -> dict[Place, Row]:
        return {row.place: row for row in _ROWS.decode(self.packed)}


@dataclass(slots=True)
class Difference:
    """Rows that somebody else wrote, as found, and rows that are gone; by ``(source, place)``."""

    edited: dict[tuple[str, Place], Row] = field(default_factory=dict)
    gone: list[tuple[str, Place]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.edited or self.gone)


Groups: TypeAlias = Sequence[tuple[str, Sequence[Any]]]
"""Sources, each with its rows as the database wrote them. One whose id is no text stands for nobody."""
Reader: TypeAlias = Callable[[Sequence[Any]], Row | None]
"""Makes a row of what the database gave; None for one that has no usable key."""

_ROWS = msgspec.json.Decoder(list[Row])
_DUMPED = msgspec.json.Decoder(list[tuple[str, list[Row]]])


def _packed(rows: Iterable[Row]) -> bytes:
    return msgspec.json.encode(sorted(rows, key=lambda row: row.place))


class Known:
    """Rows by type and source. ``complete`` is the number up to which every row that is there is in here."""

    def __init__(self) -> None:
        self.complete = 0
        self._tables: dict[Table, dict[str, _Group]] = {}
        self._prints: dict[Table, dict[int, int]] = {}
        """Checksums of the parts of which every row is known as the database wrote it."""
        self._unsaved: dict[Table, set[int]] = {}

    def tables(self) -> Iterable[Table]:
        return self._tables.keys()

    def compare(
        self, table: Table, exported: Iterable[tuple[int, Groups]], read: Reader, *, adopt: bool = False
    ) -> Difference:
        """How the exported parts differ; what is new and numbered after :attr:`complete` is taken in silently.

        With ``adopt`` rows that were never numbered are taken in too: a graph that Kindred did not write.
        """
        known, prints = self._tables.setdefault(table, {}), self._prints.setdefault(table, {})
        difference = Difference()
        same: set[int] = set()
        seen: set[str] = set()
        fresh: dict[int, int] = {}  # counts once all is read: a comparison may be cut off
        for part, groups in exported:
            print_ = _print(groups)
            if prints.get(part) == print_:
                same.add(part)
                continue
            prints.pop(part, None)
            rows = [(source, raw) for source, raw in groups if isinstance(source, str) and source]
            seen.update(source for source, _ in rows)
            taken = [self._take(table, part, *row, difference, read, adopt=adopt) for row in rows]
            if all(taken):
                fresh[part] = print_
        for source, group in known.items():
            if group.part not in same and source not in seen:
                difference.gone += [(source, place) for place in group.rows()]
                if group.part is not None:
                    fresh.pop(group.part, None)  # reported again until it is settled
        prints.update(fresh)
        return difference

    def _take(
        self, table: Table, part: int, source: str, raw: Any, difference: Difference, read: Reader, *, adopt: bool
    ) -> bool:
        """Whether all rows of the source are known as they are there now."""
        group = self._tables[table].get(source)
        print_ = _print(raw)
        if group is not None and group.print == print_ and group.part == part:
            return True
        now = _read(raw, read)
        before = {} if group is None else group.rows()
        kept = self._merged(source, before, now, difference, adopt)
        self._put(table, source, _Group(print_ if kept == now else 0, _packed(kept.values()), part))
        return kept == now

    def _put(self, table: Table, source: str, group: _Group | None) -> None:
        """The group is known instead of the one before; None: nothing is."""
        groups = self._tables.setdefault(table, {})
        before = groups.pop(source, None) if group is None else groups.get(source)
        if group is not None:
            groups[source] = group
        if (None if before is None else before.packed) != (None if group is None else group.packed):
            self._unsaved.setdefault(table, set()).add(_bucket(source))

    def _changed(self, table: Table, source: str, rows: Mapping[Place, Row]) -> None:
        """These are the source's rows from now on, whatever the database wrote last."""
        group = self._tables.get(table, {}).get(source)
        part = None if group is None else group.part
        if part is not None:
            self._prints[table].pop(part, None)
        self._put(table, source, _Group(0, _packed(rows.values()), part) if rows else None)

    def _merged(
        self, source: str, before: Mapping[Place, Row], now: Mapping[Place, Row], difference: Difference, adopt: bool
    ) -> dict[Place, Row]:
        """The rows to know from now on: what is reported stays as it was until :meth:`settle` hears how it ended."""
        kept: dict[Place, Row] = {}
        for place, row in now.items():
            old = before.get(place)
            if self._by_hand(old, row, adopt):
                difference.edited[source, place] = row
                if old is not None:
                    kept[place] = old
            else:
                kept[place] = row
        for place, old in before.items():
            if place not in now:
                difference.gone.append((source, place))
                kept[place] = old
        return kept

    def _by_hand(self, old: Row | None, row: Row, adopt: bool) -> bool:
        if old is None:
            return not adopt if row.sequence is None else row.sequence <= self.complete
        if row.sequence == old.sequence:
            return bool(row.content != old.content)
        return row.sequence is None or (old.sequence is not None and row.sequence < old.sequence)

    def settle(self, table: Table, source: str, row: Row) -> None:
        """The row is known as it stands here."""
        group = self._tables.get(table, {}).get(source)
        rows = {} if group is None else group.rows()
        rows[row.place] = Row(row.target, row.qualifier, row.sequence, _plain(row.content), row.version)
        self._changed(table, source, rows)

    def forget(self, table: Table, source: str, place: Place) -> None:
        """The row is known to be gone."""
        group = self._tables.get(table, {}).get(source)
        rows = {} if group is None else group.rows()
        rows.pop(place, None)
        self._changed(table, source, rows)

    def row(self, table: Table, source: str, place: Place) -> Row | None:
        """The row as it is known."""
        group = self._tables.get(table, {}).get(source)
        return None if group is None else group.rows().get(place)

    def saw(self, table: Table, source: str, row: Row) -> None:
        """A row was handed out with its number. What was handed out under the same number before stays."""
        old = self.row(table, source, row.place)
        if old is None or old.sequence is None or (row.sequence or 0) > old.sequence:
            self.settle(table, source, row)

    def saw_buried(self, table: Table, source: str, place: Place, sequence: int) -> None:
        """A deletion was handed out with this number."""
        old = self.row(table, source, place)
        if old is not None and (old.sequence is None or old.sequence < sequence):
            self.forget(table, source, place)

    def dumped(self, *, unsaved: bool = False) -> Iterator[tuple[Table, int, bytes]]:
        """Tables and buckets, each bucket as bytes for :meth:`load`; with ``unsaved`` those that have changed since
        :meth:`saved`, which may be empty by now.
        """
        for table, groups in self._tables.items():
            wanted = self._unsaved.get(table, set()) if unsaved else range(BUCKETS)
            rows: dict[int, list[tuple[str, list[Row]]]] = {bucket: [] for bucket in wanted}
            for source, group in groups.items() if rows else ():
                if (bucket := _bucket(source)) in rows:
                    rows[bucket].append((source, _ROWS.decode(group.packed)))
            for bucket, some in rows.items():
                if some or unsaved:
                    yield table, bucket, zlib.compress(msgspec.json.encode(some), 1)

    def saved(self) -> None:
        """Nothing has changed since."""
        self._unsaved.clear()

    def load(self, table: Table, content: bytes) -> None:
        """Take in a bucket that :meth:`dumped` gave."""
        groups = self._tables.setdefault(table, {})
        for source, rows in _DUMPED.decode(zlib.decompress(content)):
            groups[source] = _Group(0, _packed(rows), None)


def _print(raw: Any) -> int:
    """A checksum of what the database gave; the fast form knows plain values only."""
    try:
        content = marshal.dumps(raw, _MARSHAL)
    except ValueError:
        content = repr(raw).encode("utf-8", "surrogatepass")
    return hash(content) or 1


def _bucket(source: str) -> int:
    return zlib.crc32(source.encode("utf-8", "surrogatepass")) % BUCKETS


def _read(raw: Sequence[Any], read: Reader) -> dict[Place, Row]:
    rows: dict[Place, Row] = {}
    for cells in raw:
        row = read(cells)
        if row is None:
            continue
        twin = rows.get(row.place)
        # Of relations made twice by hand one counts: the numbered one, else the first.
        if twin is None or (twin.sequence is None and row.sequence is not None):
            rows[row.place] = Row(row.target, row.qualifier, row.sequence, _plain(row.content), row.version)
    return rows


def _plain(content: Any) -> Any:
    """The content as it comes back from JSON, so that it compares equal to what was packed."""
    return msgspec.json.decode(msgspec.json.encode(content))
