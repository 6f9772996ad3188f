"""Rows of scores, compiled by numba: summed from sparse rows, standardised, and their best found, in one pass each.

Import it through :mod:`gnn.compiled`, which says what to do where numba is not installed. Everything here runs without
Python's lock, so that two answers are computed at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

_ROOM = 4
"""The buffer of candidates for the best k holds so many times k before it is cut back to k."""


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
def standardize(scores: Any, out: Any) -> None:  # pragma: no cover
    """Each row's z-scores; all 0 where a row does not tell items apart."""
    width = scores.shape[1]
    for row in range(scores.shape[0]):
        total = 0.0
        for item in range(width):
            total += scores[row, item]
        mean = np.float32(total / width)
        squares = 0.0
        for item in range(width):
            centred = np.float64(scores[row, item] - mean)
            squares += centred * centred
        spread_ = np.sqrt(squares / width)
        scale = np.float32(1.0 / spread_) if spread_ > 1e-12 else np.float32(0.0)
        for item in range(width):
            out[row, item] = (scores[row, item] - mean) * scale


@njit(cache=True, nogil=True)
def gather(z: Any, barred: Any, provisional: Any, low: Any, high: Any) -> None:  # pragma: no cover
    """Adds the clipped z-scores to the provisional sum, and bars what is barred."""
    for row in range(z.shape[0]):
        for item in range(z.shape[1]):
            value = z[row, item]
            provisional[row, item] += min(max(value, low), high)
            if barred[row, item]:
                z[row, item] = -np.inf


@njit(cache=True, nogil=True)
def best(scores: Any, k: Any, index: Any, value: Any) -> None:  # pragma: no cover
    """Writes each row's ``k`` highest scores, best first, ties by the lower index; -1 and -inf where none is left."""
    room = _ROOM * k
    kept_index, kept_value = np.empty(room, np.int32), np.empty(room, np.float32)
    for row in range(scores.shape[0]):
        count = 0
        floor = np.float32(-np.inf)
        for item in range(scores.shape[1]):
            score = scores[row, item]
            if score > floor:
                kept_index[count], kept_value[count] = item, score
                count += 1
                if count == room:
                    count = _cut(kept_index, kept_value, count, k)
                    floor = kept_value[k - 1]
                    for at in range(k):
                        floor = min(floor, kept_value[at])
        if count > k:
            count = _cut(kept_index, kept_value, count, k)
        order = np.argsort(-kept_value[:count], kind="mergesort")
        for place in range(index.shape[1]):
            if place < count:
                index[row, place], value[row, place] = kept_index[order[place]], kept_value[order[place]]
            else:
                index[row, place], value[row, place] = -1, -np.inf


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


@njit(cache=True, nogil=True)
def views(z: Any, pool: Any, top: Any, features: Any, first: Any, depth: Any) -> None:  # pragma: no cover
    """Writes the three views of one reading of the pooled items into their columns; nothing in the padding."""
    for row in range(pool.shape[0]):
        for place in range(pool.shape[1]):
            item = pool[row, place]
            if item < 0:
                continue
            score = z[row, item]
            features[row, place, first] = min(max(score, np.float32(-5.0)), np.float32(20.0))
            if score > 0:
                features[row, place, first + 1] = np.log1p(score)
                low, high = 0, top.shape[1]
                while low < high:  # how many of the best lie above
                    middle = (low + high) // 2
                    if top[row, middle] > score:
                        low = middle + 1
                    else:
                        high = middle
                if low < depth:
                    features[row, place, first + 2] = np.float32(10.0 / (low + 10.0))


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz"})
def add_likeness(scores: Any, weight: Any, part: Any, total: Any) -> None:  # pragma: no cover
    """``weight · log(1 + max(z, 0))`` of one row of scores, into ``part`` and added to ``total``."""
    width = scores.size
    sum_ = 0.0
    for item in range(width):
        sum_ += scores[item]
    mean = np.float32(sum_ / width)
    squares = 0.0
    for item in range(width):
        centred = np.float64(scores[item] - mean)
        squares += centred * centred
    spread_ = np.sqrt(squares / width)
    scale = np.float32(1.0 / spread_) if spread_ > 1e-12 else np.float32(0.0)
    for item in range(width):
        z = (scores[item] - mean) * scale
        part[item] = weight * np.log1p(z) if z > 0 else np.float32(0.0)
        total[item] += part[item]
