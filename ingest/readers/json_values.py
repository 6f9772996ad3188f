"""JSON values as cells: text, lists of text, and fields named with dots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import pyarrow as pa

Cell: TypeAlias = str | list[str] | None


class NotACell(ValueError):
    """A JSON value that has no place in a cell."""


def field_of(row: object, path: str) -> object:
    """The value at a dotted path (a field whose own name holds the dots comes first); None when absent."""
    if not isinstance(row, dict):
        return None
    if path in row:
        return row[path]
    head, dot, rest = path.partition(".")
    return field_of(row.get(head), rest) if dot else None


def as_cell(value: object) -> Cell:
    """A JSON value as a cell.

    Raises:
        NotACell: for an object, a list of lists, or text that has no UTF-8 form.
    """
    if value is None:
        return None
    if isinstance(value, list):
        return [text for text in map(_as_text, value) if text is not None]
    return _as_text(value)


def _as_text(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise NotACell("text with half a surrogate pair") from error
        if "\0" in value:
            raise NotACell("text with a NUL character")
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        if value.bit_length() > 512:
            raise NotACell("a number with more than 150 digits")
        return str(value)
    if isinstance(value, float):
        return repr(value)
    raise NotACell("an object or a list where a plain value belongs")


def column_of(cells: Sequence[Cell]) -> pa.Array:
    """Cells as an Arrow column: lists when any is a list (a plain value is then a list of one), else text."""
    if any(isinstance(cell, list) for cell in cells):
        return pa.array([cell if isinstance(cell, list) or cell is None else [cell] for cell in cells], _LISTS)
    return pa.array(cells, pa.string())


_LISTS = pa.list_(pa.string())
