"""Rows of scores, compiled by numba: summed from sparse rows, measured, and their best found, in one pass each.

Import it through :mod:`gnn.compiled`, which says what to do where numba is not installed. Everything here runs without
Python's lock, so that two answers are computed at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from graph.compiled.instructions import bits_set, element, everywhere, lowest_bit
from graph.compiled.kernel import kernel

_WORD = 64
"""Scores that are compared at once: one bit each."""
SPARE = _WORD
"""So many places a buffer of values is longer than they are, to be compared by whole words."""
_COUNTED = 512
"""So many scores are put in order by counting for each of them what is higher: quicker than to sort them."""
_TRIES = 24
"""How often a threshold is halved; with so many scores alike, what is left too many is sorted out one by one."""


@kernel(nogil=True)
def spread(
    row_ptr: Any, row_items: Any, row_weights: Any, indptr: Any, indices: Any, data: Any, out: Any
) -> None:  # pragma: no cover
    """Adds to each row of ``out`` the operator's rows of its items, times their weights."""
    for row in range(row_ptr.size - 1):
        for at in range(row_ptr[row], row_ptr[row + 1]):
            item, weight = row_items[at], row_weights[at]
            for edge in range(indptr[item], indptr[item + 1]):
                out[row, indices[edge]] += weight * data[edge]


@kernel(nogil=True)
def count_marked(indptr: Any, index: Any, mark: Any, count: Any) -> None:  # pragma: no cover
    """Writes how many of each row's entries are marked."""
    for row in range(count.size):
        found = 0
        for at in range(indptr[row], indptr[row + 1]):
            found += mark[index[at]]
        count[row] = found


@kernel(nogil=True, fastmath={"reassoc", "nsz"})
def moments(row: Any) -> Any:  # pragma: no cover
    """The mean of a row, and one over its standard deviation; 0 where it does not tell items apart."""
    total = 0.0
    for item in range(row.size):
        total += row[item]
    mean = np.float32(total / row.size)
    squares = 0.0
    for item in range(row.size):
        centred = np.float64(row[item] - mean)
        squares += centred * centred
    spread_ = np.sqrt(squares / row.size)
    return mean, np.float32(1.0 / spread_) if spread_ > 1e-12 else np.float32(0.0)


@kernel(nogil=True)
def best(scores: Any, k: Any, index: Any, value: Any) -> None:  # pragma: no cover
    """Writes each row's ``k`` highest scores, best first, ties by the lower index; -1 and -inf where none is left."""
    width = scores.shape[1]
    kept_index, kept_value = np.empty(width, np.int32), np.empty(width + SPARE, np.float32)
    for row in range(scores.shape[0]):
        best_of_row(scores[row], k, np.float32(-np.inf), index[row], value[row], kept_index, kept_value)


def _compared(sign: str) -> Any:  # pragma: no cover
    """For an intrinsic: the next :data:`_WORD` scores from ``row[first]`` against one score, a bit each."""

    def generate(context: Any, builder: Any, called: Any, arguments: Any) -> Any:
        row, first, score = arguments
        vector = ir.VectorType(ir.FloatType(), _WORD)
        scores = builder.load(element(context, builder, called.args[0], row, first, vector), align=4)
        held = builder.fcmp_ordered(sign, scores, everywhere(builder, score, _WORD))
        return builder.bitcast(held, ir.IntType(64))

    return generate


@intrinsic
def _reaching(typing_context: Any, row: Any, first: Any, floor: Any) -> Any:  # pragma: no cover
    """Which of the next :data:`_WORD` scores from ``row[first]`` are no less than ``floor``, a bit each."""
    return types.uint64(row, types.int64, types.float32), _compared(">=")


@intrinsic
def _higher(typing_context: Any, row: Any, first: Any, score: Any) -> Any:  # pragma: no cover
    """Which of the next :data:`_WORD` scores from ``row[first]`` are higher than ``score``, a bit each."""
    return types.uint64(row, types.int64, types.float32), _compared(">")


