"""Readers: files of any declared shape as batches of rows, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ingest.mapping.tables import Delimited, JsonLines, JsonObject, Lists, Reading
from ingest.readers.delimited import read_delimited
from ingest.readers.json_object import read_json_object
from ingest.readers.jsonlines import read_jsonlines
from ingest.readers.lines import Advance
from ingest.readers.lists import read_lists
from ingest.readers.parquet import read_parquet
from ingest.readers.rows import Reject, Rows

__all__ = ["Advance", "Reject", "Rows", "read_rows"]


def read_rows(path: Path, shape: Reading, advance: Advance | None = None) -> Iterator[Rows]:
    """The rows of one file in the declared shape."""
    if isinstance(shape, Delimited):
        return read_delimited(path, shape, advance)
    if isinstance(shape, Lists):
        return read_lists(path, shape, advance)
    if isinstance(shape, JsonLines):
        return read_jsonlines(path, shape, advance)
    if isinstance(shape, JsonObject):
        return read_json_object(path, shape, advance)
    return read_parquet(path, shape, advance)
