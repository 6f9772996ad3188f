"""What follows a commit of events: the overlay learns of it, then those who sent them do; beside the next commit."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple, TypeAlias

import structlog
from msgspec import Struct

from api.events.interactions import Interaction
from graph.errors import KindredError, StoreError
from graph.records import Applied, UpsertEdges

_log = structlog.get_logger("kindred.events")


class Acknowledged(Struct, frozen=True):
    """What became of one request's events; ``unknown_ids`` are items that the graph does not hold."""

    accepted: int
    duplicates: int
    unknown_ids: tuple[str, ...]
    event_ids: tuple[str, ...]
    graph_watermark: str


class Waiting(NamedTuple):
    """The events of one request, and where its acknowledgement goes."""

    interactions: Sequence[Interaction]
    future: asyncio.Future[Acknowledged]


Outcome: TypeAlias = tuple[Waiting, Acknowledged | KindredError]


class Commit(NamedTuple):
    """What was written for some requests, if anything, and what to tell them."""

    applied: Applied | None
    written: Sequence[UpsertEdges]
    outcomes: Sequence[Outcome]


class Acknowledging:
    """Calls ``committed`` with each commit, in their order, and only then gives the requests their outcomes.

    It does so in a thread of its own, so that the disk is kept busy meanwhile; at once when nobody waits for the disk.
    """

    def __init__(self, committed: Callable[[Applied, Sequence[UpsertEdges]], None]) -> None:
        self._committed = committed
        self._queue: queue.SimpleQueue[Commit | None] = queue.SimpleQueue()
        self._taken = self._done = 0
        self._thread = threading.Thread(target=self._run, name="acknowledging", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self, timeout_s: float) -> None:
        """Acknowledges what was committed, then stops."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join(timeout_s)

    @property
    def waiting(self) -> int:
        """How many commits nobody was told of yet."""
        return self._taken - self._done

    def take(self, commit: Commit, *, at_once: bool) -> None:
        """Acknowledges a commit in its turn; belongs to one thread. ``at_once``: here, if it is its turn."""
        if at_once and not self.waiting:
            self._finish(commit)
        else:
            self._taken += 1
            self._queue.put(commit)

    def _run(self) -> None:
        while (commit := self._queue.get()) is not None:
            self._finish(commit)
            self._done += 1

    def _finish(self, commit: Commit) -> None:
        outcomes = commit.outcomes
        try:
            if commit.applied is not None:
                self._committed(commit.applied, commit.written)
        except KindredError as error:  # it is stored, but nobody can say that it counts
            outcomes = [(waiting, error) for waiting, _ in outcomes]
        except Exception as bug:  # the thread must outlive a bug: without it no event is ever acknowledged again
            _log.exception("events.feeding_failed", error=type(bug).__name__)
            failed = StoreError("the events could not be taken in", remedy="See the server's log.")
            outcomes = [(waiting, failed) for waiting, _ in outcomes]
        _settle(outcomes)


def _settle(outcomes: Sequence[Outcome]) -> None:
    """Gives requests their replies; a loop is woken once for all of its own."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Outcome]] = {}
    for outcome in outcomes:
        by_loop.setdefault(outcome[0].future.get_loop(), []).append(outcome)
    for loop, own in by_loop.items():
        with suppress(RuntimeError):  # the loop has ended, and nobody waits any more
            loop.call_soon_threadsafe(_settle_here, own)


def _settle_here(outcomes: Sequence[Outcome]) -> None:
    for waiting, reply in outcomes:
        if waiting.future.done():
            continue
        if isinstance(reply, Acknowledged):
            waiting.future.set_result(reply)
        else:
            waiting.future.set_exception(reply)
