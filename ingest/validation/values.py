"""Typed values for the graph: ids, and properties of each kind, with their faults."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graph.schema import PropertyKind
from ingest.mapping.cells import Cell, TimeCell
from ingest.readers.rows import Bools
from ingest.validation.cells import label_of
from ingest.validation.cleaning import list_of_kept, without_empty
from ingest.validation.frame import LISTS, Column, Fault, as_text, bools
from ingest.validation.lists import first_bad_values, list_lengths
from ingest.validation.numbers import booleans, integers, numbers
from ingest.validation.times import milliseconds

MAX_ID_CHARS = 512
MAX_TEXT_CHARS = 100_000

Conversion: TypeAlias = Callable[[pa.Array], tuple[pa.Array, Bools]]

ARROW_TYPES: dict[PropertyKind, pa.DataType] = {
    PropertyKind.STRING: pa.string(),
    PropertyKind.INTEGER: pa.int64(),
    PropertyKind.NUMBER: pa.float64(),
    PropertyKind.BOOLEAN: pa.bool_(),
    PropertyKind.TIMESTAMP: pa.int64(),
    PropertyKind.STRINGS: LISTS,
}
"""The Arrow type in which values of each kind are staged."""


def ids(column: Column, cell: Cell) -> Column:
    """Trimmed ids, or lists of them; null where empty.

    Faults: longer than 512 characters, or with control characters.
    """
    flat = column.values.flatten() if column.is_list else as_text(column.values)
    text = without_empty(pc.utf8_trim_whitespace(flat))
    # Controls, unassigned line separators and U+FEFF are invisible: two ids that look alike would differ.
    hidden = bools(pc.match_substring_regex(text, pattern=r"[\x00-\x1f\x7f-\x9f\x{2028}\x{2029}\x{feff}]"))
    long = bools(pc.greater(pc.utf8_length(text), MAX_ID_CHARS))
    faults = column.faults
    label = label_of(cell)
    if hidden.any():
        remedy = "Remove it from the file, or clean it with {replace: …}."
        faults += (_fault(label, column, hidden, text, "the id holds an invisible control character", remedy),)
    if long.any():
        reason = f"the id is longer than {MAX_ID_CHARS} characters"
        faults += (_fault(label, column, long, text, reason, "Look for a missing delimiter."),)
    if not column.is_list:
        return Column(text, faults)
    offsets = np.concatenate([[0], np.cumsum(list_lengths(column.values))])
    return Column(list_of_kept(text, text.is_valid().to_numpy(zero_copy_only=False), offsets, column.values), faults)


def typed(column: Column, kind: PropertyKind, cell: Cell) -> Column:
    """The values in the Arrow type of ``kind``; of a list every value, unless the kind is a list itself.

    Faults: what is no value of the kind.
    """
    if kind is PropertyKind.STRINGS:
        return _strings(column)
    convert, reason, remedy = _conversion(kind, cell)
    flat = column.values.flatten() if column.is_list else column.values
    values, bad = convert(flat)
    faults = column.faults
    if bad.any() and cell.if_bad != "empty":
        faults += (_fault(label_of(cell), column, bad, as_text(flat), reason, remedy),)
    if column.is_list:
        offsets = np.concatenate([[0], np.cumsum(list_lengths(column.values))]).astype(np.int32)
        values = pa.ListArray.from_arrays(pa.array(offsets), values)
    return Column(values, faults)


def _conversion(kind: PropertyKind, cell: Cell) -> tuple[Conversion, str, str]:
    if kind is PropertyKind.TIMESTAMP:
        times = cell if isinstance(cell, TimeCell) else TimeCell.model_validate(cell.model_dump())
        shape = times.format or (f"a number of {times.unit}" if times.unit else "ISO 8601")
        reason = f"not a time between {times.earliest} and {times.latest} ({shape})"
        return lambda values: milliseconds(values, times), reason, "Repair it, or correct `format` or `unit`."
    if kind is PropertyKind.INTEGER:
        return integers, "not a whole number", "Repair it, clean it, or set `if_bad: empty`."
    if kind is PropertyKind.NUMBER:
        return numbers, "not a finite number", "Repair it, clean it, or set `if_bad: empty`."
    if kind is PropertyKind.BOOLEAN:
        return booleans, "neither true nor false", "Use true/false, yes/no, 1/0, or a `map`."
    return _texts, f"the text is longer than {MAX_TEXT_CHARS:,} characters", "Look for a missing delimiter or quote."


def _texts(values: pa.Array) -> tuple[pa.Array, Bools]:
    text = without_empty(pc.utf8_trim_whitespace(as_text(values)))
    return text, bools(pc.greater(pc.utf8_length(text), MAX_TEXT_CHARS))


def _strings(column: Column) -> Column:
    if column.is_list:
        return column
    text = without_empty(pc.utf8_trim_whitespace(as_text(column.values)))
    valid = text.is_valid().to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(valid)]).astype(np.int32)
    return Column(pa.ListArray.from_arrays(pa.array(offsets), text.drop_null(), mask=pa.array(~valid)), column.faults)


def _fault(label: str, column: Column, bad: Bools, flat: pa.Array, reason: str, remedy: str) -> Fault:
    rows, values = first_bad_values(column.values, bad, flat) if column.is_list else (bad, flat)
    return Fault(label, rows, values, reason, remedy)
