"""Columns of names to numbers, in order of first sight."""

from __future__ import annotations

from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from graph.compiled import loops
from graph.errors import InputError

IntArray: TypeAlias = npt.NDArray[np.int32]
Column: TypeAlias = Any
"""A numpy integer array, or an Arrow array or chunked array of strings or integers."""
_OFFSETS = {pa.string(): np.int32, pa.binary(): np.int32, pa.large_string(): np.int64, pa.large_binary(): np.int64}
_FIRST_BITS = 16
_FIRST_BYTES = 1 << 20


def codes_of(column: Column, name: str) -> tuple[pa.Array, IntArray]:
    """The distinct values in order of first sight, and which of them each row has. Shapes: (V,), (N,).

    Raises:
        InputError: for empty cells.
    """
    array = pa.array(column) if isinstance(column, np.ndarray) else column
    chunked = array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])
    refuse_empty_cells(chunked.null_count, len(chunked), name)
    numbering = Numbering.of(chunked.type)
    if numbering is None:
        return _united(chunked) if pa.types.is_dictionary(chunked.type) else _encoded(chunked)
    codes = np.empty(len(chunked), np.int32)
    at = 0
    for chunk in chunked.chunks:
        numbering.write(chunk, codes[at : at + len(chunk)])
        at += len(chunk)
    return numbering.names(), codes


def refuse_empty_cells(count: int, of: int, name: str) -> None:
    """:class:`~graph.errors.InputError` if any of a column's cells are empty."""
    if count:
        raise InputError("a column of ids has empty cells", got=f"{count} of {of}", where=name)


class Numbering:
    """Names numbered one chunk after the other by compiled loops. Not for several threads at once."""

    def __init__(self, value_type: pa.DataType, compiled: ModuleType) -> None:
        self._type, self._loops = value_type, compiled
        self._bits, self._count = _FIRST_BITS, 0
        self._slots = np.zeros((1 << self._bits, 2), np.uint64)
        self._ends = np.zeros(len(self._slots) // 2 + 1, np.int64)
        self._names = np.zeros(_FIRST_BYTES, np.uint8)
        self._dictionary: pa.Array | None = None
        self._renamed = np.zeros(0, np.int32)

    @classmethod
    def of(cls, column_type: pa.DataType) -> Numbering | None:
        """A numbering of such a column's values; None where Arrow is to do it."""
        value_type = column_type.value_type if pa.types.is_dictionary(column_type) else column_type
        compiled = loops("graph.compiled.csr") if value_type in _OFFSETS else None
        return None if compiled is None else cls(value_type, compiled)

    def write(self, chunk: pa.Array, codes: IntArray) -> None:
        """Writes the number of each row of a chunk without empty cells. Of a dictionary each name is looked at once."""
        if not pa.types.is_dictionary(chunk.type):
            self._number(chunk, codes)
            return
        if self._dictionary is None or not same_memory(self._dictionary, chunk.dictionary):
            self._dictionary = chunk.dictionary  # held, so that its memory is no other's
            refuse_empty_cells(chunk.dictionary.null_count, len(chunk.dictionary), "dictionary")
            self._renamed = np.empty(len(chunk.dictionary), np.int32)
            self._number(chunk.dictionary, self._renamed)
        self._loops.renamed(self._renamed, _read_only(chunk.indices.to_numpy(zero_copy_only=False)), codes)

    def names(self) -> pa.Array:
        """What has been numbered, by number."""
        wide = pa.large_binary() if self._type in (pa.binary(), pa.large_binary()) else pa.large_string()
        ends = self._ends[: self._count + 1].copy()
        names = self._names[: ends[-1]].copy()
        buffers = [None, pa.py_buffer(ends), pa.py_buffer(names)]
        return pa.Array.from_buffers(wide, self._count, buffers).cast(self._type)

    def _number(self, names: pa.Array, codes: IntArray) -> None:
        if not len(names):
            return
        _, offsets, content = names.buffers()
        starts = np.frombuffer(offsets, _OFFSETS[self._type])[names.offset : names.offset + len(names) + 1]
        bytes_ = np.zeros(0, np.uint8) if content is None else np.frombuffer(content, np.uint8)
        row = 0
        while True:
            row, self._count = self._loops.number_names(
                _read_only(starts),
                _read_only(bytes_),
                row,
                codes,
                self._slots,
                self._bits,
                self._ends,
                self._names,
                self._count,
            )
            if row == codes.size:
                return
            self._make_room(int(starts[row + 1] - starts[row]))

    def _make_room(self, length: int) -> None:
        if 2 * (self._count + 1) <= len(self._slots):
            self._names = _longer(self._names, 2 * self._names.size + length)
            return
        self._bits += 1
        larger = np.zeros((1 << self._bits, 2), np.uint64)
        self._loops.move_slots(self._slots, larger, self._bits)
        self._slots, self._ends = larger, _longer(self._ends, len(larger) // 2 + 1)


def _longer(array: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
    longer = np.zeros(size, array.dtype)
    longer[: array.size] = array
    return longer


def _read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The same memory: a loop is compiled once for arrays that may be written and once for those that may not."""
    view = array.view()
    view.flags.writeable = False
    return view


def _encoded(chunked: pa.ChunkedArray) -> tuple[pa.Array, IntArray]:
    encoded = chunked.dictionary_encode()
    codes = [chunk.indices.to_numpy(zero_copy_only=False) for chunk in encoded.chunks]
    if not codes:
        return pa.array([], chunked.type), np.zeros(0, np.int32)
    joined = codes[0] if len(codes) == 1 else np.concatenate(codes)
    # Chunks share one dictionary that grew: the last chunk has all of it.
    return encoded.chunk(encoded.num_chunks - 1).dictionary, np.asarray(joined, np.int32)


def _united(chunked: pa.ChunkedArray) -> tuple[pa.Array, IntArray]:
    """Codes over one dictionary; each chunk's own is looked at once, whatever the number of rows."""
    dictionaries: list[pa.Array] = []
    place: list[int] = []
    for chunk in chunked.chunks:
        if not dictionaries or not same_memory(dictionaries[-1], chunk.dictionary):
            dictionaries.append(chunk.dictionary)
        place.append(len(dictionaries) - 1)
    if not dictionaries:
        return pa.array([], chunked.type.value_type), np.zeros(0, np.int32)
    names = pa.chunked_array(dictionaries)
    refuse_empty_cells(names.null_count, len(names), "dictionary")
    ids, renamed = _encoded(names)
    starts = np.cumsum([0, *map(len, dictionaries)])
    codes = np.empty(len(chunked), np.int32)
    at = 0
    for which, chunk in zip(place, chunked.chunks, strict=True):
        table = renamed[starts[which] : starts[which + 1]]
        np.take(table, chunk.indices.to_numpy(zero_copy_only=False), out=codes[at : at + len(chunk)], mode="clip")
        at += len(chunk)
    return ids, codes


def same_memory(left: pa.Array, right: pa.Array) -> bool:
    """Whether two dictionaries are the same memory."""
    ours, theirs = ((len(a), a.offset, [b and b.address for b in a.buffers()]) for a in (left, right))
    return ours == theirs
