"""The release that answers: taken into service, kept up to date with the store, swapped without losing a request."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from api.http.problems import NotReady
from api.observing.metrics import Metrics
from api.serving.feeding import Feeding
from api.serving.live import Live
from graph.courtesy import courteous
from graph.errors import KindredError
from graph.schema import GraphSchema
from graph.store import GraphStore, HandEdits

_log = structlog.get_logger("kindred.serving")


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

    Reads never wait for the store. ``feeding`` brings what it has new.
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
        self._edits_interval_s = edits_interval_s
        self.feeding = Feeding(store, stale_after_s)
        self._swapping = threading.Lock()
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
        live = self.feeding.live
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
        return self.feeding.live

    @property
    def schema(self) -> GraphSchema | None:
        """The live release's schema; ``None`` before the first release."""
        live = self.feeding.live
        return None if live is None else live.view.schema

    @property
    def stale(self) -> bool:
        """Whether the store's newest changes may be missing in answers."""
        return self.feeding.stale

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
        live = self.feeding.live
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
        beside_answers = courteous() if self.feeding.live is not None else nullcontext()
        try:
            with beside_answers:
                taken = self._releases.take(release_id)
        except KindredError as error:
            self._refuse(release_id, error)
            return False
        self.feeding.replace(taken)
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
        live = self.feeding.live
        if release_id in self._refused or (live is not None and live.release_id == release_id):
            return None
        return release_id

    def _refuse(self, name: str, error: KindredError) -> None:
        if self._refused.get(name) != str(error):
            self._refused[name] = str(error)
            self._metrics.refused.inc()
            _log.error("serving.release_refused", release=name, reason=str(error))

    def _follow(self) -> None:
        self._notice_hand_edits()
        self.feeding.follow()
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
        live = self.feeding.live
        while live is not None and not self._stop.is_set() and live.engine.settle():
            pass
