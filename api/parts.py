"""The parts of one running application, as the routes reach them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from starlette.requests import Request

from api.engine import Engine
from api.events.given import GivenLog
from api.events.writer import EventWriter
from api.http.lanes import Lane
from api.http.problems import NotReady
from api.knowledge.rules import RulesFile
from api.observing.metrics import Metrics
from api.observing.pulse import Pulse
from api.serving.live import Live
from api.serving.serving import Serving
from api.settings import Settings
from graph.errors import SchemaError
from graph.store import GraphStore, open_store

PAGES_WAITING = 16
PAGE_DEADLINE_S = 10.0


class StoreHolder:
    """Opens the store on first use and keeps it; a store that is down at start is tried again when asked."""

    def __init__(self, url: str, opener: Callable[[str], GraphStore] = open_store) -> None:
        self._url = url
        self._opener = opener
        self._opening = threading.Lock()
        self._store: GraphStore | None = None

    def __call__(self) -> GraphStore:
        """The open store; :class:`~graph.errors.StoreUnavailable` when it cannot be reached."""
        with self._opening:
            if self._store is None:
                self._store = self._opener(self._url)
            return self._store

    def close(self) -> None:
        with self._opening:
            if self._store is not None:
                self._store.close()
                self._store = None


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes work with."""

    settings: Settings
    store: StoreHolder
    serving: Serving
    writer: EventWriter
    lane: Lane
    """Threads for the engine and for files."""
    store_lane: Lane
    """A thread for questions to the store that a request has to wait for."""
    patient_lane: Lane
    """A thread for questions that take several lists to answer, so that they never hold up the lists."""
    release_lane: Lane
    """A thread for swapping releases, which takes longer than an answer may."""
    check_lane: Lane
    """A thread for looking through the whole graph, which may take seconds."""
    metrics: Metrics
    rules: RulesFile
    given: GivenLog
    pulse: Pulse = field(default_factory=Pulse)
    page_lane: Lane = field(default_factory=lambda: Lane(1, PAGES_WAITING, PAGE_DEADLINE_S))
    """A thread for pages: each asks the engine several times, and must not hold up the answers."""

    def start(self) -> None:
        self.given.start()
        self.serving.start()
        self.writer.start()

    def close(self) -> None:
        self.writer.close()
        self.given.close()
        self.serving.close()
        self.lane.close()
        self.page_lane.close()
        self.store_lane.close()
        self.patient_lane.close()
        self.check_lane.close()
        self.release_lane.close()
        self.store.close()


def parts_of(request: Request) -> Parts:
    """The application's parts."""
    parts: Parts = request.app.state.parts
    return parts


def engine_of(live: Live) -> Engine:
    """The live release's engine, for questions beyond lists."""
    assert isinstance(live.engine, Engine)  # every release is answered by one
    return live.engine


def now_ms() -> int:
    """Milliseconds since 1970, by the server's clock."""
    return time.time_ns() // 1_000_000


@contextmanager
def telling_an_empty_store() -> Iterator[None]:
    """A store without a schema becomes :class:`NotReady`, which says what to run."""
    try:
        yield
    except SchemaError as error:
        raise NotReady("the graph store is empty", remedy="Run kindred ingest with a mapping first.") from error
