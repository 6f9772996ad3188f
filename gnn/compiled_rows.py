"""Rows of scores, compiled by numba: summed from sparse rows, measured, and their best found, in one pass each.

Import it through :mod:`gnn.compiled`, which says what to do where numba is not installed. Everything here runs without
Python's lock, so that two answers are computed at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

_GROUP = 16
"""Scores of which only the highest is looked at first."""


@njit(cache=True, nogil=True)
def spread(
    row_ptr: Any, row_items: Any, row_weights: Any, indptr: Any, indices: Any, data: Any, out: Any
) -> None:  # pragma: no cover
    """Adds to each row of ``out`` the operator's rows of its items, times their weights."""
    for row in range(row_ptr.size - 1):
        for at in range(row_ptr[row], row_ptr[row + 1]):
            item, weight = row_items[at], row_weights[at]
            for edge in range(indptr[item], indptr[item + 1]):
                out[row, indices[edge]] += weight * data[edge]


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz"})
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


@njit(cache=True, nogil=True)
def best(scores: Any, k: Any, index: Any, value: Any) -> None:  # pragma: no cover
    """Writes each row's ``k`` highest scores, best first, ties by the lower index; -1 and -inf where none is left."""
    width = scores.shape[1]
    kept_index, kept_value = np.empty(width, np.int32), np.empty(width, np.float32)
    for row in range(scores.shape[0]):
        best_of_row(scores[row], k, np.float32(-np.inf), index[row], value[row], kept_index, kept_value)


@njit(cache=True, nogil=True)
def best_of_row(
    row: Any, k: Any, above: Any, index: Any, value: Any, kept_index: Any, kept_value: Any
) -> None:  # pragma: no cover
    """The ``k`` best of a row among those above ``above``; the two buffers are as long as the row.

    The k-th highest of the maxima of many groups is no more than the k-th highest score, and few scores reach it.
    """
    groups = (row.size + _GROUP - 1) // _GROUP
    if groups > k:
        maxima = kept_value[:groups]
        maxima[:] = -np.inf
        for first in range(0, row.size, groups):
            for place in range(min(groups, row.size - first)):
                score = row[first + place]
                maxima[place] = score if score > maxima[place] else maxima[place]
        floor = np.partition(maxima, groups - k)[groups - k]
    else:
        floor = above
    count = 0
    for item in range(row.size):
        score = row[item]
        kept_index[count], kept_value[count] = item, score
        count += score >= floor and score > above
    if count > k:
        count = _cut(kept_index, kept_value, count, k)
    order = np.argsort(-kept_value[:count], kind="mergesort")
    for place in range(index.size):
        if place < count:
            index[place], value[place] = kept_index[order[place]], kept_value[order[place]]
        else:
            index[place], value[place] = -1, -np.inf


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz"})
def add_likeness(scores: Any, weight: Any, part: Any, total: Any) -> None:  # pragma: no cover
    """``weight · log(1 + max(z, 0))`` of one row of scores, into ``part`` and added to ``total``."""
    mean, scale = moments(scores)
    for item in range(scores.size):
        z = (scores[item] - mean) * scale
        part[item] = weight * np.log1p(z) if z > 0 else np.float32(0.0)
        total[item] += part[item]
