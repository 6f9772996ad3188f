"""How the server does, read from its own metrics over the last minute."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from msgspec import Struct

from api.observing.metrics import Metrics

WINDOW_S = 60.0
_LEAST_GAP_S = 1.0
_ASKING = "/v1/"


class PulseFigures(Struct, frozen=True):
    """Of this worker, over ``window_s`` up to now; a figure nobody caused is null.

    ``p99_ms`` is the bound of the histogram bucket that holds the 99th percentile of the answers, so it errs upwards.
    """

    window_s: float
    events_per_s: float
    answers_per_s: float
    p99_ms: float | None


@dataclass(frozen=True, slots=True)
class _Sample:
    at_s: float
    events: float
    answers: float
    buckets: Mapping[float, float]
    """Answers up to each bound, in seconds."""


class Pulse:
    """Differences between readings of the counters. Each reading is kept for a minute; nothing runs in between."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._samples: deque[_Sample] = deque([_Sample(clock(), 0.0, 0.0, {})])
        self._reading = threading.Lock()

    def read(self, metrics: Metrics) -> PulseFigures:
        """The figures since the oldest reading of the last minute, or since the start."""
        now = _sample(metrics, self._clock())
        with self._reading:
            while len(self._samples) > 1 and now.at_s - self._samples[1].at_s >= WINDOW_S:
                self._samples.popleft()
            then = self._samples[0]
            if now.at_s - self._samples[-1].at_s >= _LEAST_GAP_S:
                self._samples.append(now)
        passed = max(now.at_s - then.at_s, 1e-9)
        return PulseFigures(
            round(passed, 1),
            round((now.events - then.events) / passed, 2),
            round((now.answers - then.answers) / passed, 2),
            _p99_ms({bound: count - then.buckets.get(bound, 0.0) for bound, count in now.buckets.items()}),
        )


def _sample(metrics: Metrics, at_s: float) -> _Sample:
    events = sum(
        sample.value
        for family in metrics.events.collect()
        for sample in family.samples
        if sample.name.endswith("_total") and sample.labels["outcome"] == "accepted"
    )
    answers, buckets = 0.0, dict[float, float]()
    for family in metrics.seconds.collect():
        for sample in family.samples:
            if not sample.labels["route"].startswith(_ASKING):
                continue
            if sample.name.endswith("_count"):
                answers += sample.value
            elif sample.name.endswith("_bucket"):
                bound = float(sample.labels["le"])
                buckets[bound] = buckets.get(bound, 0.0) + sample.value
    return _Sample(at_s, events, answers, buckets)


def _p99_ms(buckets: Mapping[float, float]) -> float | None:
    total = buckets.get(math.inf, 0.0)
    if total <= 0:
        return None
    for bound in sorted(buckets):
        if buckets[bound] >= 0.99 * total and math.isfinite(bound):
            return round(bound * 1000, 1)
    return None
