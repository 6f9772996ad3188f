"""The release that answers: taken into service, kept up to date with the store, swapped without losing a request."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from api.engine.answer import Answer
from api.engine.finding.suggestions import Suggestion
from api.engine.phrases import Language
from api.engine.request import RelatedKind, Request
from api.engine.steering import NO_STEERING, Steering
from api.metrics import Metrics
from api.problems import NotReady
from graph.errors import KindredError
from graph.records import Applied, Change, UpsertEdges
from graph.schema import GraphSchema
from graph.store import GraphStore, HandEdits

if TYPE_CHECKING:
    from graph.view import GraphView

FEED_ROWS = 10_000
"""Changes that enter the overlay at once; readers see whole batches."""
OVERLAY_ROWS = 2_000_000
"""Changes an overlay takes before it stays behind the store, so that memory is bounded."""

_log = structlog.get_logger("kindred.serving")


class Answering(Protocol):
    """What the routes ask of an engine. Called from several threads at once."""

    def recommend(self, request: Request) -> Answer: ...

    def related(
        self,
        item_id: str,
        kind: RelatedKind = "similar",
        n: int = 10,
        *,
        user_id: str | None = None,
        reasons: bool = False,
        language: Language = "en",
        steering: Steering = NO_STEERING,
    ) -> Answer: ...

    def search(
        self,
        query: str,
        n: int = 10,
        *,
        user_id: str | None = None,
        reasons: bool = False,
        language: Language = "en",
        steering: Steering = NO_STEERING,
    ) -> Answer: ...

    def suggest(self, text: str, n: int = 10) -> list[Suggestion]: ...

    @property
    def version(self) -> tuple[str, int, int]:
        """What moves whenever an answer may differ, the time of day aside."""
        ...

    def refresh(self) -> bool:
        """Take the graph's changes in, so that the next answer does not have to."""
        ...

    def settle(self) -> bool:
        """Work off some of what a large import left; whether more is left."""
        ...

    def trending(
        self,
        window: str = "7d",
        n: int = 10,
        *,
        reasons: bool = False,
        language: Language = "en",
        steering: Steering = NO_STEERING,
    ) -> Answer: ...


class Feedable(Protocol):
    """Where changes of the store go: an overlay."""

    def apply(self, changes: Iterable[Change]) -> int: ...

    def add(self, written: Sequence[UpsertEdges], watermark: str) -> int: ...


@dataclass(slots=True)
class Live:
    """One release in service: everything one answer is made from. A request holds on to the one it began with."""

    release_id: str
    trained_at: str
    engine: Answering
    view: GraphView
    overlay: Feedable
    fed_to: str
    """The store's watermark up to which the overlay is fed; the snapshot's to begin with."""
    fed_rows: int = 0


@dataclass(frozen=True, slots=True)
class ReleaseRow:
    """What is said of one release: its figures on the test split and the gate's verdict, as training wrote them."""

    release: str
    trained_at: str
    current: bool
    metrics: Any
    gate: Any


class Releases(Protocol):
    """Where releases come from."""

    def current_id(self) -> str | None:
        """The id CURRENT points to; cheap, asked every second."""
        ...

    def take(self, release_id: str) -> Live:
        """The release, verified and ready to answer; :class:`~graph.errors.ReleaseError` when it is damaged."""
        ...

    def rows(self) -> list[ReleaseRow]:
        """Every release, newest first."""
        ...

    def activate(self, release_id: str) -> None:
        """Points CURRENT to a release, after verifying it."""
        ...

    def roll_back(self) -> str:
        """Points CURRENT to the release before; its id."""
        ...


