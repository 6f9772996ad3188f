"""Feeds the live release with what the store has new, in the order of the store's watermarks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import structlog

from api.serving.live import Live
from graph.errors import KindredError
from graph.records import Applied, Change, UpsertEdges
from graph.store import GraphStore

FEED_ROWS = 10_000
"""Changes that enter the overlay at once; readers see whole batches."""
OVERLAY_ROWS = 2_000_000
"""Changes an overlay takes before it stays behind the store, so that memory is bounded."""

_log = structlog.get_logger("kindred.serving")


class Feeding:
    """Holds the live release and keeps its overlay in step with the store. Safe to use from several threads.

    When the store cannot be read, answers go on from the release and the last changes seen, marked stale.
    """

    def __init__(self, store: Callable[[], GraphStore], stale_after_s: float) -> None:
        self._store = store
        self._stale_after_s = stale_after_s
        self._live: Live | None = None
        self._lock = threading.Lock()
        self._fed_at: float | None = None

    @property
    def live(self) -> Live | None:
        """The release in service now; ``None`` before the first."""
        return self._live

    @property
    def stale(self) -> bool:
        """Whether the store's newest changes may be missing in answers."""
        return self._fed_at is None or time.monotonic() - self._fed_at > self._stale_after_s

    def replace(self, taken: Live) -> None:
        """Puts another release in the place of the live one, once it has what the store has."""
        self._feed_quietly(taken)  # the long part, beside the old one's feeding
        with self._lock:
            self._feed_quietly(taken)  # what was acknowledged meanwhile
            self._live = taken

    def follow(self) -> None:
        """As :meth:`catch_up`; a store that cannot be read is logged."""
        with self._lock:
            if self._live is not None:
                self._feed_quietly(self._live)

    def catch_up(self) -> None:
        """Feeds the live overlay with everything the store has committed.

        Raises:
            StoreError: when the store cannot be read; answers turn stale.
        """
        with self._lock:
            if self._live is not None:
                self._feed(self._live)

    def take_in(self, applied: Applied, written: Sequence[UpsertEdges]) -> None:
        """Feeds the live overlay with edges that were just written, when it lacks nothing but them.

        Else it catches up with the store, which costs reading; raises as :meth:`catch_up` does.
        """
        began = time.monotonic()
        with self._lock:
            live = self._live
            if live is None:
                return
            if applied.since != live.fed_to or live.fed_rows > OVERLAY_ROWS:
                self._feed(live)
                return
            live.overlay.add(written, applied.watermark)
            live.fed_rows += sum(len(columns.source_ids) for columns in written)
            live.fed_to = applied.watermark
            self._fed_at = began

    def _feed_quietly(self, live: Live) -> None:
        try:
            self._feed(live)
        except KindredError as error:
            _log.warning("serving.store_unreachable", error=type(error).__name__)

    def _feed(self, live: Live) -> None:
        if live.fed_rows > OVERLAY_ROWS:
            return  # the answers stay stale until the next release
        began = time.monotonic()
        fed_to = live.fed_to
        for batch in _batches(iter(self._store().changes_since(live.fed_to)), FEED_ROWS):
            live.overlay.apply(batch)
            fed_to = batch[-1].watermark
            live.fed_rows += len(batch)
            if live.fed_rows > OVERLAY_ROWS:
                _log.error("serving.overlay_full", rows=live.fed_rows, remedy="run kindred train")
                return
        live.fed_to = fed_to  # only now: one watermark may cover several rows, and a broken feed starts over
        self._fed_at = began


def _batches(changes: Iterator[Change], rows: int) -> Iterator[list[Change]]:
    while batch := list(islice(changes, rows)):
        yield batch
