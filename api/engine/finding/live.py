"""Items put or changed since the snapshot: their words and text vectors, kept up with the graph."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from api.engine.finding.corpus import ItemWords, renamed
from api.engine.finding.index import TextIndex
from gnn.data.histories import FloatArray, IntArray
from graph.view import GraphView
from ingest.text.protocol import TextEncoder

AT_ONCE = 64
"""Texts that are encoded when the graph is looked at; those of a larger import follow batch by batch."""
_FRESH_ROWS = 512
"""Rows of the small index that takes single puts; beyond it becomes part of the large one."""


@dataclass(frozen=True)
class Tier:
    """An index over some items; what it says of them takes the place of what earlier tiers say.

    Shape: ``rows`` (N,), the items' rows, ascending.
    """

    rows: IntArray
    index: TextIndex


@dataclass(frozen=True)
class LiveState:
    """One moment of :class:`LiveItems`; never altered.

    ``vectors`` by item row, as encoded; ``pending`` rows still to be encoded, with their texts; ``version`` moves
    when a vector came or went.
    """

    view: GraphView | None = None
    documents: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    tiers: tuple[Tier, ...] = ()
    vectors: Mapping[int, FloatArray] = field(default_factory=dict)
    pending: Mapping[int, str] = field(default_factory=dict)
    version: int = 0


class LiveItems:
    """Follows a view. Safe to use from several threads.

    ``encoder`` opens the release's text encoder, or says that there is none; ``like`` gives the release's index.
    """

    def __init__(self, encoder: Callable[[], TextEncoder | None], like: Callable[[], TextIndex]) -> None:
        self._encoder = encoder
        self._like = like
        self._lock = threading.Lock()
        self._state = LiveState()

    def forked(self) -> LiveItems:
        """Another one that goes on from here, over another view of the same graph."""
        other = LiveItems(self._encoder, self._like)
        other._state = self._state
        return other

    @property
    def state(self) -> LiveState:
        return self._state

    def refresh(self, view: GraphView) -> LiveState:
        """The state for a frozen view, with the texts of a few new items encoded at once."""
        known = self._state.view
        if known is not None and known.version >= view.version:
            return self._state
        with self._lock:
            before = self._state
            if before.view is None or before.view.version < view.version:
                touched = sorted(view.touched(view.schema.item_type, since=before.view) | renamed(view, before.view))
                self._state = self._moved(before, view, touched) if touched else _seen(before, view)
                if 0 < len(self._state.pending) <= AT_ONCE:
                    self._state = self._encoded(self._state, AT_ONCE)
            return self._state

    def encode_pending(self, limit: int = AT_ONCE) -> int:
        """Encodes up to ``limit`` texts that wait; how many wait after it."""
        if self._state.pending:
            with self._lock:
                self._state = self._encoded(self._state, limit)
        return len(self._state.pending)

    def _moved(self, before: LiveState, view: GraphView, touched: Sequence[int]) -> LiveState:
        words = ItemWords(view)
        documents = dict(before.documents)
        documents.update((row, words.document(row)) for row in touched)
        fresh = sorted({*touched, *(before.tiers[1].rows.tolist() if len(before.tiers) > 1 else ())})
        if not before.tiers or len(fresh) > _FRESH_ROWS:
            tiers: tuple[Tier, ...] = (self._tier(sorted(documents), documents),)
        else:
            tiers = (before.tiers[0], self._tier(fresh, documents))
        pending, vectors = dict(before.pending), dict(before.vectors)
        for row in touched:
            text = words.text(row)
            pending.pop(row, None)
            if text:
                pending[row] = text
            elif row in vectors:
                del vectors[row]
        return LiveState(view, documents, tiers, vectors, pending, before.version + 1)

    def _encoded(self, before: LiveState, limit: int) -> LiveState:
        rows = list(before.pending)[:limit]
        encoder = self._encoder()
        if not rows or encoder is None:
            return LiveState(before.view, before.documents, before.tiers, before.vectors, {}, before.version)
        encoded = encoder.encode([before.pending[row] for row in rows])
        vectors = {**before.vectors, **dict(zip(rows, encoded, strict=True))}
        done = set(rows)
        left = {row: text for row, text in before.pending.items() if row not in done}
        return LiveState(before.view, before.documents, before.tiers, vectors, left, before.version + 1)

    def _tier(self, rows: Sequence[int], documents: Mapping[int, Mapping[str, float]]) -> Tier:
        return Tier(np.asarray(rows, np.int32), TextIndex.of([documents[row] for row in rows], like=self._like()))


def _seen(state: LiveState, view: GraphView) -> LiveState:
    return LiveState(view, state.documents, state.tiers, state.vectors, state.pending, state.version)
