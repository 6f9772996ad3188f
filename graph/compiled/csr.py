"""Names to numbers and edges to rows, compiled by numba: each edge is looked at once.

Import it through :mod:`graph.compiled`. Everything here runs without Python's lock, so that columns and directions are
worked on side by side.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from graph.compiled.instructions import element, fetch
from graph.compiled.kernel import kernel

_MIX = np.uint64(0x9E3779B97F4A7C15)
_LONG = np.uint64(0xFF) << np.uint64(56)
"""Marks the key of a name that does not fit into a key."""
_AHEAD = 16
"""So many rows before a name is looked up memory is asked for its slot."""


@intrinsic
def _word(typing_context: Any, content: Any, at: Any) -> Any:  # pragma: no cover
    """The eight bytes from ``at`` on as one number, wherever they begin, which numba has no word for."""
    signature = types.uint64(content, types.int64)

    def generate(context: Any, builder: Any, called: Any, arguments: Any) -> Any:
        array, offset = arguments
        return builder.load(element(context, builder, called.args[0], array, offset, ir.IntType(64)), align=1)

    return signature, generate


@kernel(nogil=True)
def _up_to_word(content: Any, at: Any, length: Any) -> Any:  # pragma: no cover
    """At most seven bytes as one number, zeros above them."""
    if at + 8 <= content.size:
        return _word(content, at) & ((np.uint64(1) << np.uint64(8 * length)) - np.uint64(1))
    word = np.uint64(0)
    for place in range(length):
        word |= np.uint64(content[at + place]) << np.uint64(8 * place)
    return word


@kernel(nogil=True)
def _key(content: Any, at: Any, length: Any) -> Any:  # pragma: no cover
    """A short name itself, with its length, or the hash of a long one; never zero but for the empty name."""
    if length < 8:
        return _up_to_word(content, at, length) | np.uint64(length) << np.uint64(56)
    mixed = np.uint64(length)
    end = at + length
    while at + 8 < end:
        mixed = (mixed ^ _word(content, at)) * _MIX
        mixed ^= mixed >> np.uint64(29)
        at += 8
    mixed = (mixed ^ _word(content, end - 8)) * _MIX
    return mixed ^ mixed >> np.uint64(32) | _LONG


@kernel(nogil=True)
def _slot(key: Any, bits: Any) -> Any:  # pragma: no cover
    mixed = (key ^ key >> np.uint64(32)) * _MIX
    return np.int64(mixed >> np.uint64(64 - bits))


@kernel(nogil=True)
def _same(content: Any, at: Any, names: Any, first: Any, length: Any) -> Any:  # pragma: no cover
    """Whether two names of eight bytes or more are the same, both as long."""
    for byte in range(0, length - 8, 8):
        if _word(content, at + byte) != _word(names, first + byte):
            return False
    return _word(content, at + length - 8) == _word(names, first + length - 8)


@kernel(nogil=True)
def number_names(
    offsets: Any, content: Any, row: Any, codes: Any, slots: Any, bits: Any, ends: Any, names: Any, count: Any
) -> Any:  # pragma: no cover
    """Writes each row's number from ``row`` on, giving new names the next ones; the rows done and the numbers given.

    Stops where a new name finds no room: in ``slots`` (2 ** ``bits`` pairs of a key and a number plus one, 0 where
    empty, and half of them stay so) or in ``names`` (bytes, of which ``ends`` says where each name's end, after a 0).

    What a row is looked up by is worked out some rows before, and memory asked for the slot: it is there by then.
    """
    mask = (1 << bits) - 1
    keys, coming = np.empty(_AHEAD, np.uint64), row
    while row < codes.size:
        while coming < min(row + _AHEAD, codes.size):
            at = np.int64(offsets[coming])
            keys[coming % _AHEAD] = _key(content, at, np.int64(offsets[coming + 1]) - at)
            fetch(slots, 2 * _slot(keys[coming % _AHEAD], bits))
            coming += 1
        at = np.int64(offsets[row])
        length = np.int64(offsets[row + 1]) - at
        key = keys[row % _AHEAD]
        slot = _slot(key, bits)
        number = np.int64(slots[slot, 1])
        while number > 0:
            if slots[slot, 0] == key and (
                length < 8
                or (ends[number] - ends[number - 1] == length and _same(content, at, names, ends[number - 1], length))
            ):
                break
            slot = (slot + 1) & mask
            number = np.int64(slots[slot, 1])
        if number == 0:
            end = ends[count] + length
            if 2 * (count + 1) > len(slots) or end > names.size:
                break
            for byte in range(length):
                names[ends[count] + byte] = content[at + byte]
            count += 1
            number = count
            slots[slot, 0], slots[slot, 1] = key, number
            ends[count] = end
        codes[row] = number - 1
        row += 1
    return row, count


@kernel(nogil=True)
def move_slots(slots: Any, larger: Any, bits: Any) -> None:  # pragma: no cover
    """Puts the slots of one table into an empty larger one, of 2 ** ``bits``."""
    mask = (1 << bits) - 1
    for old in range(len(slots)):
        if slots[old, 1] > 0:
            slot = _slot(slots[old, 0], bits)
            while larger[slot, 1] > 0:
                slot = (slot + 1) & mask
            larger[slot, 0], larger[slot, 1] = slots[old, 0], slots[old, 1]


@kernel(nogil=True)
def renamed(table: Any, codes: Any, out: Any) -> None:  # pragma: no cover
    """``out[i] = table[codes[i]]``."""
    for place in range(codes.size):
        out[place] = table[codes[place]]


@kernel(nogil=True)
def row_ends(row: Any, indptr: Any) -> None:  # pragma: no cover
    """Row pointers, from zeros."""
    for number in row:
        indptr[number + 1] += 1
    for number in range(1, indptr.size):
        indptr[number] += indptr[number - 1]


@kernel(nogil=True)
def place(row: Any, column: Any, times: Any, heads: Any, indices: Any, timestamp: Any) -> None:  # pragma: no cover
    """Writes some edges behind what their rows have already; ``heads`` is where each row goes on."""
    for edge in range(row.size):
        number = row[edge]
        at = heads[number]
        heads[number] = at + 1
        indices[at] = column[edge]
        timestamp[at] = times[edge]


@kernel(nogil=True)
def place_timeless(row: Any, column: Any, heads: Any, indices: Any) -> None:  # pragma: no cover
    """The same for edges without times."""
    for edge in range(row.size):
        number = row[edge]
        at = heads[number]
        heads[number] = at + 1
        indices[at] = column[edge]
