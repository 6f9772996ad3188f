"""How long ago, in buckets: the time between two events as attention reads it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gnn.data.histories import Histories

_FIRST_DATE_S = 365 * 86_400
"""A time in the first year after 1970 is an order number, not a date."""
_UNIT_S = 60.0
"""Events within a minute are of one moment; from there every bucket is twice as wide as the one before."""


def known_times(timestamp_s: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which times are dates; others are unknown, or order numbers that say nothing of how long. Shape as given."""
    return np.asarray(timestamp_s >= _FIRST_DATE_S)


def gap_buckets(timestamp_s: npt.NDArray[np.int64], num_asking: int, num_buckets: int) -> npt.NDArray[np.int64]:
    """The bucket of the time from each event to each of the last ``num_asking``; ``num_buckets`` where it is unknown.

    Longer than any bucket counts as the longest. Shape (B, L) → (B, Q, L).
    """
    known = known_times(timestamp_s)
    times = np.where(known, timestamp_s, 0)
    asking = timestamp_s.shape[1] - num_asking
    buckets = np.minimum(_bucket(times[:, asking:, None] - times[:, None, :]), num_buckets - 1)
    return np.where(known[:, asking:, None] & known[:, None, :], buckets, num_buckets)


def num_gap_buckets(histories: Histories) -> int:
    """Buckets enough for every time between two events of one history; 0 where no two times are known."""
    known = known_times(histories.timestamp_s)
    rows, times = histories.rows[known], histories.timestamp_s[known]
    counts = np.bincount(rows, minlength=len(histories))
    several = counts > 1
    if not several.any():
        return 0
    ends = np.cumsum(counts)
    first, last = times[(ends - counts)[several]], times[ends[several] - 1]
    return int(_bucket(last - first).max()) + 1


def _bucket(gap_s: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    # The whole part of log2, exact and in a quarter of the time.
    return np.asarray(np.frexp(1.0 + np.maximum(gap_s, 0) / _UNIT_S)[1] - 1, np.int64)