@njit(nogil=True)
def _highest(row: Any) -> Any:  # pragma: no cover
    """The highest score. The bits of floats are in order where these are positive, and in reverse where not."""
    bits = row.view(np.int32)
    most, least = bits[0], bits[0]
    for item in range(bits.size):
        most, least = max(most, bits[item]), min(least, bits[item])
    return np.int32(most if most >= 0 else least).view(np.float32)


@njit(nogil=True)
def _count_reaching(row: Any, floor: Any) -> Any:  # pragma: no cover
    count = np.int32(0)
    for item in range(row.size):
        count += np.int32(row[item] >= floor)
    return count


@njit(nogil=True)
def _floor_of(row: Any, k: Any, above: Any) -> Any:  # pragma: no cover
    """A score that at least ``k`` reach, and few more, or all that is above ``above`` where less than ``k`` are.

    It is looked for between ``above`` and the highest by halves: a pass over a row that is near takes next to nothing.
    """
    low, high = above, _highest(row)
    if low == -np.inf:
        for item in range(row.size):
            score = row[item]
            if score > -np.inf and (low == -np.inf or score < low):
                low = score
    if not low < high or _count_reaching(row, low) <= k:
        return low
    enough = k + k // 4
    for _ in range(_TRIES):
        middle = low + (high - low) * np.float32(0.5)
        if not low < middle < high:
            break
        count = _count_reaching(row, middle)
        if count >= k:
            low = middle
            if count <= enough:
                break
        else:
            high = middle
    return low


@njit(nogil=True)
def reaching_best(row: Any, k: Any, above: Any, kept_index: Any, kept_value: Any) -> Any:  # pragma: no cover
    """Writes a row's ``k`` best among those above ``above``, and up to as many again, by index; returns how many.

    What is written holds whatever is higher than the lowest of the best. The two buffers are as long as the row.
    """
    floor = _floor_of(row, k, above)
    count = 0
    whole = row.size - row.size % _WORD
    for first in range(0, whole, _WORD):
        word = _reaching(row, first, floor)
        while word != 0:
            at = np.int64(first) + np.int64(lowest_bit(word))
            word &= word - np.uint64(1)
            kept_index[count], kept_value[count] = at, row[at]
            count += row[at] > above
    for item in range(whole, row.size):
        if row[item] >= floor and row[item] > above:
            kept_index[count], kept_value[count] = item, row[item]
            count += 1
    return _cut(kept_index, kept_value, count, k) if count > 2 * k else count


@njit(nogil=True)
def count_higher(value: Any, count: Any, ranks: Any) -> None:  # pragma: no cover
    """Writes how many of ``count`` values are higher than each; :data:`SPARE` places behind the last are used up."""
    value[count : count + SPARE] = -np.inf
    for at in range(count):
        own, rank = value[at], 0
        for first in range(0, count, _WORD):
            rank += bits_set(_higher(value, first, own))
        ranks[at] = rank


@njit(nogil=True)
def put_in_order(
    kept_index: Any, kept_value: Any, ranks: Any, count: Any, index: Any, value: Any
) -> None:  # pragma: no cover
    """Writes the highest values with their items where their ranks say, of equal ones the first; ``index`` holds -1."""
    for at in range(count):
        place = np.int64(ranks[at])
        while place < index.size and index[place] >= 0:
            place += 1
        if place < index.size:
            index[place], value[place] = kept_index[at], kept_value[at]


@kernel(nogil=True)
def best_of_row(
    row: Any, k: Any, above: Any, index: Any, value: Any, kept_index: Any, kept_value: Any
) -> None:  # pragma: no cover
    """The ``k`` best of a row among those above ``above``, in their order.

    The two buffers are as long as the row, and the second :data:`SPARE` longer.
    """
    count = reaching_best(row, k, above, kept_index, kept_value)
    index[:], value[:] = -1, -np.inf
    most = min(k, index.size)
    if count <= _COUNTED:
        ranks = np.empty(count, np.int32)
        count_higher(kept_value, count, ranks)
        put_in_order(kept_index, kept_value, ranks, count, index[:most], value[:most])
        return
    order = np.argsort(-kept_value[:count], kind="mergesort")
    for place in range(min(count, most)):
        index[place], value[place] = kept_index[order[place]], kept_value[order[place]]


