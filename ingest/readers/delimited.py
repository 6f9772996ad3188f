"""Delimited files (CSV, TSV …) as batches of text columns; ragged rows are rejected one by one."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from graph.errors import InputError
from ingest.mapping.tables import Delimited
from ingest.readers.lines import Advance, Block, read_blocks
from ingest.readers.records import with_quoted_line_ends
from ingest.readers.rows import Bools, Reject, Rows, shortened

MAX_COLUMNS = 2_000
_COUNT_REMEDY = "Quote cells that hold the delimiter, and remove extra ones."


def read_delimited(path: Path, shape: Delimited, advance: Advance | None = None) -> Iterator[Rows]:
    """The rows of a delimited file.

    Raises:
        InputError: when the header cannot be used.
    """
    delimiter = "\t" if shape.delimiter == "tab" else shape.delimiter
    blocks = read_blocks(path, encoding=shape.encoding, advance=advance)
    single = len(delimiter.encode()) == 1
    if shape.quote is not None and single:
        blocks = with_quoted_line_ends(blocks, delimiter, shape.quote)
    names: list[str] | None = list(shape.columns) or None
    for block in blocks:
        filled = block.kept(_filled(block))
        if names is None and len(filled):
            names = _header(filled.line(0).decode(), shape, delimiter, path)
            rows = filled.after(1)
            rows.rejects.extend(filled.rejects)
            filled = rows
        if names is None:
            if filled.rejects:
                yield Rows({}, filled.numbers, filled.rejects)
            continue
        yield _parsed(filled, names, shape, delimiter, single)


def _filled(block: Block) -> Bools:
    lengths = np.diff(block.starts)
    return lengths > 1


def _header(line: str, shape: Delimited, delimiter: str, path: Path) -> list[str]:
    if delimiter == "spaces":
        names = line.split()
    elif shape.quote is None or len(delimiter) > 1:
        names = line.split(delimiter)
    else:
        names = next(csv.reader([line], delimiter=delimiter, quotechar=shape.quote), [])
    names = [name.strip() for name in names]
    if shape.header == "typed":
        names = [name.partition(":")[0] for name in names]
    if len(names) > MAX_COLUMNS or len(set(names)) != len(names) or not all(names):
        doubled = sorted({name for name in names if names.count(name) > 1})
        raise InputError(
            "the header cannot be used",
            expected=f"at most {MAX_COLUMNS} different, non-empty names",
            got=f"{doubled[0]!r} twice" if doubled else line,
            where=f"{path}, line 1",
            remedy="Repair the header, or use `header: none` with `columns`.",
        )
    return names


def _parsed(block: Block, names: list[str], shape: Delimited, delimiter: str, single: bool) -> Rows:
    if not len(block):
        return Rows({name: pa.array([], pa.string()) for name in names}, block.numbers, block.rejects)
    if delimiter == "spaces" or not single:
        return _by_splitting(block, names, delimiter)
    rows = _by_arrow(block, names, delimiter, shape.quote)
    return rows if rows is not None else _by_csv_module(block, names, delimiter, shape.quote)


def _by_arrow(block: Block, names: list[str], delimiter: str, quote: str | None) -> Rows | None:
    """Arrow's parser; None when it does not see the same records as we do (then the csv module decides)."""
    if b"\r" in block.data:
        return None
    ragged: dict[int, int] = {}

    def skip(row: pa_csv.InvalidRow) -> str:
        ragged[row.number] = row.actual_columns
        return "skip"

    try:
        table = pa_csv.read_csv(
            pa.BufferReader(block.data),
            read_options=pa_csv.ReadOptions(
                column_names=names, use_threads=False, block_size=max(len(block.data) + 1, 1 << 10)
            ),
            parse_options=pa_csv.ParseOptions(
                delimiter=delimiter,
                quote_char=quote or False,
                newlines_in_values=True,
                ignore_empty_lines=False,
                invalid_row_handler=skip,
            ),
            convert_options=pa_csv.ConvertOptions(
                check_utf8=False,
                column_types={name: pa.string() for name in names},
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid:
        return None
    if table.num_rows + len(ragged) != len(block):
        return None
    keep = np.ones(len(block), dtype=np.bool_)
    rejects = list(block.rejects)
    for number, count in sorted(ragged.items()):
        index = number - 1
        if not 0 <= index < len(block):
            return None
        keep[index] = False
        rejects.append(_ragged(block, index, len(names), count))
    columns = {name: _one_chunk(table.column(name)) for name in names}
    return Rows(columns, block.numbers[keep], rejects)


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _by_csv_module(block: Block, names: list[str], delimiter: str, quote: str | None) -> Rows:
    """The slow, exact way, record by record."""
    cells: list[list[str]] = []
    keep = np.ones(len(block), dtype=np.bool_)
    rejects = list(block.rejects)
    for index in range(len(block)):
        record = block.line(index).decode()
        try:
            parsed = list(_csv_reader(_physical_lines(record), delimiter, quote))
        except csv.Error as error:
            keep[index] = False
            rejects.append(_reject(block, index, f"the row cannot be parsed: {error}", "Repair the row."))
            continue
        if len(parsed) != 1 or len(parsed[0]) != len(names):
            keep[index] = False
            rejects.append(_ragged(block, index, len(names), sum(map(len, parsed))))
        else:
            cells.append(parsed[0])
    columns = {name: pa.array([row[place] for row in cells], pa.string()) for place, name in enumerate(names)}
    return Rows(columns, block.numbers[keep], rejects)


def _csv_reader(lines: list[str], delimiter: str, quote: str | None) -> Iterator[list[str]]:
    if quote is None:
        return csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    return csv.reader(lines, delimiter=delimiter, quotechar=quote)


def _physical_lines(record: str) -> list[str]:
    return [line + "\n" for line in record.split("\n")]


def _by_splitting(block: Block, names: list[str], delimiter: str) -> Rows:
    lines = pa.array([block.line(index).decode() for index in range(len(block))], pa.string())
    if delimiter == "spaces":
        parts = pc.split_pattern_regex(pc.ascii_trim_whitespace(lines), pattern=r"[ \t]+")
    else:
        parts = pc.split_pattern(lines, pattern=delimiter)
    counts = pc.list_value_length(parts).to_numpy()
    keep: Bools = counts == len(names)
    rejects = list(block.rejects)
    rejects += [_ragged(block, index, len(names), int(counts[index])) for index in np.flatnonzero(~keep).tolist()]
    good = parts.filter(pa.array(keep))
    columns = {name: pc.list_element(good, place) for place, name in enumerate(names)}
    return Rows(columns, block.numbers[keep], rejects)


def _ragged(block: Block, index: int, expected: int, got: int) -> Reject:
    return _reject(block, index, f"the row has {got} cells, not {expected}", _COUNT_REMEDY)


def _reject(block: Block, index: int, reason: str, remedy: str) -> Reject:
    return Reject(int(block.numbers[index]), "", shortened(block.line(index)), reason, remedy)
