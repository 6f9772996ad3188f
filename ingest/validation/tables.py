"""A table's rows made ready for its rules: numbered, derived, exploded, filtered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.mapping.base import Part
from ingest.mapping.cells import Cell, Condition
from ingest.mapping.file import Mapping as BoundMapping
from ingest.mapping.tables import Explode, Table
from ingest.readers import Advance, read_rows
from ingest.readers.rows import Bools
from ingest.validation.cells import Tables, evaluate
from ingest.validation.conditions import rows_with_any
from ingest.validation.frame import Column, Frame, as_text
from ingest.validation.lists import list_lengths
from ingest.validation.lookups import LookupTable, no_column


class Prepared:
    """A frame whose rows stand as the rules see them; ``filtered`` ones are to be left out."""

    def __init__(self, frame: Frame, filtered: Bools, lost: int) -> None:
        self.frame = frame
        self.filtered = filtered
        self.emptied = lost
        """Rows that vanished because their list was empty; filtered too."""


def prepared_frames(
    name: str, table: Table, path: Path, tables: Tables, advance: Advance | None = None
) -> Iterator[Prepared]:
    """The rows of one file of a table, batch by batch."""
    row = table.row_number.first if table.row_number is not None else 0
    where = f"tables.{name}, {path.name}"
    for rows in read_rows(path, table.read, advance):
        frame = Frame.of(rows, table.null_values)
        frame.rejects.extend(rows.rejects)
        if not rows.columns:
            yield Prepared(frame, np.zeros(0, dtype=np.bool_), 0)
            continue
        if table.row_number is not None:
            numbers = np.arange(row, row + len(frame), dtype=np.int64)
            frame.columns[table.row_number.column] = Column(pa.array(numbers))
            row += len(frame)
        if table.file_name is not None:
            frame.columns[table.file_name] = Column(pa.array([path.name] * len(frame)))
        for column, cell in table.derive.items():
            frame.columns[column] = evaluate(cell, frame, tables, f"{where}: derive.{column}")
        lost = 0
        if table.explode is not None:
            frame, lost = _exploded(frame, table.explode, where)
        filtered = rows_with_any(table.drop_if, frame, tables, f"{where}: drop_if")
        yield Prepared(frame, filtered, lost)


def _exploded(frame: Frame, explode: Explode, where: str) -> tuple[Frame, int]:
    if explode.column not in frame.columns:
        raise no_column(explode.column, frame.columns, f"{where}: explode")
    column = frame.columns[explode.column]
    if not column.is_list:
        # A column of a JSON or Parquet batch may hold no list at all; then each value is a list of one.
        text = as_text(column.values)
        valid = text.is_valid().to_numpy(zero_copy_only=False)
        offsets = np.concatenate([[0], np.cumsum(valid)]).astype(np.int32)
        column = Column(pa.ListArray.from_arrays(pa.array(offsets), text.drop_null()), column.faults)
    lengths = list_lengths(column.values)
    faulty = np.zeros(len(frame), dtype=np.bool_)
    for fault in column.faults:
        faulty |= fault.rows
    frame.refuse(column.faults, np.ones(len(frame), dtype=np.bool_))
    lengths = np.where(faulty, 0, lengths)
    parents = np.repeat(np.arange(len(frame), dtype=np.int64), lengths)
    taken = pa.array(parents)
    flat = column.values.flatten()
    if faulty.any():
        flat = flat.filter(pa.array(np.repeat(~faulty, list_lengths(column.values))))
    columns = {
        name: Column(other.values.take(taken), tuple(fault.taken(parents) for fault in other.faults))
        for name, other in frame.columns.items()
        if name != explode.column
    }
    columns[explode.column] = Column(flat)
    if explode.position is not None:
        starts = np.cumsum(lengths) - lengths
        positions = np.arange(len(parents), dtype=np.int64) - starts[parents] + explode.first
        columns[explode.position] = Column(pa.array(positions))
    exploded = Frame(columns, frame.lines[parents], np.zeros(len(parents), dtype=np.bool_), frame.rejects)
    return exploded, int(np.count_nonzero((lengths == 0) & ~faulty))


def lookup_tables(mapping: BoundMapping) -> dict[str, LookupTable]:
    """Every table that others look into, with the columns they ask for."""
    wanted: dict[str, set[str]] = {}
    for table in mapping.document.tables.values():
        for name, columns in _wanted(table):
            wanted.setdefault(name, set()).update(columns)
    return {name: _lookup_table(mapping, name, frozenset(columns)) for name, columns in wanted.items()}


def _lookup_table(mapping: BoundMapping, name: str, columns: frozenset[str]) -> LookupTable:
    table = mapping.document.tables[name]

    def frames() -> Iterator[Frame]:
        for path in mapping.files_of(name):
            for prepared in prepared_frames(name, table, path, {}):
                yield _kept(prepared)

    return LookupTable.of(name, frames(), columns)


def _kept(prepared: Prepared) -> Frame:
    keep = pa.array(~prepared.filtered)
    columns = {name: Column(pc.filter(column.values, keep)) for name, column in prepared.frame.columns.items()}
    lines = prepared.frame.lines[~prepared.filtered]
    return Frame(columns, lines, np.zeros(len(lines), dtype=np.bool_))


def _wanted(part: object) -> Iterator[tuple[str, tuple[str, ...]]]:
    if isinstance(part, (tuple, list)):
        for entry in part:
            yield from _wanted(entry)
    elif isinstance(part, Mapping):
        yield from _wanted(list(part.values()))
    elif isinstance(part, Cell) and part.lookup is not None:
        yield part.lookup.table, (part.lookup.key, part.lookup.take)
    elif isinstance(part, Condition):
        for known in (part.known_in, part.unknown_in):
            if known is not None:
                yield known.table, (known.key,)
    elif isinstance(part, Part):
        yield from _wanted([getattr(part, field) for field in type(part).model_fields])
