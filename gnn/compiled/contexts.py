"""Scores of a history in all its readings at once, compiled by numba: what a source holds is read once for all of them.

A history is read evenly, by recency and by its last item (:class:`gnn.operators.weighed.Weighed`); the three weigh the
same items. Import it through :mod:`gnn.compiled`. Everything here runs without Python's lock.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from graph.compiled.instructions import element, everywhere, fetch, number
from graph.compiled.kernel import kernel

_BLOCK_ITEMS = 64
"""Rows of a table of vectors that are compared with all users before the next ones are read."""
_LINE = 16
"""Numbers of four bytes to a cache line."""
_ROWS_AHEAD = 12
"""The rows of attributes are short and many: each is asked for while so many others are added."""
_LINE_BYTES = 64
_BYTES_AHEAD = 4096
"""A table is asked for so long before it is needed."""
_ROWS_AT_ONCE = 4
"""Rows of a table that are added together."""
LANES = 8
"""Sums that are added to side by side."""


@kernel(nogil=True)
def weigh(indptr: Any, items: Any, out_ptr: Any, out_items: Any, weights: Any) -> Any:  # pragma: no cover
    """Writes each history's distinct items, ascending, with their weight in each reading; returns how many in all.

    ``weights`` has a row a reading, of which only the first is written when it is alone.
    """
    write = 0
    for row in range(indptr.size - 1):
        first, last = indptr[row], indptr[row + 1]
        keys = np.empty(last - first, np.int64)
        for at in range(first, last):
            keys[at - first] = (np.int64(items[at]) << 32) | (at - first)
        keys.sort()
        before = np.int64(-1)
        for key in keys:
            item, place = key >> 32, key & 0xFFFFFFFF
            if item != before:
                before = item
                out_items[write] = item
                weights[:, write] = 0.0
                weights[0, write] = 1.0
                write += 1
            if weights.shape[0] > 1:
                weights[1, write - 1] += np.float32(1.0 / (last - first - place))
                if place == last - first - 1:
                    weights[2, write - 1] = 1.0
        out_ptr[row + 1] = write
    return write


@njit(nogil=True, fastmath={"contract"})
def _add_row(
    indices: Any, data: Any, first: Any, last: Any, even: Any, recent: Any, lanes: Any, then: Any, until: Any
) -> None:  # pragma: no cover
    """Adds one row of a sparse matrix to two sums, which lie side by side.

    Line by line it asks for the row that is read after it, from ``then`` to ``until``: rows lie far apart, and the
    processor does not guess where the next one is.
    """
    for start in range(first, last, _LINE):
        if then < until:
            fetch(indices, then)
            fetch(data, then)
            then += _LINE
        for edge in range(start, min(start + _LINE, last)):
            item, value = np.uint64(indices[edge]), data[edge]
            lanes[item, 0] += even * value
            lanes[item, 1] += recent * value


@kernel(nogil=True, fastmath={"contract"})
def spread_contexts(
    row_ptr: Any, row_items: Any, weights: Any, indptr: Any, indices: Any, data: Any, scale: Any, out: Any
) -> None:  # pragma: no cover
    """Adds to ``out`` (3, B, I) the operator's rows of each history's items, times their weights and ``scale``."""
    width = out.shape[2]
    lanes = np.empty((width, 2), np.float32)
    for row in range(row_ptr.size - 1):
        lanes[:] = 0.0
        for at in range(row_ptr[row], row_ptr[row + 1]):
            item, later = row_items[at], row_items[min(at + 1, row_items.size - 1)]
            first, last = np.int64(indptr[item]), np.int64(indptr[item + 1])
            then, until = np.int64(indptr[later]), np.int64(indptr[later + 1])
            even, recent = scale * weights[0, at], scale * weights[1, at]
            _add_row(indices, data, first, last, even, recent, lanes, then, until)
            newest = scale * weights[2, at]
            if newest != 0.0:
                for edge in range(first, last):
                    out[2, row, np.uint64(indices[edge])] += newest * data[edge]
        for item in range(width):
            out[0, row, item] += lanes[item, 0]
            out[1, row, item] += lanes[item, 1]


@kernel(nogil=True, fastmath={"contract"})
def spread_twice(
    row_ptr: Any,
    row_items: Any,
    weights: Any,
    left_ptr: Any,
    left_indices: Any,
    left_data: Any,
    indptr: Any,
    indices: Any,
    data: Any,
    scale: Any,
    out: Any,
) -> None:  # pragma: no cover
    """The same over two sparse matrices one after the other, from items to attributes and back; or in one reading."""
    contexts, _, width = out.shape
    most = 0
    for row in range(row_ptr.size - 1):
        edges = 0
        for at in range(row_ptr[row], row_ptr[row + 1]):
            edges += left_ptr[row_items[at] + 1] - left_ptr[row_items[at]]
        most = max(most, edges)
    mask = 1
    while mask < 2 * most:
        mask *= 2
    mask -= 1
    place_of = np.full(mask + 1, -1, np.int32)  # by hash: attributes may be many times those of any one history
    slots = np.empty(most, np.int64)
    order = np.empty(most, np.int64)
    reached = np.empty((most, 3), np.float32)
    lanes = np.empty((width, 2), np.float32)
    for row in range(row_ptr.size - 1):
        count = 0
        for at in range(row_ptr[row], row_ptr[row + 1]):
            item = row_items[at]
            for edge in range(left_ptr[item], left_ptr[item + 1]):
                node, value = np.int64(left_indices[edge]), left_data[edge]
                slot = ((node * 0x9E3779B1) >> 8) & mask
                while place_of[slot] >= 0 and order[place_of[slot]] != node:
                    slot = (slot + 1) & mask
                if place_of[slot] < 0:
                    fetch(indptr, node)
                    place_of[slot], slots[count], order[count] = count, slot, node
                    reached[count] = 0.0
                    count += 1
                for context in range(contexts):
                    reached[place_of[slot], context] += weights[context, at] * value
        lanes[:] = 0.0
        for place in range(count):
            node, later = order[place], indptr[order[min(place + _ROWS_AHEAD, count - 1)]]
            fetch(indices, later)
            fetch(data, later)
            first, last = np.int64(indptr[node]), np.int64(indptr[node + 1])
            even, recent = scale * reached[place, 0], scale * reached[place, 1]
            _add_row(indices, data, first, last, even, recent, lanes, last, last)
            newest = scale * reached[place, 2]
            if newest != 0.0:
                for edge in range(first, last):
                    out[2, row, np.uint64(indices[edge])] += newest * data[edge]
            place_of[slots[place]] = -1
        for item in range(width):
            out[0, row, item] += lanes[item, 0]
            if contexts > 1:
                out[1, row, item] += lanes[item, 1]


@intrinsic
def _add_to_lanes(
    typing_context: Any, sums: Any, at: Any, weights: Any, weight_at: Any, value: Any
) -> Any:  # pragma: no cover
    """``sums[at : at + LANES] += weights[weight_at : weight_at + LANES] * value`` as one vector, which numba does not
    make of the loop by itself."""
    signature = types.void(sums, types.int64, weights, types.int64, types.float32)

    def generate(context: Any, builder: Any, called: Any, arguments: Any) -> Any:
        vector = ir.VectorType(ir.FloatType(), LANES)
        sums_value, at_value, weights_value, weight_at_value, factor = arguments
        sum_place = element(context, builder, called.args[0], sums_value, at_value, vector)
        weight_place = element(context, builder, called.args[2], weights_value, weight_at_value, vector)
        weight = builder.load(weight_place, align=4)
        product = builder.fmul(weight, everywhere(builder, factor, LANES), flags=("contract",))
        total = builder.fadd(builder.load(sum_place, align=4), product, flags=("contract",))
        builder.store(total, sum_place, align=4)
        return context.get_dummy_value()

    return signature, generate


@kernel(nogil=True)
def spread_shared(
    items: Any, weights: Any, indptr: Any, indices: Any, data: Any, scale: Any, out: Any
) -> None:  # pragma: no cover
    """Adds to ``out`` (V, I) the operator's rows of ``items`` (M,), for V ways to weigh the same items.

    ``weights`` is (M · width,), where width is V rounded up to whole :data:`LANES`.
    """
    ways, num_items = out.shape
    groups = (ways + LANES - 1) // LANES
    width = groups * LANES
    sums = np.zeros(num_items * width, np.float32)
    speaking = np.empty(groups, np.int64)
    for at in range(items.size):
        count = 0
        for first in range(0, width, LANES):  # the last event is another item in few of the ways
            speaking[count] = first
            count += weights[at * width + first : at * width + first + LANES].any()
        later = items[min(at + 1, items.size - 1)]
        then, until = np.int64(indptr[later]), np.int64(indptr[later + 1])
        for edge in range(np.int64(indptr[items[at]]), np.int64(indptr[items[at] + 1])):
            if edge % _LINE == 0 and then < until:
                fetch(indices, then)
                fetch(data, then)
                then += _LINE
            start = np.int64(indices[edge]) * width
            for group in range(count):
                first = speaking[group]
                _add_to_lanes(sums, start + first, weights, at * width + first, scale * data[edge])
    for item in range(num_items):
        for way in range(ways):
            out[way, item] += sums[item * width + way]


@kernel(nogil=True, fastmath={"contract"})
def fold(row_ptr: Any, row_items: Any, weights: Any, table: Any, scale: Any, out: Any) -> None:  # pragma: no cover
    """Adds to ``out`` (C, B, D) the rows of ``table`` of each history's items, times their weights and ``scale``."""
    numbers = table.reshape(table.size)
    soon = min(table.shape[1], _BYTES_AHEAD // numbers.itemsize)  # the rest of a long row follows by itself
    for row in range(row_ptr.size - 1):
        for first in range(row_ptr[row], row_ptr[row + 1], _ROWS_AT_ONCE):
            last = min(first + _ROWS_AT_ONCE, row_ptr[row + 1])
            for at in range(last, min(last + _ROWS_AT_ONCE, row_items.size)):
                later = np.int64(row_items[at]) * table.shape[1]
                for place in range(0, soon, _LINE_BYTES // numbers.itemsize):
                    fetch(numbers, later + place)
            done = 0
            if last - first == _ROWS_AT_ONCE:
                done = min(out.shape[0], 2)
                if done == 1:
                    _add_rows(table, row_items, weights, first, scale, out[0, row])
                else:
                    _add_rows_twice(table, row_items, weights, first, scale, out[0, row], out[1, row])
            for context in range(done, out.shape[0]):
                for at in range(first, last):
                    if weights[context, at] != 0.0:  # the last event is one of all
                        _add_row_of(table, row_items[at], scale * weights[context, at], out[context, row])


@njit(nogil=True, fastmath={"contract"})
def _add_row_of(table: Any, item: Any, weight: Any, sums: Any) -> None:  # pragma: no cover
    vector = table[item]
    for place in range(vector.size):
        sums[place] += weight * number(vector[place])


@njit(nogil=True, fastmath={"contract"})
def _add_rows(table: Any, row_items: Any, weights: Any, first: Any, scale: Any, sums: Any) -> None:  # pragma: no cover
    """Adds four rows to a sum: it is fetched once for all of them."""
    a, b = table[row_items[first]], table[row_items[first + 1]]
    c, d = table[row_items[first + 2]], table[row_items[first + 3]]
    of_a, of_b = scale * weights[0, first], scale * weights[0, first + 1]
    of_c, of_d = scale * weights[0, first + 2], scale * weights[0, first + 3]
    for place in range(a.size):
        sums[place] += (
            of_a * number(a[place]) + of_b * number(b[place]) + of_c * number(c[place]) + of_d * number(d[place])
        )


@njit(nogil=True, fastmath={"contract"})
def _add_rows_twice(
    table: Any, row_items: Any, weights: Any, first: Any, scale: Any, evenly: Any, lately: Any
) -> None:  # pragma: no cover
    """Adds four rows to two sums, which do not overlap: each number is widened once, each sum is fetched once."""
    a, b = table[row_items[first]], table[row_items[first + 1]]
    c, d = table[row_items[first + 2]], table[row_items[first + 3]]
    even_a, even_b = scale * weights[0, first], scale * weights[0, first + 1]
    even_c, even_d = scale * weights[0, first + 2], scale * weights[0, first + 3]
    late_a, late_b = scale * weights[1, first], scale * weights[1, first + 1]
    late_c, late_d = scale * weights[1, first + 2], scale * weights[1, first + 3]
    for place in range(a.size):
        of_a, of_b, of_c, of_d = number(a[place]), number(b[place]), number(c[place]), number(d[place])
        evenly[place] += even_a * of_a + even_b * of_b + even_c * of_c + even_d * of_d
        lately[place] += late_a * of_a + late_b * of_b + late_c * of_c + late_d * of_d


@njit(nogil=True)
def _fetch_ahead(numbers: Any, row: Any, width: Any) -> None:  # pragma: no cover
    """Asks for as much of a table as a row holds, some way behind the row."""
    ahead = row * width + _BYTES_AHEAD // numbers.itemsize
    for place in range(ahead, min(ahead + width, numbers.size), _LINE_BYTES // numbers.itemsize):
        fetch(numbers, place)


@kernel(nogil=True, fastmath={"reassoc", "nsz", "contract"})
def one_dots(table: Any, vector: Any, scale: Any, out: Any) -> None:  # pragma: no cover
    """:func:`dots` of one vector (D,), into ``out`` (I,): what takes time is fetching the table; it is read ahead."""
    numbers = table.reshape(table.size)
    for row in range(table.shape[0]):
        _fetch_ahead(numbers, row, vector.size)
        total, own = np.float32(0.0), table[row]
        for place in range(vector.size):
            total += number(own[place]) * vector[place]
        out[row] += scale * total


@kernel(nogil=True, fastmath={"reassoc", "nsz", "contract"})
def few_dots(table: Any, vectors: Any, scale: Any, out: Any) -> None:  # pragma: no cover
    """:func:`dots` of two or three vectors, the table read ahead too."""
    two, three = min(1, vectors.shape[0] - 1), vectors.shape[0] - 1
    a, b, c = vectors[0], vectors[two], vectors[three]
    numbers = table.reshape(table.size)
    for row in range(table.shape[0]):
        _fetch_ahead(numbers, row, a.size)
        vector = table[row]
        of_a = of_b = of_c = np.float32(0.0)
        for place in range(a.size):
            x = number(vector[place])
            of_a += x * a[place]
            of_b += x * b[place]
            of_c += x * c[place]
        out[0, row] += scale * of_a
        if two > 0:
            out[1, row] += scale * of_b
        if three > two:
            out[three, row] += scale * of_c


@kernel(nogil=True, fastmath={"reassoc", "nsz", "contract"})
def dots(table: Any, vectors: Any, scale: Any, out: Any) -> None:  # pragma: no cover
    """Adds ``scale`` times every dot product of ``vectors`` (V, D) and rows of ``table`` (I, D) to ``out`` (V, I).

    Two rows and three vectors at a time: each number that is read counts several times. A short rest repeats a vector
    or a row and is not written twice.
    """
    num_vectors, num_rows = vectors.shape[0], table.shape[0]
    for first in range(0, num_rows, _BLOCK_ITEMS):
        last = min(first + _BLOCK_ITEMS, num_rows)
        for one in range(0, num_vectors, 3):
            two, three = min(one + 1, num_vectors - 1), min(one + 2, num_vectors - 1)
            a, b, c = vectors[one], vectors[two], vectors[three]
            for row in range(first, last, 2):
                other = min(row + 1, last - 1)
                left, right = table[row], table[other]
                a_left = b_left = c_left = a_right = b_right = c_right = np.float32(0.0)
                for place in range(a.size):
                    x, y = number(left[place]), number(right[place])
                    a_left += x * a[place]
                    b_left += x * b[place]
                    c_left += x * c[place]
                    a_right += y * a[place]
                    b_right += y * b[place]
                    c_right += y * c[place]
                out[one, row] += scale * a_left
                if other > row:
                    out[one, other] += scale * a_right
                if two > one:
                    out[two, row] += scale * b_left
                    if other > row:
                        out[two, other] += scale * b_right
                if three > two:
                    out[three, row] += scale * c_left
                    if other > row:
                        out[three, other] += scale * c_right


@kernel(nogil=True)
def widen(table: Any, out: Any) -> None:  # pragma: no cover
    """Writes the numbers of a table of half precision in single precision."""
    for at in range(table.size):
        out[at] = number(table[at])
