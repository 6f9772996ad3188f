"""From raw scores to the candidates of a fusion and their features, compiled by numba: a row is read while it is near.

Import it through :mod:`gnn.compiled`. Everything here runs without Python's lock.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from gnn.compiled_rows import best_of_row, moments


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz", "contract"})
def _standardize_and_sum(row: Any, mean: Any, scale: Any, low: Any, high: Any, total: Any) -> None:  # pragma: no cover
    for item in range(row.size):
        z = (row[item] - mean) * scale
        row[item] = z
        total[item] += min(max(z, low), high)


@njit(cache=True, nogil=True)
def stand(
    scores: Any, barred_ptr: Any, barred: Any, shut: Any, low: Any, high: Any, total: Any, top_index: Any, top: Any
) -> None:  # pragma: no cover
    """Turns ``scores`` (R, B, I) into z-scores, -inf where barred or shut, and sums them, clipped, into ``total``.

    ``top`` (R, B, K) gets the positive z-scores of the best K, best first, then -inf; ``top_index`` the items of the
    first of them, -1 behind the last.
    """
    readings, rows, width = scores.shape
    depth = top.shape[2]
    index, value = np.empty(depth, np.int32), np.empty(depth, np.float32)
    kept_index, kept_value = np.empty(width, np.int32), np.empty(width, np.float32)
    for row in range(rows):
        for reading in range(readings):
            z = scores[reading, row]
            mean, scale = moments(z)
            _standardize_and_sum(z, mean, scale, low, high, total[row])
            for at in range(barred_ptr[row], barred_ptr[row + 1]):
                z[barred[at]] = -np.inf
            for item in shut:
                z[item] = -np.inf
            best_of_row(z, depth, np.float32(0.0), index, value, kept_index, kept_value)
            top[reading, row] = value
            top_index[reading, row] = index[: top_index.shape[2]]
        for at in range(barred_ptr[row], barred_ptr[row + 1]):
            total[row, barred[at]] = -np.inf
        for item in shut:
            total[row, item] = -np.inf


@njit(cache=True, nogil=True)
def unite(parts: Any, num_items: Any, pool: Any) -> Any:  # pragma: no cover
    """Writes each row's distinct non-negative entries of ``parts`` (B, N), ascending, then -1; returns the most."""
    words = np.zeros((num_items + 63) >> 6, np.uint64)
    most = 0
    for row in range(parts.shape[0]):
        for item in parts[row]:
            if item >= 0:
                words[item >> 6] |= np.uint64(1) << np.uint64(item & 63)
        count = 0
        for word in range(words.size):
            bits = words[word]
            if bits != 0:
                for place in range(64):
                    if bits & (np.uint64(1) << np.uint64(place)):
                        pool[row, count] = (word << 6) + place
                        count += 1
                words[word] = 0
        pool[row, count:] = -1
        most = max(most, count)
    return most


@njit(cache=True, nogil=True)
def _put(score: Any, rank: Any, depth: Any, features: Any, first: Any) -> None:  # pragma: no cover
    features[first] = min(max(score, np.float32(-5.0)), np.float32(20.0))
    if score > 0:
        features[first + 1] = np.log1p(score)
        if rank < depth:
            features[first + 2] = np.float32(10.0 / (rank + 10.0))


@njit(cache=True, nogil=True)
def _above(score: Any, top: Any) -> Any:  # pragma: no cover
    """How many of the best scores, which descend, lie above a score."""
    if top[top.size - 1] > score:
        return top.size
    low, high = 0, top.size
    while low < high:
        middle = (low + high) // 2
        if top[middle] > score:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True, nogil=True)
def views(scores: Any, pool: Any, top: Any, features: Any) -> None:  # pragma: no cover
    """Writes the three views of every reading of the pooled items; nothing in the padding."""
    for row in range(pool.shape[0]):
        for reading in range(scores.shape[0]):
            z, best = scores[reading, row], top[reading, row]
            for place in range(pool.shape[1]):
                item = pool[row, place]
                if item < 0:
                    break
                score = z[item]
                _put(
                    score, _above(score, best) if score > 0 else best.size, best.size, features[row, place], 3 * reading
                )


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz"})
def _count_above(row: Any, score: Any) -> Any:  # pragma: no cover
    count = np.int32(0)
    for item in range(row.size):
        count += np.int32(row[item] > score)
    return count


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz"})
def _standardize(row: Any, mean: Any, scale: Any) -> None:  # pragma: no cover
    for item in range(row.size):
        row[item] = (row[item] - mean) * scale


@njit(cache=True, nogil=True)
def views_of(
    scores: Any, barred_ptr: Any, barred: Any, shut: Any, asked: Any, depth: Any, features: Any
) -> None:  # pragma: no cover
    """The three views of every reading of given items (B, C), -1 for none, among those not barred or shut.

    ``scores`` (R, B, I) is used up.
    """
    chosen = np.empty(asked.shape[1], np.float32)
    for row in range(asked.shape[0]):
        for reading in range(scores.shape[0]):
            z = scores[reading, row]
            mean, scale = moments(z)
            _standardize(z, mean, scale)
            for place in range(chosen.size):
                chosen[place] = z[max(asked[row, place], 0)]
            for at in range(barred_ptr[row], barred_ptr[row + 1]):
                z[barred[at]] = -np.inf
            for item in shut:
                z[item] = -np.inf
            for place in range(chosen.size):
                if asked[row, place] >= 0:
                    score = chosen[place]
                    rank = _count_above(z, score) if score > 0 else depth
                    _put(score, rank, depth, features[row, place], 3 * reading)
