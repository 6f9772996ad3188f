"""Edge columns in their smallest exact form."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from graph.snapshot.edges import NO_TIME, SHORT_NO_TIME, FloatArray, LongArray
from graph.sorting import distinct

_MAX_CODES = 256


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
    return None, {"weight_codes": codes, "weight_codebook": codebook}


def pack_time(timestamp_ms: LongArray) -> tuple[int, dict[str, npt.NDArray[Any]]]:
    """Seconds as 32-bit offsets where their range fits, and the milliseconds where there are any."""
    known = timestamp_ms != NO_TIME
    if not known.any():
        return 0, {}
    filled = np.where(known, timestamp_ms, 0)
    seconds = filled // 1000
    rest = filled - seconds * 1000
    offset, last = int(seconds[known].min()), int(seconds[known].max())
    arrays: dict[str, npt.NDArray[Any]] = {}
    if last - offset < int(SHORT_NO_TIME):
        short = (seconds - offset).astype(np.uint32)
        short[~known] = SHORT_NO_TIME
        arrays["timestamp"] = short
    else:
        offset = 0
        arrays["timestamp"] = np.where(known, seconds, NO_TIME)
    if rest.any():
        arrays["millisecond"] = rest.astype(np.uint16)
    return offset, arrays


def pack_rank(rank: LongArray) -> npt.NDArray[Any]:
    """Positions inside a row, in 16 bits where the longest row allows it."""
    fits = rank.size == 0 or int(rank.max()) < 1 << 16
    return rank.astype(np.uint16 if fits else np.uint32)
