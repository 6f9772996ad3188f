"""Records of delimited files: lines, or several lines where a quoted cell holds line ends."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.readers.lines import Block
from ingest.readers.rows import Reject, shortened

MAX_RECORD_LINES = 1_000
MAX_RECORD_BYTES = 1 << 20

# Possessive, so that a cell that never closes is seen in one pass.
_REST_OF_CELL = {mark: re.compile(f"(?:[^{mark}]++|{mark}{mark})*+{mark}".encode()) for mark in ('"', "'")}


def with_quoted_line_ends(blocks: Iterator[Block], delimiter: str, quote: str) -> Iterator[Block]:
    """The blocks with each record in one entry of ``starts``; a record's number is that of its first line.

    A quote opens a quoted cell only at the cell's start, as in the csv module. A cell that does not close
    within 1,000 lines or 1 MiB is a stray quote: its first line is rejected and reading goes on after it.
    """
    carried: Block | None = None
    for block in blocks:
        joined = block if carried is None else _concatenated(carried, block)
        carried = None
        if quote.encode() not in joined.data:
            yield joined
            continue
        records, open_from = _joined(joined, delimiter, quote)
        if open_from is not None:
            carried = joined.after(open_from)
        yield records
    while carried is not None:
        # The file ends inside a quoted cell: give up its first line, and read the rest anew.
        rejected = Block(b"", np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.int64), [_unclosed(carried, 0)])
        yield rejected
        rest = carried.after(1)
        carried = None
        if len(rest):
            records, open_from = _joined(rest, delimiter, quote)
            yield records
            carried = None if open_from is None else rest.after(open_from)


def _joined(block: Block, delimiter: str, quote: str) -> tuple[Block, int | None]:
    """The block's records, and the line from which a record is still open at the block's end."""
    simple = _closed_lines(block, delimiter, quote)
    if simple.all():
        return block, None
    starts: list[int] = []
    rejects = list(block.rejects)
    dropped: list[int] = []
    suspicious = np.flatnonzero(~simple)
    index, open_from = 0, None
    first_of_record = np.ones(len(block), dtype=np.bool_)
    for line in suspicious.tolist():
        if line < index:
            continue
        end = _record_end(block, line, delimiter, quote)
        if end is None:
            open_from = line
            break
        if end < 0:
            rejects.append(_unclosed(block, line))
            dropped.append(line)
            index = line + 1
            continue
        first_of_record[line + 1 : end + 1] = False
        index = end + 1
    count = len(block) if open_from is None else open_from
    starts = np.flatnonzero(first_of_record[:count]).tolist()
    offsets = np.append(block.starts[starts], block.starts[count]).astype(np.int64)
    whole = Block(block.data[: offsets[-1]], offsets, block.numbers[starts], rejects)
    keep = ~np.isin(np.asarray(starts, dtype=np.int64), np.asarray(dropped, dtype=np.int64))
    return whole.kept(keep), open_from


def _closed_lines(block: Block, delimiter: str, quote: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which lines surely end outside any quoted cell: no quote at all, or well-formed cells only."""
    lines = pa.Array.from_buffers(
        pa.large_binary(), len(block), [None, pa.py_buffer(block.starts), pa.py_buffer(block.data)]
    )
    text = lines.cast(pa.large_string())
    d, q = _escaped(delimiter), _escaped(quote)
    cell = f"(?:{q}[^{q}]*(?:{q}{q}[^{q}]*)*{q}|[^{q}{d}\\n][^{d}\\n]*|)"
    closed = pc.match_substring_regex(text, pattern=f"^{cell}(?:{d}{cell})*\\n$")
    result: np.ndarray[tuple[int], np.dtype[np.bool_]] = closed.to_numpy(zero_copy_only=False)
    return result


def _escaped(character: str) -> str:
    return f"\\x{{{ord(character):x}}}"


def _record_end(block: Block, line: int, delimiter: str, quote: str) -> int | None:
    """The record's last line; None when the block ends first; -1 when the cell never closes in bounds."""
    d, q = ord(delimiter.encode()), ord(quote.encode())
    start = int(block.starts[line])
    position, at_cell_start, data = start, True, block.data
    current = line
    last_line = min(line + MAX_RECORD_LINES, len(block))
    limit = min(start + MAX_RECORD_BYTES, int(block.starts[last_line]))
    while current < len(block):
        end = int(block.starts[current + 1]) - 1
        quoted_open = False
        while position < end:
            if at_cell_start and data[position] == q:
                closing = _closing(data, position + 1, limit, quote)
                if closing is None:
                    quoted_open = True
                    break
                position = closing + 1
                at_cell_start = False
                while position > end:
                    current += 1
                    end = int(block.starts[current + 1]) - 1
            else:
                at_cell_start = data[position] == d
                position += 1
        if not quoted_open:
            return current
        beyond = len(data) - start > MAX_RECORD_BYTES or len(block) - line > MAX_RECORD_LINES
        return -1 if beyond else None
    return None


def _closing(data: bytes, position: int, end: int, quote: str) -> int | None:
    """Where the quoted cell that opened before ``position`` closes (doubled quotes are content)."""
    found = _REST_OF_CELL[quote].match(data, position, end)
    return None if found is None else found.end() - 1


def _unclosed(block: Block, line: int) -> Reject:
    return Reject(
        int(block.numbers[line]),
        "",
        shortened(block.line(line)),
        "a quote opens a cell and never closes it",
        "Close the quote, double quotes inside quoted cells, or set `quote: null`.",
    )


def _concatenated(first: Block, second: Block) -> Block:
    starts = np.concatenate([first.starts[:-1], second.starts + len(first.data)])
    return Block(
        first.data + second.data,
        starts,
        np.concatenate([first.numbers, second.numbers]),
        [*first.rejects, *second.rejects],
    )
