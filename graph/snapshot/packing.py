"""Edge columns in their smallest exact form."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from graph.snapshot.edges import NO_TIME, SHORT_NO_TIME, FloatArray, LongArray
from graph.snapshot.vocabulary import IntArray
from graph.sorting import distinct

CODEBOOK = "weight_codebook"
"""The one packed array that is not a column of the edges."""
_MAX_CODES = 256
_LATEST = int(np.iinfo(np.int64).max)
_BLOCK = 1 << 18
"""Times packed at a go: what they go through stays in the cache, and takes no memory for all of them."""


def pack_weight(weight: FloatArray) -> tuple[float | None, dict[str, npt.NDArray[Any]]]:
    """One weight for all, or codes and a codebook for few distinct ones, or the weights as they are."""
    weight = weight + np.float32(0.0)  # -0.0 becomes 0.0, so that equal weights have equal bytes
    if weight.size == 0:
        return 1.0, {}
    if bool((weight == weight[0]).all()):
        return float(weight[0]), {}
    codebook = distinct(weight)
    if codebook.size > _MAX_CODES:
        return None, {"weight": weight}
    codes = np.searchsorted(codebook, weight).astype(np.uint8)
    return None, {"weight_codes": codes, CODEBOOK: codebook}


def pack_time(timestamp_ms: LongArray) -> tuple[int, dict[str, npt.NDArray[Any]]]:
    """Seconds as 32-bit offsets where their range fits, and the milliseconds where there are any."""
    blocks = [slice(start, start + _BLOCK) for start in range(0, timestamp_ms.size, _BLOCK)]
    lows = [timestamp_ms[block].min(where=timestamp_ms[block] != NO_TIME, initial=_LATEST) for block in blocks]
    last, offset = int(timestamp_ms.max(initial=NO_TIME)) // 1000, int(min(lows, default=_LATEST)) // 1000
    if last < offset:  # no time is known
        return 0, {}
    is_short = last - offset < int(SHORT_NO_TIME)
    offset, absent = (offset, SHORT_NO_TIME) if is_short else (0, NO_TIME)
    stamps = np.empty(timestamp_ms.size, np.uint32 if is_short else np.int64)
    rest = np.empty(timestamp_ms.size, np.uint16)
    for block in blocks:
        part = timestamp_ms[block]
        seconds = part // 1000
        rest[block] = part - seconds * 1000
        stamps[block] = seconds - offset
        unknown = part == NO_TIME
        stamps[block][unknown], rest[block][unknown] = absent, 0
    return offset, {"timestamp": stamps} | ({"millisecond": rest} if rest.any() else {})


def pack_rank(rank: IntArray) -> npt.NDArray[Any]:
    """Positions inside a row, in 16 bits where the longest row allows it."""
    fits = rank.size == 0 or int(rank.max()) < 1 << 16
    return rank.astype(np.uint16 if fits else np.uint32)
