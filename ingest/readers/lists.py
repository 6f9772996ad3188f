"""Lines that are a key and a list of values, as one text column and one list column."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.mapping.tables import Lists
from ingest.readers.lines import Advance, Block, read_blocks
from ingest.readers.rows import Rows


def read_lists(path: Path, shape: Lists, advance: Advance | None = None) -> Iterator[Rows]:
    """The rows of a file of lists. Blank lines are rows, because such files are often aligned by line."""
    for block in read_blocks(path, encoding=shape.encoding, advance=advance):
        parts = _split(block, shape.delimiter)
        if shape.key is None:
            yield Rows({shape.values: parts}, block.numbers, block.rejects)
            continue
        offsets = parts.offsets.to_numpy()
        flat = parts.values
        lengths = np.diff(offsets)
        filled = lengths > 0
        keys = flat.take(pa.array(offsets[:-1], mask=~filled))
        rest = np.ones(len(flat), dtype=np.bool_)
        rest[offsets[:-1][filled]] = False
        shorter = np.concatenate([[0], np.cumsum(lengths - filled)]).astype(np.int32)
        values = pa.ListArray.from_arrays(pa.array(shorter), flat.filter(pa.array(rest)))
        yield Rows({shape.key: keys, shape.values: values}, block.numbers, block.rejects)


def _split(block: Block, delimiter: str) -> pa.ListArray:
    lines = pa.Array.from_buffers(
        pa.large_string(), len(block), [None, pa.py_buffer(block.starts), pa.py_buffer(block.data)]
    ).cast(pa.string())
    if delimiter == "spaces":
        trimmed = pc.ascii_trim_whitespace(lines)
        has_tab = b"\t" in block.data or b"  " in block.data
        parts = (
            pc.split_pattern_regex(trimmed, pattern=r"[ \t]+") if has_tab else pc.split_pattern(trimmed, pattern=" ")
        )
    else:
        trimmed = pc.ascii_rtrim(lines, characters="\n")
        parts = pc.split_pattern(trimmed, pattern="\t" if delimiter == "tab" else delimiter)
    # Splitting an empty text gives one empty value; a blank line has none.
    empty = pc.equal(pc.binary_length(trimmed), 0).to_numpy(zero_copy_only=False)
    if not empty.any():
        return parts
    offsets = parts.offsets.to_numpy()
    keep = np.ones(len(parts.values), dtype=np.bool_)
    keep[offsets[:-1][empty]] = False
    lengths = np.diff(offsets) - empty
    shorter = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(shorter), parts.values.filter(pa.array(keep)))
