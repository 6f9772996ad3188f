"""From raw scores to the candidates of a fusion and their features, compiled by numba: a row is read while it is near.

Import it through :mod:`gnn.compiled`. Everything here runs without Python's lock.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from gnn.compiled.rows import SPARE, best_of_row, log1p_of, moments
from graph.compiled.instructions import lowest_bit
from graph.compiled.kernel import kernel


@kernel(nogil=True, fastmath={"reassoc", "nsz", "contract"})
def standardize_and_sum(row: Any, mean: Any, scale: Any, low: Any, high: Any, total: Any) -> None:  # pragma: no cover
    for item in range(row.size):
        z = (row[item] - mean) * scale
        row[item] = z
        total[item] += min(max(z, low), high)


@njit(nogil=True)
def bar(row: Any, barred: Any, shut: Any) -> None:  # pragma: no cover
    """Gives the items that are barred from a row, and those that are shut to all, the score -inf."""
    for item in barred:
        row[item] = -np.inf
    for item in shut:
        row[item] = -np.inf


@njit(nogil=True)
def unpacked(words: Any, index: Any) -> Any:  # pragma: no cover
    """Writes which bits are set, ascending; returns how many."""
    count = 0
    for word in range(words.size):
        bits = words[word]
        while bits != 0:
            index[count] = (np.int64(word) << 6) + np.int64(lowest_bit(bits))
            bits &= bits - np.uint64(1)
            count += 1
    return count


@kernel(nogil=True)
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
    kept_index, kept_value = np.empty(width, np.int32), np.empty(width + SPARE, np.float32)
    for row in range(rows):
        never = barred[barred_ptr[row] : barred_ptr[row + 1]]
        for reading in range(readings):
            z = scores[reading, row]
            mean, scale = moments(z)
            standardize_and_sum(z, mean, scale, low, high, total[row])
            bar(z, never, shut)
            best_of_row(z, depth, np.float32(0.0), index, value, kept_index, kept_value)
            top[reading, row] = value
            top_index[reading, row] = index[: top_index.shape[2]]
        bar(total[row], never, shut)


@kernel(nogil=True)
def unite(parts: Any, num_items: Any, pool: Any) -> Any:  # pragma: no cover
    """Writes each row's distinct non-negative entries of ``parts`` (B, N), ascending, then -1; returns the most."""
    words = np.zeros((num_items + 63) >> 6, np.uint64)
    most = 0
    for row in range(parts.shape[0]):
        for item in parts[row]:
            if item >= 0:
                words[item >> 6] |= np.uint64(1) << np.uint64(item & 63)
        count = unpacked(words, pool[row])
        words[:] = 0
        pool[row, count:] = -1
        most = max(most, count)
    return most


@njit(nogil=True, error_model="numpy")
def three_views(score: Any, rank: Any, depth: Any) -> Any:  # pragma: no cover
    """The views of one item in one reading, from its z-score and from how many lie above it."""
    clipped = min(max(score, np.float32(-5.0)), np.float32(20.0))
    damped = log1p_of(max(score, np.float32(0.0)))
    near = score > 0 and rank < depth
    return (
        clipped,
        damped if score > 0 else np.float32(0.0),
        np.float32(10.0) / (rank + np.float32(10.0)) if near else np.float32(0.0),
    )


@njit(nogil=True, error_model="numpy")
def _put(chosen: Any, ranks: Any, depth: Any, features: Any) -> None:  # pragma: no cover
    """The three views of one item in every reading."""
    for reading in range(chosen.size):
        of_item = three_views(chosen[reading], ranks[reading], depth)
        features[3 * reading], features[3 * reading + 1], features[3 * reading + 2] = of_item


@kernel(nogil=True, fastmath={"reassoc", "nsz"})
def _count_above(row: Any, score: Any) -> Any:  # pragma: no cover
    count = np.int32(0)
    for item in range(row.size):
        count += np.int32(row[item] > score)
    return count


@kernel(nogil=True)
def views(scores: Any, pool: Any, top: Any, features: Any) -> None:  # pragma: no cover
    """Writes the three views of every reading of the pooled items; nothing in the padding."""
    readings, depth = scores.shape[0], top.shape[2]
    chosen, ranks = np.empty(readings, np.float32), np.empty(readings, np.float32)
    for row in range(pool.shape[0]):
        for place in range(pool.shape[1]):
            item = pool[row, place]
            if item < 0:
                break
            for reading in range(readings):
                score, best = scores[reading, row, item], top[reading, row]
                chosen[reading] = score
                near = score > 0 and score >= best[depth - 1]
                ranks[reading] = _count_above(best, score) if near else depth
            _put(chosen, ranks, depth, features[row, place])


@kernel(nogil=True, fastmath={"reassoc", "nsz"})
def _standardize(row: Any, mean: Any, scale: Any) -> None:  # pragma: no cover
    for item in range(row.size):
        row[item] = (row[item] - mean) * scale


@kernel(nogil=True)
def views_of(
    scores: Any, barred_ptr: Any, barred: Any, shut: Any, asked: Any, depth: Any, features: Any
) -> None:  # pragma: no cover
    """The three views of every reading of given items (B, C), -1 for none, among those not barred or shut.

    ``scores`` (R, B, I) is used up.
    """
    readings = scores.shape[0]
    chosen = np.empty((asked.shape[1], readings), np.float32)
    ranks = np.empty((asked.shape[1], readings), np.float32)
    for row in range(asked.shape[0]):
        never = barred[barred_ptr[row] : barred_ptr[row + 1]]
        for reading in range(readings):
            z = scores[reading, row]
            mean, scale = moments(z)
            _standardize(z, mean, scale)
            for place in range(asked.shape[1]):
                chosen[place, reading] = z[max(asked[row, place], 0)]
            bar(z, never, shut)
            for place in range(asked.shape[1]):
                score = chosen[place, reading]
                ranks[place, reading] = _count_above(z, score) if score > 0 else depth
        for place in range(asked.shape[1]):
            if asked[row, place] >= 0:
                _put(chosen[place], ranks[place], depth, features[row, place])
