"""One large JSON object whose entries are rows, read entry by entry."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from graph.errors import InputError
from ingest.mapping.tables import JsonObject
from ingest.readers.json_values import Cell, NotACell, as_cell, column_of, field_of
from ingest.readers.lines import Advance, opened
from ingest.readers.rows import Reject, Rows, shortened

BATCH_ROWS = 20_000
MAX_ENTRY_CHARS = 32 << 20
_CHUNK = 1 << 20
_BLANK = re.compile(r"[ \t\r\n]*")


def read_json_object(path: Path, shape: JsonObject, advance: Advance | None = None) -> Iterator[Rows]:
    """The entries of a JSON object as rows.

    Raises:
        InputError: when the file is not a JSON object; the entries before the damage were yielded.
    """
    batch = _Batch(shape)
    with opened(path, advance) as stream:
        for line, key, value in _Entries(stream, shape.encoding, path):
            batch.add(line, key, value)
            if len(batch.lines) >= BATCH_ROWS:
                yield batch.rows()
                batch = _Batch(shape)
    yield batch.rows()


class _Batch:
    def __init__(self, shape: JsonObject) -> None:
        self._shape = shape
        self.lines: list[int] = []
        self._rejects: list[Reject] = []
        self._keys: list[str] = []
        self._numbers: list[int | None] = []
        names = shape.columns or (shape.values,)
        self._cells: dict[str, list[Cell]] = {name: [] for name in names}

    def add(self, line: int, key: str, value: object) -> None:
        shape = self._shape
        nested = shape.number is not None and isinstance(value, list)
        rows = list(enumerate(value)) if nested and isinstance(value, list) else [(None, value)]
        for number, row in rows:
            name = shape.values
            try:
                key_text = as_cell(key)
                cells = {}
                for name in self._cells:
                    cells[name] = as_cell(field_of(row, name) if shape.columns else row)
            except NotACell as error:
                self._rejects.append(
                    Reject(line, name, shortened(row), f"not usable JSON: {error}", "Repair the entry.")
                )
                continue
            self.lines.append(line)
            self._keys.append(str(key_text))
            self._numbers.append(number)
            for name, cell in cells.items():
                self._cells[name].append(cell)

    def rows(self) -> Rows:
        columns = {self._shape.key: pa.array(self._keys, pa.string())}
        if self._shape.number is not None:
            columns[self._shape.number] = pa.array(self._numbers, pa.int64())
        columns |= {name: column_of(cells) for name, cells in self._cells.items()}
        return Rows(columns, np.asarray(self.lines, dtype=np.int64), self._rejects)


class _Entries:
    """Iterates over ``(line, key, value)`` holding no more than one entry and one chunk of text."""

    def __init__(self, stream: BinaryIO, encoding: str, path: Path) -> None:
        self._stream = stream
        self._decode = codecs.getincrementaldecoder(encoding)()
        self._path = path
        self._text = ""
        self._place = 0
        self._line = 1
        self._counted = 0
        self._ended = False
        self._json = json.JSONDecoder()

    def __iter__(self) -> Iterator[tuple[int, str, object]]:
        self._more()
        self._text = self._text.removeprefix("\ufeff")
        self._expect("{")
        if self._next_mark() == "}":
            self._step()
        else:
            while True:
                key = self._value()
                if not isinstance(key, str):
                    raise self._damaged("an entry's key is not text")
                line = self._line_here()
                self._expect(":")
                yield line, key, self._value()
                mark = self._next_mark()
                self._step()
                if mark == "}":
                    break
                if mark != ",":
                    raise self._damaged("expected , or } after an entry")
        if self._next_mark() != "":
            raise self._damaged("there is text after the object")

    def _more(self) -> bool:
        if self._ended:
            return False
        try:
            chunk = self._stream.read(_CHUNK)
            added = self._decode.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            raise self._damaged(f"the text is not in the declared encoding: {error.reason}") from error
        self._ended = not chunk
        self._line_here()
        self._text = self._text[self._place :] + added
        self._place = self._counted = 0
        if len(self._text) > MAX_ENTRY_CHARS:
            raise self._damaged(f"an entry is longer than {MAX_ENTRY_CHARS:,} characters")
        return bool(chunk)

    def _next_mark(self) -> str:
        while True:
            blank = _BLANK.match(self._text, self._place)
            self._place = blank.end() if blank else self._place
            if self._place < len(self._text):
                return self._text[self._place]
            if not self._more() and self._place >= len(self._text):
                return ""

    def _step(self) -> None:
        self._place += 1

    def _line_here(self) -> int:
        self._line += self._text.count("\n", self._counted, self._place)
        self._counted = self._place
        return self._line

    def _expect(self, mark: str) -> None:
        if self._next_mark() != mark:
            raise self._damaged(f"expected {mark}")
        self._step()

    def _value(self) -> object:
        self._next_mark()
        while True:
            try:
                value, end = self._json.raw_decode(self._text, self._place)
                # A number at the chunk's end may go on in the next one.
                if end < len(self._text) or self._ended or not self._more():
                    self._place = end
                    return value
            except RecursionError as error:
                raise self._damaged("values are nested too deep") from error
            except ValueError as error:
                if not self._more():
                    raise self._damaged(f"not JSON: {error}") from error

    def _damaged(self, what: str) -> InputError:
        return InputError(
            f"the file is not one JSON object: {what}",
            got=shortened(self._text[self._place : self._place + 60]),
            where=f"{self._path}, line {self._line_here()}",
            remedy="Repair the file; nothing was committed.",
        )
