"""What is trending: recent interactions, the latest counting most, every customer once per item."""

from __future__ import annotations

import numpy as np

from api.engine.related.activity import Activity
from gnn.data import NO_TIME
from gnn.data.histories import FloatArray

MAX_EVENTS = 200_000
"""Of a longer window only the latest events are read, so that a new event costs milliseconds."""


def trending_scores(activity: Activity, window_s: int, num_items: int, *, now_s: int) -> FloatArray:
    """Decayed counts of the distinct customers of each item within the window. Shape (I,).

    The window ends at the newest event, or at ``now_s`` if events claim to be from the future. A customer counts
    once per item, with his latest event, which weighs half as much after half a window.

    ``activity`` must be sorted by time.
    """
    times = activity.timestamp_s
    stop = int(np.searchsorted(times, now_s, side="right"))
    if stop == 0 or times[stop - 1] == NO_TIME:
        return np.zeros(num_items, np.float32)
    newest = int(times[stop - 1])
    start = max(int(np.searchsorted(times, newest - window_s, side="right")), stop - MAX_EVENTS)
    users = activity.user_index[start:stop][::-1].astype(np.int64)
    items = activity.item_index[start:stop][::-1].astype(np.int64)
    _, latest = np.unique((users << 32) | items, return_index=True)
    age = newest - times[start:stop][::-1][latest]
    return np.bincount(items[latest], 2.0 ** (-age / (window_s / 2)), minlength=num_items).astype(np.float32)