@kernel(nogil=True)
def best_of_sum(parts: Any, shut: Any, factor: Any, index: Any, value: Any) -> Any:  # pragma: no cover
    """The best of the positive sums of ``parts`` (S, I), as many as ``index`` is long; returns how many there are.

    ``factor`` is empty, or what each sum counts.
    """
    width = shut.size
    total = np.zeros(width, np.float32)
    for part in range(parts.shape[0]):
        for item in range(width):
            total[item] += parts[part, item]
    for item in range(factor.size):
        total[item] *= factor[item]
    for item in range(width):
        total[item] = np.float32(-np.inf) if shut[item] else total[item]
    best_of_row(
        total, index.size, np.float32(0.0), index, value, np.empty(width, np.int32), np.empty(width + SPARE, np.float32)
    )
    count = 0
    while count < index.size and index[count] >= 0:
        count += 1
    return count


@kernel(nogil=True)
def _cut(index: Any, value: Any, count: Any, k: Any) -> Any:  # pragma: no cover
    """Leaves the ``k`` best of ``count`` entries in front, in the order they came; of equal ones the earlier."""
    threshold = np.partition(value[:count], count - k)[count - k]
    above = 0
    for at in range(count):
        if value[at] > threshold:
            above += 1
    ties = k - above
    write = 0
    for at in range(count):
        if value[at] > threshold or (value[at] == threshold and ties > 0):
            if value[at] == threshold:
                ties -= 1
            index[write], value[write] = index[at], value[at]
            write += 1
    return write


@njit(nogil=True, error_model="numpy", fastmath={"contract"})
def log1p_of(z: Any) -> Any:  # pragma: no cover
    """``log(1 + z)`` of a number that is not negative, without a branch, so that a loop takes many at a time.

    Python's way to divide, with an error for nothing, would be one.

    The polynomial is that of the Cephes library for single precision; what 1 + z loses of a small z is put back.
    """
    y = np.float32(1.0) + z
    bits = np.float32(y).view(np.int32)
    power = np.float32(np.int32(bits >> 23) - np.int32(127))
    part = np.int32((bits & 0x7FFFFF) | 0x3F800000).view(np.float32)
    large = part > np.float32(1.41421356)
    power = power + np.float32(1.0) if large else power
    f = (part * np.float32(0.5) if large else part) - np.float32(1.0)
    p = np.float32(7.0376836292e-2)
    p = p * f - np.float32(1.1514610310e-1)
    p = p * f + np.float32(1.1676998740e-1)
    p = p * f - np.float32(1.2420140846e-1)
    p = p * f + np.float32(1.4249322787e-1)
    p = p * f - np.float32(1.6668057665e-1)
    p = p * f + np.float32(2.0000714765e-1)
    p = p * f - np.float32(2.4999993993e-1)
    p = p * f + np.float32(3.3333331174e-1)
    square = f * f
    p = p * f * square - np.float32(2.12194440e-4) * power - np.float32(0.5) * square
    return f + p + np.float32(0.693359375) * power + (z - (y - np.float32(1.0))) / y


@kernel(nogil=True, fastmath={"contract"})
def likeness(scores: Any, weights: Any) -> None:  # pragma: no cover
    """``weight · log(1 + max(z, 0))`` of each row's scores, in their place."""
    for row in range(scores.shape[0]):
        mean, scale = moments(scores[row])
        for item in range(scores.shape[1]):
            z = max((scores[row, item] - mean) * scale, np.float32(0.0))
            scores[row, item] = weights[row] * log1p_of(z)
