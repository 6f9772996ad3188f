"""Fused lists, compiled by numba: from the scores of every reading to the best items in one call.

What :mod:`gnn.compiled.pool` does in three, without the features of candidates between: a list needs of them no more
than what they add up to. Import it through :mod:`gnn.compiled`. It runs without Python's lock.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from gnn.compiled.pool import bar, standardize_and_sum, three_views, unpacked
from gnn.compiled.rows import SPARE, count_higher, moments, put_in_order, reaching_best
from graph.compiled.kernel import kernel


@kernel(nogil=True)
def fuse(
    scores: Any,
    barred_ptr: Any,
    barred: Any,
    shut: Any,
    limits: Any,
    clip: Any,
    weights: Any,
    ends: Any,
    item_index: Any,
    score: Any,
    contribution: Any,
) -> None:  # pragma: no cover
    """Writes each history's best items with their scores and what each source adds; -1, -inf and 0 behind the last.

    Shapes: ``scores`` (R, B, I), which are used up; ``weights`` (B, R, 3), of each view; ``ends`` (S,), the reading
    behind each source's last; ``contribution`` (B, k, S). ``limits``: how many the summed z-scores and each reading
    propose, and how deep a rank counts; ``clip``: what one reading counts in the sum at the least and the most.
    """
    readings, rows, width = scores.shape
    provisional, proposed, depth = limits
    total = np.empty(width, np.float32)
    words = np.empty((width + 63) >> 6, np.uint64)
    rank_of = np.empty((readings, width), np.uint8)
    kept_index, kept_value = np.empty(width, np.int32), np.empty(width + SPARE, np.float32)
    ranks = np.empty(width, np.int32)
    for row in range(rows):
        never = barred[barred_ptr[row] : barred_ptr[row + 1]]
        total[:], words[:], rank_of[:] = 0.0, 0, depth
        for reading in range(readings):
            z = scores[reading, row]
            mean, scale = moments(z)
            standardize_and_sum(z, mean, scale, clip[0], clip[1], total)
            bar(z, never, shut)
            count = reaching_best(z, depth, np.float32(0.0), kept_index, kept_value)
            count_higher(kept_value, count, ranks)
            for at in range(count):
                rank_of[reading, kept_index[at]] = min(ranks[at], depth)
            _propose(kept_index, ranks, count, proposed, words)
        bar(total, never, shut)
        count = reaching_best(total, provisional, np.float32(-np.inf), kept_index, kept_value)
        count_higher(kept_value, count, ranks)
        _propose(kept_index, ranks, count, provisional, words)
        count = unpacked(words, kept_index)
        _score(scores, row, rank_of, depth, weights[row], kept_index, kept_value[:count])
        count_higher(kept_value, count, ranks)
        item_index[row], score[row] = -1, -np.inf
        put_in_order(kept_index, kept_value, ranks, count, item_index[row], score[row])
        found = min(count, item_index.shape[1])
        contribution[row] = 0.0
        for place in range(found):
            item, source = item_index[row, place], 0
            for reading in range(readings):
                if reading == ends[source]:
                    source += 1
                rank, weight = np.float32(rank_of[reading, item]), weights[row, reading]
                contribution[row, place, source] += _worth(scores[reading, row, item], rank, np.float32(depth), weight)


@njit(nogil=True)
def _propose(index: Any, ranks: Any, count: Any, most: Any, words: Any) -> None:  # pragma: no cover
    """Marks the best of ``count`` items, ``most`` at most and of equal ones those with the lower index, a bit each."""
    within, last = 0, np.int32(-1)
    for at in range(count):
        if ranks[at] < most:
            within += 1
            last = max(last, ranks[at])
    spare = count if within <= most else most - last
    for at in range(count):
        if ranks[at] < last or (ranks[at] == last and spare > 0):
            spare -= ranks[at] == last
            words[index[at] >> 6] |= np.uint64(1) << np.uint64(index[at] & 63)


@njit(nogil=True, error_model="numpy", fastmath={"contract"})
def _worth(z: Any, rank: Any, depth: Any, weight: Any) -> Any:  # pragma: no cover
    """What one reading adds to an item's score: its three views, weighed."""
    clipped, damped, near = three_views(z, rank, depth)
    return weight[0] * clipped + weight[1] * damped + weight[2] * near


@njit(nogil=True)
def _score(
    scores: Any, row: Any, rank_of: Any, depth: Any, weights: Any, index: Any, out: Any
) -> None:  # pragma: no cover
    """The learned score of some items: gathered first, so that many are worked out at a time."""
    z, rank = np.empty(out.size, np.float32), np.empty(out.size, np.float32)
    out[:] = 0.0
    for reading in range(scores.shape[0]):
        for at in range(out.size):
            z[at], rank[at] = scores[reading, row, index[at]], np.float32(rank_of[reading, index[at]])
        _add_worth(z, rank, np.float32(depth), weights[reading], out)


@njit(nogil=True, error_model="numpy", fastmath={"contract"})
def _add_worth(z: Any, rank: Any, depth: Any, weight: Any, out: Any) -> None:  # pragma: no cover
    for at in range(out.size):
        out[at] += _worth(z[at], rank[at], depth, weight)
