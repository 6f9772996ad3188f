"""Keeps the sources in step with the graph: looks at each request, works only when something curated moved."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from copy import copy
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp

from api.engine.connections import Connections
from api.engine.finding.live import LiveItems, LiveState
from api.engine.payload import LIVE_SOURCES
from api.engine.sources.current import Sources, curated_matrices, live_knowledge, live_operators, popularity_of
from api.engine.sources.folding import Folding
from api.engine.watching import stage
from gnn.data.histories import IntArray
from gnn.fusion import FusedRanker
from gnn.operators import Operator
from graph.overlay import Overlay
from graph.schema import EdgeType
from graph.view import GraphView


class Moment:
    """The graph at one version and the sources fitted to it; an answer is made from one moment."""

    def __init__(self, view: GraphView, curated: _Curated) -> None:
        self.view = view
        self._curated = curated

    @property
    def sources(self) -> Sources:
        return self._curated.sources

    @property
    def connections(self) -> Connections:
        """What touches each item beside interactions; gathered on first use."""
        return self._curated.connections


class _Curated:
    """What depends on curated edges and on which items there are."""

    def __init__(
        self,
        view: GraphView,
        matrices: Mapping[EdgeType, sp.csr_array],
        missing: IntArray,
        sources: Sources,
        live_version: int,
    ) -> None:
        self._view = view
        self.live_version = live_version
        self.matrices = matrices
        self.missing = missing
        self.sources = sources

    @cached_property
    def connections(self) -> Connections:
        return Connections.of(self._view)


class SourceKeeper:
    """The present :class:`Moment`. Safe to use from several threads."""

    def __init__(
        self,
        view: GraphView,
        overlay: Overlay | None,
        ranker: FusedRanker,
        operators: Mapping[str, Operator],
        options: Mapping[str, Mapping[str, Any]],
        live: LiveItems,
        folding: Folding,
    ) -> None:
        self._view = view
        self._items = live
        self._folding = folding
        self._ranker = ranker
        self._operators = operators
        self._live = {name: options.get(name, {}) for name in LIVE_SOURCES if name in operators}
        self._known_items = len(view.snapshot.nodes(view.schema.item_type))
        self._lock = threading.Lock()
        frozen = view.frozen()
        self._moment = Moment(frozen, self._curated(frozen, fitted_here=not _as_in_snapshot(frozen, overlay)))

    def current(self) -> Moment:
        """The moment to answer from; brought up to date first when the graph has moved."""
        self.refresh()
        return self._moment

    @property
    def version(self) -> tuple[str, int, int]:
        """The graph's watermark and version, and that of the new items' vectors, now."""
        return self._view.watermark, self._view.version, self._items.state.version

    @property
    def items(self) -> LiveItems:
        """The items put or changed since the snapshot."""
        return self._items

    def over(self, view: GraphView) -> SourceKeeper:
        """A keeper of another view of the same snapshot; what is fitted already is shared until it differs."""
        other = copy(self)
        other._view = view
        other._items, other._folding = self._items.forked(), self._folding.copied()
        other._lock = threading.Lock()
        frozen = view.frozen()
        other._moment = Moment(frozen, other._curated(frozen, before=self.current()._curated))
        return other

    @stage("refresh")
    def refresh(self) -> bool:
        """Whether anything had moved."""
        if self._is_current(self._view.version):
            return False
        with self._lock:
            frozen = self._view.frozen()
            if not self._is_current(frozen.version):
                self._moment = Moment(frozen, self._curated(frozen, before=self._moment._curated))
        return True

    def _is_current(self, version: int) -> bool:
        moment = self._moment
        return version == moment.view.version and self._items.state.version == moment._curated.live_version

    def _curated(self, view: GraphView, *, before: _Curated | None = None, fitted_here: bool = True) -> _Curated:
        item_type = view.schema.item_type
        matrices = curated_matrices(view)
        missing = view.missing(item_type)
        num_items = view.num_nodes(item_type)
        items = self._items.refresh(view)
        if (
            before is not None
            and num_items == before.sources.num_items
            and (num_items == self._known_items or items.version == before.live_version)
        ):
            same_edges = all(matrices[edge_type] is old for edge_type, old in before.matrices.items())
            if same_edges and np.array_equal(missing, before.missing):
                before.live_version = items.version
                return before
        allowed = np.ones(num_items, bool)
        allowed[missing] = False
        known = self._grown(view, num_items, matrices, items)
        live = live_operators(view, num_items, self._live, matrices) if fitted_here else {}
        operators = {**known, **live}
        popularity = popularity_of(self._operators, view, num_items)
        sources = Sources(
            num_items,
            operators,
            self._ranker.with_operators(operators),
            allowed,
            popularity,
            np.argsort(-popularity, kind="stable"),
        )
        return _Curated(view, matrices, missing, sources, items.version)

    def _grown(
        self, view: GraphView, num_items: int, matrices: Mapping[EdgeType, sp.csr_array], items: LiveState
    ) -> Mapping[str, Operator]:
        """The release's operators over the present items."""
        if num_items == self._known_items:
            return self._operators
        knowledge = live_knowledge(view, num_items, matrices)
        return self._folding.folded(self._operators, knowledge, items, num_items)


def _as_in_snapshot(view: GraphView, overlay: Overlay | None) -> bool:
    """Whether nothing that the curated sources depend on has changed since the snapshot."""
    if overlay is None:
        return True
    state = overlay.state
    curated = curated_matrices(view)
    untouched = not any(len(state.edges[edge_type].out) for edge_type in curated)
    return untouched and view.num_nodes(view.schema.item_type) == len(view.snapshot.nodes(view.schema.item_type))
