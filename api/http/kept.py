"""Answers kept as bytes, true on one basis: whatever can change an answer makes a new basis, and all are forgotten."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from api.events.given import given_tail
from api.http.envelope import Envelope

Basis: TypeAlias = tuple[Any, ...]
"""Everything an answer depends on beside its request; compared by equality."""
_ENCODER = msgspec.json.Encoder()
_HEAD, _TIME = b'{"recommendation_id":"', b'"took_ms":'
_ENTRY_BYTES = 600
"""About what one entry costs beside its bytes."""


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """An envelope in JSON, without the two things that differ each time it is given: its id and its time."""

    middle: bytes
    """From behind the id up to the value of ``took_ms``."""
    given: bytes
    """The end of the record for attribution."""
    fallback: str | None

    @classmethod
    def of(cls, envelope: Envelope, kind: str) -> KeptAnswer:
        """What :meth:`body` completes; ``kind`` is what the list is kept as for attribution."""
        body = _ENCODER.encode(envelope)
        end = body.rindex(_TIME) + len(_TIME)
        return cls(
            body[len(_HEAD) + len(envelope.recommendation_id) : end], given_tail(envelope, kind), envelope.fallback_used
        )

    def body(self, recommendation_id: str, took_ms: float) -> bytes:
        """The reply under an id of its own."""
        return b"%b%b%b%.3f}" % (_HEAD, recommendation_id.encode(), self.middle, took_ms)


class AnswerCache:
    """Answers to requests, all on one basis. Bounded in bytes; safe to use from several threads."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._lock = threading.Lock()
        self._basis: Basis | None = None
        # Not a plain dict: finding its oldest entry passes over every one that was taken out before it.
        self._kept: OrderedDict[Any, KeptAnswer] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, basis: Basis, key: Any) -> KeptAnswer | None:
        """The answer to a request on this basis; on a new one nothing is known, and what was known is dropped."""
        if basis != self._basis:
            with self._lock:
                self._basis, self._kept, self._bytes = basis, OrderedDict(), 0
            return None
        return self._kept.get(key)

    def put(self, basis: Basis, key: Any, answer: KeptAnswer) -> None:
        """Keeps an answer computed since ``basis`` was read; too late when there is a new one meanwhile."""
        size = len(answer.middle) + len(answer.given) + _ENTRY_BYTES
        if size * 16 > self._limit:
            return
        with self._lock:
            if basis != self._basis or key in self._kept:
                return
            self._kept[key] = answer
            self._bytes += size
            while self._bytes > self._limit:
                _, oldest = self._kept.popitem(last=False)
                self._bytes -= len(oldest.middle) + len(oldest.given) + _ENTRY_BYTES
