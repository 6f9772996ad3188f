"""Writes events to the graph store: many requests to one transaction, durable before they are acknowledged."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Sequence

import structlog

from api.events.acknowledging import Acknowledged, Acknowledging, Commit, Waiting
from api.events.interactions import Interaction
from api.http.problems import Overloaded
from api.observing.metrics import Metrics
from graph.errors import KindredError, NotFound, StoreError, StoreUnavailable
from graph.records import Applied, Mutation, Properties, UpsertEdges, UpsertNodes
from graph.schema import EdgeType, GraphSchema
from graph.store import GraphStore, KnowsMany

ACTOR = "events"
GROUP_ROWS = 2000
"""Events that one transaction may hold; those of further requests wait for the next."""
SCHEMA_S = 1.0
BATCH_S = 10.0
"""How long the writes of events share a batch id."""
REMEMBERED = 100_000
"""Event ids kept in memory, so that a repeated event is dropped without asking the store; items as well."""

_log = structlog.get_logger("kindred.events")


class EventWriter:
    """The one thread that writes events.

    Requests that arrive while a transaction runs share the next one, so a slow disk costs one sync for all
    of them. After the commit ``committed`` is called with it and its edges (they feed the overlay), and only then are
    the requests acknowledged: an acknowledged event is durable and counts in the next answer. ``stored`` hears of the
    events of each commit.
    """

    def __init__(
        self,
        store: Callable[[], GraphStore],
        *,
        knows_item: Callable[[str], bool],
        committed: Callable[[Applied, Sequence[UpsertEdges]], None],
        stored: Callable[[Sequence[Interaction]], None] = lambda events: None,
        metrics: Metrics,
        waiting: int = 1024,
    ) -> None:
        self._store = store
        self._knows_item = knows_item
        self._stored = stored
        self._metrics = metrics
        self._outcomes = {name: metrics.events.labels(name) for name in ("accepted", "duplicate", "unknown_item")}
        self._queue: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self._acknowledging = Acknowledging(committed)
        self._limit = waiting
        self._schema: tuple[GraphSchema, float] | None = None
        self._batch = "", float("-inf")
        self._recent = Recent(REMEMBERED)
        self._items = Recent(REMEMBERED)
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)

    def start(self) -> None:
        self._acknowledging.start()
        self._thread.start()

    def close(self, timeout_s: float = 5.0) -> None:
        """Writes what waits, then stops."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join(timeout_s)
        self._acknowledging.close(timeout_s)

    def submit(self, interactions: Sequence[Interaction]) -> asyncio.Future[Acknowledged]:
        """The acknowledgement to come; called in the event loop that waits for it.

        Raises:
            Overloaded: when too many requests wait for the store already.
        """
        if self._queue.qsize() + self._acknowledging.waiting >= self._limit:
            raise Overloaded(
                "too many events wait for the graph store",
                remedy="Send them again in a second, with the same event_id.",
            )
        future: asyncio.Future[Acknowledged] = asyncio.get_running_loop().create_future()
        self._queue.put(Waiting(interactions, future))
        return future

    def _run(self) -> None:
        stopping = False
        while not stopping:
            first = self._queue.get()
            group: list[Waiting] = []
            rows = 0
            while first is not None:
                if not first.future.done():  # a request past its deadline is never begun
                    group.append(first)
                    rows += len(first.interactions)
                if rows >= GROUP_ROWS:
                    break
                try:
                    first = self._queue.get_nowait()
                except queue.Empty:
                    break
            stopping = first is None
            for commit in self._written(group) if group else ():
                self._acknowledging.take(commit, at_once=self._queue.empty())

    def _written(self, group: Sequence[Waiting]) -> list[Commit]:
        """What became of the requests of a group; one commit as a rule."""
        error: KindredError
        try:
            return [self._write(group)]
        except StoreUnavailable as unavailable:
            error = unavailable
        except KindredError as refused:
            if len(group) > 1:  # one request's bad event must not cost the others theirs
                return [commit for waiting in group for commit in self._written([waiting])]
            error = refused
        except Exception as bug:  # the thread must outlive a bug: without it no event is ever written again
            _log.exception("events.writer_failed", error=type(bug).__name__)
            error = StoreError("the events could not be written", remedy="See the server's log.")
        return [Commit(None, (), [(waiting, error) for waiting in group])]

    def _write(self, group: Sequence[Waiting]) -> Commit:
        store = self._store()
        schema = self._schema_of(store)
        requests = [waiting.interactions for waiting in group]
        asked = {event.item_id for request in requests for event in request}
        missing = {item_id for item_id in asked if item_id not in self._items and not self._knows_item(item_id)}
        applied: Applied | None = None
        written: list[UpsertEdges] = []
        for attempt in (1, 2):
            unknown = _absent(store, schema, missing)
            fresh = self._fresh(requests, unknown)
            if not fresh:
                watermark = store.watermark()
                break
            try:
                mutations = mutations_of(fresh, schema)
                applied = store.apply(mutations, batch_id=self._batch_id(), actor=ACTOR)
            except NotFound:
                if attempt == 2:
                    raise
                missing = asked  # an item that was known was deleted meanwhile: ask the store about all
            else:
                watermark = applied.watermark
                self._metrics.commits.inc()
                self._recent.add_all(event.event_id for event in fresh)
                self._stored(fresh)
                written = [mutation for mutation in mutations if isinstance(mutation, UpsertEdges)]
                break
        self._items.add_all(asked - unknown)
        accepted = {id(event) for event in fresh}
        outcomes = [(waiting, self._reply(waiting.interactions, accepted, unknown, watermark)) for waiting in group]
        return Commit(applied, written, outcomes)

    def _batch_id(self) -> str:
        """The id that the writes of some seconds share: one for each would be a third of what a small write writes."""
        now = time.monotonic()
        if now - self._batch[1] > BATCH_S:
            self._batch = uuid.uuid4().hex, now
        return self._batch[0]

    def _schema_of(self, store: GraphStore) -> GraphSchema:
        """The store's schema, read once a second: only an ingest changes it, and reading costs a tenth of a write."""
        now = time.monotonic()
        if self._schema is None or now - self._schema[1] > SCHEMA_S:
            self._schema = store.schema, now
        return self._schema[0]

    def _fresh(self, requests: Sequence[Sequence[Interaction]], unknown: set[str]) -> list[Interaction]:
        """The events to write: items known, and the first of each event id."""
        first: dict[str, Interaction] = {}
        for request in requests:
            for event in request:
                if event.item_id not in unknown and event.event_id not in self._recent:
                    first.setdefault(event.event_id, event)
        return list(first.values())

    def _reply(
        self, request: Sequence[Interaction], written: set[int], unknown: set[str], watermark: str
    ) -> Acknowledged:
        accepted = sum(id(event) in written for event in request)
        lost = [event.item_id for event in request if event.item_id in unknown]
        duplicates = len(request) - accepted - len(lost)
        for name, count in (("accepted", accepted), ("duplicate", duplicates), ("unknown_item", len(lost))):
            if count:
                self._outcomes[name].inc(count)
        return Acknowledged(
            accepted, duplicates, tuple(dict.fromkeys(lost)), tuple(event.event_id for event in request), watermark
        )


