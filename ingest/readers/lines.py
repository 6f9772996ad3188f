"""Files as blocks of whole lines, in bounded memory, with every line's number."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TypeAlias, cast

import numpy as np
import pyarrow as pa

from graph.errors import InputError, NotFound
from ingest.readers.rows import Bools, Ints, Reject, shortened

Advance: TypeAlias = Callable[[int], None]
"""Told how many bytes of the file were consumed since the last call."""

BLOCK_BYTES = 4 << 20
MAX_LINE_BYTES = 8 << 20

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}".encode()


@dataclass
class Block:
    """Lines without their ends. ``data`` holds them with a single ``\\n`` after each."""

    data: bytes
    starts: Ints
    """Where each line starts, and one more entry: the end of ``data``."""
    numbers: Ints
    """Each line's number in the file, from 1."""
    rejects: list[Reject] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.numbers)

    def line(self, index: int) -> bytes:
        """Line ``index`` without its end."""
        return self.data[self.starts[index] : self.starts[index + 1] - 1]

    def after(self, index: int) -> Block:
        """The lines from ``index`` on, without the rejects."""
        offset = int(self.starts[index])
        return Block(self.data[offset:], self.starts[index:] - offset, self.numbers[index:])

    def kept(self, keep: Bools) -> Block:
        """This block with only the lines of ``keep``."""
        if keep.all():
            return self
        spans = pa.Array.from_buffers(
            pa.large_binary(), len(self), [None, pa.py_buffer(self.starts), pa.py_buffer(self.data)]
        ).filter(pa.array(keep))
        offsets = np.frombuffer(spans.buffers()[1], dtype=np.int64)[spans.offset : spans.offset + len(spans) + 1]
        text = spans.buffers()[2].to_pybytes() if len(spans) else b""
        return Block(text[offsets[0] : offsets[-1]], offsets - offsets[0], self.numbers[keep], self.rejects)


@contextmanager
def opened(path: Path, advance: Advance | None = None) -> Iterator[BinaryIO]:
    """The file's content unpacked, whatever packing its first bytes show.

    Raises:
        NotFound: when the file is not there.
        InputError: when it cannot be read, or its packing is damaged.
    """
    try:
        raw = path.open("rb")
    except FileNotFoundError as error:
        raise NotFound("the file is not there", got=str(path)) from error
    except OSError as error:
        raise InputError(f"the file cannot be read: {error.strerror}", got=str(path)) from error
    with raw:
        counted = _Counted(raw, advance)
        buffered = io.BufferedReader(cast(io.RawIOBase, counted), 1 << 20)
        magic = buffered.peek(4)[:4]
        try:
            if magic[:2] == b"\x1f\x8b":
                yield cast(BinaryIO, gzip.GzipFile(fileobj=buffered))
            elif magic[:3] == b"BZh":
                yield cast(BinaryIO, bz2.BZ2File(buffered))
            elif magic == b"\x28\xb5\x2f\xfd":
                yield cast(BinaryIO, pa.CompressedInputStream(pa.PythonFile(buffered, mode="r"), "zstd"))
            else:
                yield cast(BinaryIO, buffered)
        except (EOFError, OSError, zlib.error) as error:
            raise InputError(
                f"the file is damaged: {error}", where=str(path), remedy="Fetch it again; nothing was committed."
            ) from error


class _Counted(io.RawIOBase):
    """A raw file that reports how many of its bytes were read (of the packed ones, for a packed file)."""

    def __init__(self, raw: BinaryIO, advance: Advance | None) -> None:
        self._raw = raw
        self._advance = advance

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]  # the stub's Buffer has no len()
        data = self._raw.read(len(buffer))
        buffer[: len(data)] = data
        if self._advance is not None:
            self._advance(len(data))
        return len(data)


