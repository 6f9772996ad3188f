"""What was recommended, kept for attribution: append-only segment files, bounded by age and size, naming nobody.

A record is one JSON line: a given list (``id``, kind, release, items with their sources) or the outcome of one (an
event that carries its ``recommendation_id``). A list given again names its first line in the segment. Requests only put
a record into a queue; a thread writes once a second. After a crash at most that second is missing, and a line that
broke off is skipped.
"""

from __future__ import annotations

import os
import queue
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import msgspec
import structlog
from msgspec import Struct
from msgspec.structs import replace

if TYPE_CHECKING:
    from api.events.interactions import Interaction
    from api.http.envelope import Envelope

WAITING = 50_000
"""Records that may wait for the thread; more are dropped and counted, so that answers never wait for a disk."""
WRITTEN_AT_ONCE = 10_000
SEGMENT_BYTES = 8 << 20
FLUSH_S = 1.0
SUFFIX = ".jsonl"

_log = structlog.get_logger("kindred.given")


class Given(Struct, frozen=True, tag_field="r", tag="given", omit_defaults=True):
    """One list as it was given. ``sources``: for each item those that spoke for it, strongest first."""

    t: int
    id: str
    kind: str
    release: str
    items: tuple[str, ...]
    sources: tuple[tuple[str, ...], ...]


class Outcome(Struct, frozen=True, tag_field="r", tag="outcome", omit_defaults=True):
    """An event that came back from a list, once it is durable; ``event`` keeps repetitions apart."""

    t: int
    id: str
    event: str
    item: str
    kind: str
    value: float = 1.0


class Again(Struct, frozen=True, tag_field="r", tag="again"):
    """A list of the same segment, given once more; read as a :class:`Given`."""

    t: int
    id: str
    of: str


Record: TypeAlias = Given | Outcome


class _Kept(NamedTuple):
    """A list under a new id, whose line's end is encoded already; a segment holds it once, whatever is given."""

    t: int
    id: str
    tail: bytes


_ENCODER = msgspec.json.Encoder()
_KIND = b'"kind":'
_DECODER: msgspec.json.Decoder[Record | Again] = msgspec.json.Decoder(Given | Outcome | Again)


def given_tail(envelope: Envelope, kind: str) -> bytes:
    """The end of a list's line, which is the same however often the list is given."""
    line = _ENCODER.encode(_given(envelope, kind, 0))
    return line[line.index(_KIND) :] + b"\n"


def _given(envelope: Envelope, kind: str, at_ms: int) -> Given:
    items = tuple([item.item_id for item in envelope.items])  # of a list: a generator takes twice as long
    sources = tuple([item.sources for item in envelope.items])
    return Given(at_ms, envelope.recommendation_id, kind, envelope.release.id, items, sources)


class GivenLog:
    """The log of one process, in a folder that several may share. Safe to use from several threads."""

    def __init__(
        self, folder: Path, *, days: float = 30.0, megabytes: float = 256.0, clock: Callable[[], float] = time.time
    ) -> None:
        self._folder = folder
        self._days = days
        self._bytes = int(megabytes * (1 << 20))
        self._clock = clock
        self._queue: queue.SimpleQueue[Record | _Kept | None] = queue.SimpleQueue()
        self._path: Path | None = None
        self._told: dict[bytes, bytes] = {}
        self._thread = threading.Thread(target=self._run, name="given", daemon=True)
        self.dropped = 0
        """Records lost to a full queue or a full disk."""

    def start(self) -> None:
        self._thread.start()

    def close(self, timeout_s: float = 5.0) -> None:
        """Writes what waits, then stops."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join(timeout_s)

    def note(self, envelope: Envelope, kind: str) -> None:
        """Keeps a list that is about to be answered; returns at once."""
        self._put(_given(envelope, kind, self._now_ms()))

    def note_kept(self, recommendation_id: str, tail: bytes) -> None:
        """Keeps a list that is given once more, by the end of its line; returns at once."""
        self._put(_Kept(self._now_ms(), recommendation_id, tail))

    def note_outcomes(self, events: Sequence[Interaction]) -> None:
        """Keeps those of some stored events that came from a list; returns at once."""
        for event in events:
            if event.recommendation_id is not None:
                kind = event.spec.kind or event.spec.relation.lower()
                self._put(
                    Outcome(
                        event.timestamp_ms, event.recommendation_id, event.event_id, event.item_id, kind, event.weight
                    )
                )

    def _put(self, record: Record | _Kept) -> None:
        if self._queue.qsize() < WAITING:
            self._queue.put(record)
        else:
            self.dropped += 1

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)

    def _run(self) -> None:
        stopping = False
        while not stopping:
            first = self._queue.get()
            if first is not None:
                # A second's records share one write and one sync, in a steady stream too; a flood is not waited for.
                time.sleep(FLUSH_S if self._queue.qsize() < WRITTEN_AT_ONCE else 0.0)
            batch = [] if first is None else [first]
            stopping = first is None
            while not stopping and len(batch) < WRITTEN_AT_ONCE:
                try:
                    record = self._queue.get_nowait()
                except queue.Empty:
                    break
                stopping = record is None
                if record is not None:
                    batch.append(record)
            self._write(batch)

    def _write(self, batch: Sequence[Record | _Kept]) -> None:
        if not batch:
            return
        try:
            with self._segment().open("ab") as file:
                file.write(b"".join(map(self._line, batch)))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:  # a full disk must not stop answers
            self.dropped += len(batch)
            self._path = None
            _log.warning("given.not_written", error=type(error).__name__, records=len(batch))

    def _segment(self) -> Path:
        """The segment to write to; a new one, after old ones were forgotten, when it is full or gone."""
        path = self._path
        if path is None or not path.exists() or path.stat().st_size >= SEGMENT_BYTES:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._forget()
            begun = datetime.fromtimestamp(self._clock(), UTC).strftime("%Y%m%dT%H%M%S%f")
            path = self._path = self._folder / f"{begun}-{uuid.uuid4().hex[:12]}{SUFFIX}"
            path.touch()
            self._told = {}
        return path

    def _line(self, record: Record | _Kept) -> bytes:
        if not isinstance(record, _Kept):
            return _ENCODER.encode(record) + b"\n"
        own = record.id.encode()
        first = self._told.setdefault(record.tail, own)
        if first is own:
            return b'{"r":"given","t":%d,"id":"%b",%b' % (record.t, own, record.tail)
        return b'{"r":"again","t":%d,"id":"%b","of":"%b"}\n' % (record.t, own, first)

    def _forget(self) -> None:
        """Removes segments past their age, then the oldest until the rest fits."""
        oldest_s = self._clock() - self._days * 86_400
        kept = 0
        for path in reversed(segments(self._folder)):
            try:
                stat = path.stat()
                kept += stat.st_size
                if stat.st_mtime < oldest_s or kept > self._bytes - SEGMENT_BYTES:
                    path.unlink()
            except FileNotFoundError:
                continue  # another process forgot it first


def segments(folder: Path) -> list[Path]:
    """The segment files, oldest first."""
    return sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else []


def read_given(folder: Path) -> Iterator[Record]:
    """Every record in the folder, segment by segment; lines that cannot be read are skipped."""
    for path in segments(folder):
        lists: dict[str, Given] = {}
        with path.open("rb") as file:
            for line in file:
                try:
                    record = _DECODER.decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError):
                    continue
                if isinstance(record, Again):
                    first = lists.get(record.of)
                    if first is not None:  # else its line broke off
                        yield replace(first, t=record.t, id=record.id)
                    continue
                if isinstance(record, Given):
                    lists[record.id] = record
                yield record