class Recent:
    """Names met lately: at least the last ``least``, at most twice as many."""

    def __init__(self, least: int) -> None:
        self._least = least
        self._new: set[str] = set()
        self._old: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._new or name in self._old

    def add_all(self, names: Iterable[str]) -> None:
        """Remembers the names."""
        self._new.update(names)
        if len(self._new) >= self._least:
            self._new, self._old = set(), self._new


def _absent(store: GraphStore, schema: GraphSchema, item_ids: Collection[str]) -> set[str]:
    """Those of some items that the store does not hold."""
    if not item_ids:
        return set()
    if isinstance(store, KnowsMany):
        return set(item_ids) - store.known_ids(schema.item_type, item_ids)
    return {item_id for item_id in item_ids if store.node(schema.item_type, item_id) is None}


def mutations_of(events: Sequence[Interaction], schema: GraphSchema) -> list[Mutation]:
    """The writes for some events: their users, then one batch of edges per edge type.

    The event id is the edge's qualifier, so writing an event again finds its own edge.
    """
    users = list(dict.fromkeys(event.user_id for event in events))
    mutations: list[Mutation] = [UpsertNodes(schema.user_type, users)]
    by_type: dict[EdgeType, list[Interaction]] = {}
    for event in events:
        by_type.setdefault(event.spec.edge_type, []).append(event)
    for edge_type, rows in by_type.items():
        properties = [_properties(event) for event in rows]
        mutations.append(
            UpsertEdges(
                edge_type,
                [event.user_id for event in rows],
                [event.item_id for event in rows],
                weight=[event.weight for event in rows],
                timestamp_ms=[event.timestamp_ms for event in rows],
                qualifiers=[event.event_id for event in rows],
                properties=properties if any(properties) else None,
            )
        )
    return mutations


def _properties(event: Interaction) -> Properties:
    """The recommendation that led to the event, where the schema has a place for it."""
    if event.recommendation_id is None or "recommendation_id" not in event.spec.properties:
        return {}
    return {"recommendation_id": event.recommendation_id}
