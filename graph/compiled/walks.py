"""The second step of a walk and its counts, compiled by numba: what is touched is counted, nothing else is looked at.

Import it through :mod:`graph.compiled`. Everything here runs without Python's lock.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from graph.compiled.instructions import bits_set, fetch, lowest_bit
from graph.compiled.kernel import kernel

_AT_ONCE = 4
"""So many bits of a word are read without asking whether there are more; what is read too much is written over."""


@njit(nogil=True)
def _reached(
    rows: Any, indptr: Any, indices: Any, first_of_pair: Any, more: Any, without: Any, tally: Any, marks: Any
) -> Any:  # pragma: no cover
    most = more.size
    known = indptr.size - 1
    starts, stops = np.empty(rows.size, np.int64), np.empty(rows.size, np.int64)
    for row in rows:  # all are asked for before the first is waited for
        fetch(indptr, min(row, known))
    for number in range(rows.size):
        row = rows[number]
        start, stop = (indptr[row], indptr[row + 1]) if row < known else (0, 0)
        starts[number], stops[number] = start, stop
        most += stop - start
        fetch(indices, start)
        fetch(indices, stop)
    for number in range(rows.size):
        for at in range(starts[number], stops[number]):
            if first_of_pair.size == 0 or first_of_pair[at]:
                held = np.uint64(indices[at])
                tally[held] += 1
                marks[held >> np.uint64(6)] |= np.uint64(1) << (held & np.uint64(63))
    for item in more:
        held = np.uint64(item)
        tally[held] += 1
        marks[held >> np.uint64(6)] |= np.uint64(1) << (held & np.uint64(63))
    tally[without] = 0
    marks[without >> 6] &= ~(np.uint64(1) << np.uint64(without & 63))
    found, size = np.empty(most + _AT_ONCE, np.int32), 0
    for word in range(marks.size):
        bits = marks[word]
        if bits != 0:
            marks[word] = 0
            at, first = size, np.uint64(word << 6)
            size += bits_set(bits)
            while at < size:
                for _ in range(_AT_ONCE):
                    found[at] = first + lowest_bit(bits)
                    bits &= bits - np.uint64(1)
                    at += 1
    counts = np.empty(size, np.int64)
    for at in range(size):
        held = np.uint64(found[at])
        counts[at] = tally[held]
        tally[held] = 0
    return found[:size], counts


@kernel(nogil=True)
def reached(
    rows: Any, indptr: Any, indices: Any, first_of_pair: Any, more: Any, without: Any, tally: Any, marks: Any
) -> Any:  # pragma: no cover
    """What the entries of some rows and ``more`` hold, ascending, but for ``without``, and how often.

    Of parallel entries only those marked ``first_of_pair`` count, if that is not empty. ``tally`` (a cell for all that
    can be held) and ``marks`` (a bit for each) are zeros before and after.
    """
    return _reached(rows, indptr, indices, first_of_pair, more, without, tally, marks)


@kernel(nogil=True)
def there_and_back(
    item: Any, back_ptr: Any, back: Any, indptr: Any, indices: Any, tally: Any, marks: Any
) -> Any:  # pragma: no cover
    """:func:`reached` from the entries of a row ``item`` of ``back``, where no entries are parallel."""
    rows = back[back_ptr[item] : back_ptr[item + 1]]
    return _reached(rows, indptr, indices, np.zeros(0, np.bool_), rows[:0], item, tally, marks)
