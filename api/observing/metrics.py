"""What the server counts, for Prometheus; no label ever holds an id."""

from __future__ import annotations

from collections import Counter as Tally
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from api.http.envelope import Envelope

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """The counters of one application; one registry each, so that two can live in a process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "kindred_requests", "Requests answered.", ("route", "method", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "kindred_request_seconds", "Time to answer.", ("route",), buckets=_SECONDS, registry=self.registry
        )
        self.fallbacks = Counter(
            "kindred_fallbacks", "Answers that used a fallback.", ("fallback",), registry=self.registry
        )
        self.answer_cache = Counter(
            "kindred_answer_cache",
            "Answers by outcome: hit, kept since nothing has changed; miss, computed.",
            ("outcome",),
            registry=self.registry,
        )
        self.listed = Counter(
            "kindred_listed_items",
            "Items in computed lists, by kind of list and by the source that spoke loudest for them.",
            ("kind", "source"),
            registry=self.registry,
        )
        self.events = Counter(
            "kindred_events",
            "Events by outcome: accepted, duplicate, unknown_item.",
            ("outcome",),
            registry=self.registry,
        )
        self.commits = Counter("kindred_event_commits", "Store transactions that held events.", registry=self.registry)
        self.stale = Gauge("kindred_stale", "1 while answers cannot see the newest changes.", registry=self.registry)
        self.release = Gauge(
            "kindred_release_info", "1 for the release that answers.", ("release",), registry=self.registry
        )
        self.turned_away = Counter(
            "kindred_turned_away",
            "Requests stopped at the door: no_key, scope, rate.",
            ("reason",),
            registry=self.registry,
        )
        self.swaps = Counter("kindred_release_swaps", "Releases taken into service.", registry=self.registry)
        self.refused = Counter("kindred_releases_refused", "Releases that did not verify.", registry=self.registry)

        # Looking up the labels of a counter costs more than counting, so what they name is kept.
        self._counted: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._listed: dict[tuple[str, str], Counter] = {}

    def count_request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Counts one request."""
        known = self._counted.get((route, method, status))
        if known is None:
            known = self.requests.labels(route, method, str(status)), self.seconds.labels(route)
            self._counted[route, method, status] = known
        known[0].inc()
        known[1].observe(seconds)

    def count_listed(self, kind: str, envelope: Envelope) -> None:
        """Counts the items of a list under the sources that put them there."""
        loudest = Tally([item.sources[0] for item in envelope.items if item.sources])
        for source, items in loudest.items():
            known = self._listed.get((kind, source))
            if known is None:
                known = self._listed[kind, source] = self.listed.labels(kind, source)
            known.inc(items)

    def exposition(self) -> bytes:
        """The text Prometheus scrapes."""
        return generate_latest(self.registry)