class Serving:
    """Holds the live release and three threads: for CURRENT, for what the store has new, for texts to encode.

    Reads never wait for the store. When it cannot be read, answers go on from the release and the last
    changes seen, marked stale.
    """

    def __init__(
        self,
        releases: Releases,
        store: Callable[[], GraphStore],
        *,
        metrics: Metrics,
        poll_interval_s: float = 1.0,
        stale_after_s: float = 3.0,
        edits_interval_s: float = 0.25,
    ) -> None:
        self._releases = releases
        self._store = store
        self._metrics = metrics
        self._poll_interval_s = poll_interval_s
        self._stale_after_s = stale_after_s
        self._edits_interval_s = edits_interval_s
        self._live: Live | None = None
        self._feeding = threading.Lock()
        self._swapping = threading.Lock()
        self._fed_at: float | None = None
        self._refused: dict[str, str] = {}
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._repeat, args=(work, name), name=name, daemon=True)
            for name, work in (("releases", self.refresh), ("overlay", self._follow), ("settling", self._settle))
        ]
        self._edited_by_hand = False

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._stop.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(self._poll_interval_s + 2.0)

    def _repeat(self, work: Callable[[], object], name: str) -> None:
        while not self._stop.is_set():
            try:
                work()
            except Exception as error:  # a watcher that dies would freeze the answers without a word
                _log.exception("serving.watch_failed", error=type(error).__name__)
            soon = name == "overlay" and self._edited_by_hand
            self._stop.wait(min(self._edits_interval_s, self._poll_interval_s) if soon else self._poll_interval_s)

    @property
    def live(self) -> Live:
        """The release in service now; :class:`NotReady` before the first."""
        live = self._live
        if live is None:
            refused = "; ".join(self._refused.values())
            raise NotReady(
                f"no release is in service: {refused}" if refused else "no release is in service",
                remedy="Run kindred ingest, then kindred train; the server takes the release up by itself.",
            )
        return live

    @property
    def found(self) -> Live | None:
        """The release in service now, if there is one."""
        return self._live

    @property
    def schema(self) -> GraphSchema | None:
        """The live release's schema; ``None`` before the first release."""
        live = self._live
        return None if live is None else live.view.schema

    @property
    def stale(self) -> bool:
        """Whether the store's newest changes may be missing in answers."""
        return self._fed_at is None or time.monotonic() - self._fed_at > self._stale_after_s

    def releases(self) -> list[ReleaseRow]:
        """Every release in the folder, newest first."""
        return self._releases.rows()

    def activate(self, release_id: str) -> None:
        """Makes a release current and takes it into service.

        Raises:
            NotFound: when there is no such release.
            ReleaseError: when it is damaged; the live one stays.
        """
        self._releases.activate(release_id)
        self._refused.pop(release_id, None)
        self.refresh()

    def roll_back(self) -> str:
        """Makes the release before current again and takes it into service; its id."""
        release_id = self._releases.roll_back()
        self._refused.pop(release_id, None)
        self.refresh()
        return release_id

    @property
    def refused(self) -> dict[str, str]:
        """Release ids that CURRENT pointed to and that did not verify, each with the reason."""
        return dict(self._refused)

    def knows_item(self, item_id: str) -> bool:
        """Whether the live release or its overlay holds the item."""
        live = self._live
        if live is None:
            return False
        return live.view.index_of(live.view.schema.item_type, item_id) is not None

    def refresh(self) -> bool:
        """Takes the release of CURRENT into service; whether it was another one.

        The new release is opened, verified and fed while the old one answers; requests that began with the
        old one end with it. One that does not verify is named in :attr:`refused` and never tried again.
        """
        with self._swapping:
            return self._refreshed()

    def _refreshed(self) -> bool:
        release_id = self._wanted()
        if release_id is None:
            return False
        try:
            taken = self._releases.take(release_id)
        except KindredError as error:
            self._refuse(release_id, error)
            return False
        self._feed_quietly(taken)  # the long part, beside the old one's feeding
        with self._feeding:
            self._feed_quietly(taken)  # what was acknowledged meanwhile
            self._live = taken
        self._metrics.swaps.inc()
        self._metrics.release.clear()
        self._metrics.release.labels(release_id).set(1)
        _log.info("serving.release_taken", release=release_id)
        return True

    def _wanted(self) -> str | None:
        """The release to take into service now, if there is one."""
        try:
            release_id = self._releases.current_id()
        except KindredError as error:
            self._refuse("CURRENT", error)
            return None
        self._refused.pop("CURRENT", None)
        live = self._live
        if release_id in self._refused or (live is not None and live.release_id == release_id):
            return None
        return release_id

    def _refuse(self, name: str, error: KindredError) -> None:
        if self._refused.get(name) != str(error):
            self._refused[name] = str(error)
            self._metrics.refused.inc()
            _log.error("serving.release_refused", release=name, reason=str(error))

    def catch_up(self) -> None:
        """Feeds the live overlay with everything the store has committed.

        Raises:
            StoreError: when the store cannot be read; answers turn stale.
        """
        with self._feeding:
            live = self._live
            if live is not None:
                self._feed(live)

    def take_in(self, applied: Applied, written: Sequence[UpsertEdges]) -> None:
        """Feeds the live overlay with edges that were just written, when it lacks nothing but them.

        Else it catches up with the store, which costs reading; raises as :meth:`catch_up` does.
        """
        began = time.monotonic()
        with self._feeding:
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

    def _follow(self) -> None:
        self._notice_hand_edits()
        with self._feeding:
            if self._live is not None:
                self._feed_quietly(self._live)
        self._metrics.stale.set(self.stale)

    def _notice_hand_edits(self) -> None:
        """Puts what people wrote into the store by hand into its feed; outside the lock, since events must not wait."""
        try:
            store = self._store()
            if isinstance(store, HandEdits):
                self._edited_by_hand = True
                found = store.reconcile()
                if found:
                    _log.info("serving.hand_edits", rows=found)
        except KindredError as error:
            self._edited_by_hand = False  # a store that is down is not asked more often than others
            _log.warning("serving.hand_edits_unknown", error=type(error).__name__)

    def _settle(self) -> None:
        """Works off what a large import left to do, beside the answers."""
        live = self._live
        while live is not None and not self._stop.is_set() and live.engine.settle():
            pass

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