def read_blocks(
    path: Path,
    *,
    encoding: str = "utf-8",
    advance: Advance | None = None,
    block_bytes: int = BLOCK_BYTES,
    max_line_bytes: int = MAX_LINE_BYTES,
) -> Iterator[Block]:
    """The lines of a file as UTF-8, a block at a time.

    Lines that are too long, hold NUL bytes, or are not in ``encoding`` are in the block's ``rejects``
    instead. A byte order mark is dropped, ``\\r\\n`` is ``\\n``.
    """
    with opened(path, advance) as stream:
        chunks = _chunks(stream, encoding, block_bytes)
        number = 1
        rest = b""
        skipped = 0
        for chunk in chunks:
            if skipped:
                end = chunk.find(b"\n")
                if end < 0:
                    skipped += len(chunk)
                    continue
                yield _overlong(number, rest, skipped + end, max_line_bytes)
                chunk, rest, skipped = chunk[end + 1 :], b"", 0
                number += 1
            end = chunk.rfind(b"\n")
            if end < 0:
                rest += chunk
                if len(rest) > max_line_bytes:
                    skipped, rest = len(rest), rest[:100]
                continue
            block = _block(rest + chunk[: end + 1], number, encoding, max_line_bytes)
            number += block.consumed
            rest = chunk[end + 1 :]
            yield block.block
        if skipped:
            yield _overlong(number, rest, skipped, max_line_bytes)
        elif rest:
            yield _block(rest + b"\n", number, encoding, max_line_bytes).block


def _chunks(stream: BinaryIO, encoding: str, block_bytes: int) -> Iterator[bytes]:
    if codecs.lookup(encoding).name in {"utf-8", "ascii"}:
        first = stream.read(block_bytes)
        yield first.removeprefix(codecs.BOM_UTF8)
        while chunk := stream.read(block_bytes):
            yield chunk
        return
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    first_text = True
    while chunk := stream.read(block_bytes):
        text = decoder.decode(chunk)
        if first_text and text:
            text, first_text = text.removeprefix("\ufeff"), False
        # A decoder may pass surrogates through (UTF-16 with surrogatepass relatives); they have no UTF-8 form.
        yield text.encode("utf-8", errors="replace")
    yield decoder.decode(b"", final=True).encode("utf-8", errors="replace")


@dataclass
class _Cut:
    block: Block
    consumed: int


def _block(data: bytes, number: int, encoding: str, max_line_bytes: int) -> _Cut:
    if b"\r\n" in data:
        data = data.replace(b"\r\n", b"\n")
    ends = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == 10)
    starts = np.concatenate([np.zeros(1, dtype=np.int64), ends.astype(np.int64) + 1])
    count = len(ends)
    block = Block(data, starts, np.arange(number, number + count, dtype=np.int64))
    return _Cut(_without_unreadable(block, encoding, max_line_bytes), count)


def _without_unreadable(block: Block, encoding: str, max_line_bytes: int) -> Block:
    keep = np.ones(len(block), dtype=np.bool_)

    def refuse(index: int, reason: str, remedy: str) -> None:
        if keep[index]:
            keep[index] = False
            block.rejects.append(Reject(int(block.numbers[index]), "", shortened(block.line(index)), reason, remedy))

    for index in np.flatnonzero(np.diff(block.starts) - 1 > max_line_bytes).tolist():
        refuse(index, f"the line is longer than {max_line_bytes:,} bytes", "Look for a missing line end or quote.")
    if b"\0" in block.data:
        for index in _lines_with(block, b"\0"):
            refuse(index, "the line holds a NUL byte", "Remove it, or declare the file's encoding.")
    if codecs.lookup(encoding).name not in {"utf-8", "ascii"}:
        if _REPLACEMENT in block.data:
            for index in _lines_with(block, _REPLACEMENT):
                refuse(index, f"the line is not {encoding}", "Declare the file's encoding, or repair the line.")
    elif not _is_utf8(block.data):
        for index in range(len(block)):
            if not _is_utf8(block.line(index)):
                refuse(index, "the line is not UTF-8", "Declare the file's encoding (e.g. cp1252), or repair the line.")
    return block.kept(keep)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _lines_with(block: Block, part: bytes) -> list[int]:
    places = []
    place = block.data.find(part)
    while place >= 0:
        index = int(np.searchsorted(block.starts, place, side="right")) - 1
        places.append(index)
        place = block.data.find(part, int(block.starts[index + 1]))
    return places


def _overlong(number: int, head: bytes, length: int, max_line_bytes: int) -> Block:
    value = f"{head[:80].decode('utf-8', errors='backslashreplace')}… ({length:,} bytes)"
    reason = f"the line is longer than {max_line_bytes:,} bytes"
    reject = Reject(number, "", value, reason, "Look for a missing line end or quote.")
    return Block(b"", np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.int64), [reject])
