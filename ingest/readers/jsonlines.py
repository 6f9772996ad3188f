"""JSON lines: an object on each line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from ingest.mapping.tables import JsonLines
from ingest.readers.json_values import Cell, NotACell, as_cell, column_of, field_of
from ingest.readers.lines import Advance, read_blocks
from ingest.readers.rows import Reject, Rows, shortened


def read_jsonlines(path: Path, shape: JsonLines, advance: Advance | None = None) -> Iterator[Rows]:
    """The rows of a JSON-lines file; blank lines are no rows."""
    decoder = msgspec.json.Decoder()
    for block in read_blocks(path, encoding=shape.encoding, advance=advance):
        cells: dict[str, list[Cell]] = {name: [] for name in shape.columns}
        lines: list[int] = []
        rejects = block.rejects
        for index, number in enumerate(block.numbers.tolist()):
            text = block.line(index)
            if not text.strip():
                continue
            name = ""
            try:
                row = decoder.decode(text)
                if not isinstance(row, dict):
                    raise NotACell("not a JSON object")
                values = []
                for name in shape.columns:
                    values.append(as_cell(field_of(row, name)))
            except (msgspec.DecodeError, NotACell, RecursionError) as error:
                column = name if isinstance(error, NotACell) else ""
                rejects.append(Reject(number, column, shortened(text), f"not usable JSON: {error}", "Repair the line."))
                continue
            for name, value in zip(shape.columns, values, strict=True):
                cells[name].append(value)
            lines.append(number)
        columns = {name: column_of(values) for name, values in cells.items()}
        yield Rows(columns, np.asarray(lines, dtype=np.int64), rejects)
