"""Cells of a mapping evaluated over a batch of rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.mapping.cells import Cell
from ingest.validation.cleaning import cleaned, list_of_kept, path_levels, split_lists, without_empty
from ingest.validation.frame import Column, Fault, Frame, as_text, bools
from ingest.validation.lists import first_bad_values, list_lengths
from ingest.validation.lookups import LookupTable, no_column

Tables: TypeAlias = Mapping[str, LookupTable]
Change: TypeAlias = Callable[[pa.Array], pa.Array]

_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")


def evaluate(cell: Cell, frame: Frame, tables: Tables, where: str) -> Column:
    """The cell's value in every row: text, a list of texts, or (untouched) the file's own type.

    Raises:
        MappingError: when the cell names a column that the rows do not have.
    """
    column = _origin(cell, frame, where)
    label = label_of(cell)
    if cell.join is not None and column.is_list:
        column = Column(without_empty(pc.binary_join(column.values, cell.join)), column.faults)
    if cell.clean:
        column = _by_value(column, lambda text: cleaned(text, cell.clean))
    if cell.split is not None and not column.is_list:
        column = Column(split_lists(as_text(column.values), cell.split), column.faults)
    if cell.lookup is not None:
        index = tables[cell.lookup.table].index(cell.lookup.key, cell.lookup.take)
        remedy = f"Add it to the table {cell.lookup.table!r}, or set `otherwise`."
        reason = f"the value is not in the table {cell.lookup.table!r}"
        column = _replaced(column, index.find, cell.lookup.otherwise, (label, reason, remedy))
    if cell.map is not None:
        keys, texts = pa.array(list(cell.map), pa.string()), pa.array(list(cell.map.values()), pa.string())
        reason, remedy = "the value is not in the map", "Add it to `map`, or set `otherwise`."

        def mapped(text: pa.Array) -> pa.Array:
            return texts.take(pc.index_in(text, value_set=keys))

        column = _replaced(column, mapped, cell.otherwise, (label, reason, remedy))
    if cell.path is not None and not column.is_list:
        column = Column(path_levels(as_text(column.values), cell.path), column.faults)
    if cell.default is not None:
        text = column.values if column.is_list else as_text(column.values)
        filler = pa.scalar([cell.default], text.type) if column.is_list else cell.default
        column = Column(pc.fill_null(text, filler), column.faults)
    return Column(column.values) if cell.if_bad == "empty" else column


def label_of(cell: Cell) -> str:
    """The name of a cell in messages: the column it reads."""
    return cell.column or ", ".join(cell.first_of) or cell.template or "value"


def _origin(cell: Cell, frame: Frame, where: str) -> Column:
    def named(name: str) -> Column:
        if name not in frame.columns:
            raise no_column(name, frame.columns, where)
        return frame.columns[name]

    if cell.column is not None:
        return named(cell.column)
    if cell.value is not None:
        return Column(pa.array([cell.value], pa.string()).take(pa.array(np.zeros(len(frame), dtype=np.int64))))
    if cell.first_of:
        columns = [named(name) for name in cell.first_of]
        return Column(pc.coalesce(*(as_text(column.values) for column in columns)), _faults_of(columns))
    parts = _PLACEHOLDER.split(cell.template or "")
    columns = [named(name) for name in parts[1::2]]
    texts = [pa.scalar(part) if place % 2 == 0 else as_text(named(part).values) for place, part in enumerate(parts)]
    return Column(pc.binary_join_element_wise(*texts, pa.scalar(""), null_handling="emit_null"), _faults_of(columns))


def _faults_of(columns: list[Column]) -> tuple[Fault, ...]:
    return tuple(fault for column in columns for fault in column.faults)


def _by_value(column: Column, change: Change) -> Column:
    if not column.is_list:
        return Column(change(as_text(column.values)), column.faults)
    flat = change(column.values.flatten())
    return Column(_relisted(column.values, flat), column.faults)


def _relisted(lists: pa.Array, flat: pa.Array) -> pa.Array:
    """Lists with the changed values; values that became null are dropped."""
    offsets = np.concatenate([[0], np.cumsum(list_lengths(lists))])
    return list_of_kept(flat, flat.is_valid().to_numpy(zero_copy_only=False), offsets, lists)


def _replaced(column: Column, find: Change, otherwise: str, words: tuple[str, str, str]) -> Column:
    text = column.values.flatten() if column.is_list else as_text(column.values)
    found = find(text)
    lost = bools(pc.and_(text.is_valid(), found.is_null()))
    faults = column.faults
    if otherwise == "keep":
        found = pc.coalesce(found, text)
    elif otherwise == "quarantine" and lost.any():
        label, reason, remedy = words
        rows, values = lost, text
        if column.is_list:
            rows, values = first_bad_values(column.values, lost, text)
        faults = (*faults, Fault(label, rows, values, reason, remedy))
    return Column(_relisted(column.values, found) if column.is_list else found, faults)
