"""Paths between two nodes, read from the release and its overlay: shortest first, nobody named in between."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

import numpy as np
from msgspec import Struct

from api.engine.answer import Hop, ReasonPath
from api.engine.reading import MIN_COUNT, telling_interactions
from api.http.problems import InvalidField
from api.http.shapes import PathStep
from graph.errors import NotFound
from graph.records import NodeKey
from graph.schema import EdgeRole, EdgeSpec
from graph.sorting import distinct
from graph.view import GraphView

MAX_HOPS = 5
MAX_VISITED = 50_000
"""Nodes looked at from the far end; behind larger hubs some paths are not found."""
MAX_STEPS = 200_000

Place: TypeAlias = tuple[str, int]
Step: TypeAlias = tuple[EdgeSpec, Literal["out", "in"], Place]


class PathReply(Struct, frozen=True):
    """One path: nodes and edges in turn; ``hops`` is its length."""

    hops: int
    path: list[PathStep]


class PathsReply(Struct, frozen=True):
    """Paths between two nodes, shortest first."""

    paths: list[PathReply]


def read_key(text: str, field: str) -> NodeKey:
    """``Type:id`` as a key; :class:`InvalidField` when it is not one."""
    node_type, colon, node_id = text.partition(":")
    if not colon or not node_type or not node_id:
        raise InvalidField("a node is named by type and id", field=field, expected="Type:id, e.g. Item:50", got=text)
    return node_type, node_id


def paths_between(
    view: GraphView, source: NodeKey, target: NodeKey, *, max_hops: int = 3, limit: int = 10
) -> PathsReply:
    """At most ``limit`` paths. A user is only ever an end; the customers two items share are one hop with a count.

    Raises:
        SchemaError: for a node type that is not in the schema.
        NotFound: when one of the ends is not in the graph.
    """
    view = view.frozen()
    start, end = _place(view, source), _place(view, target)
    found: list[ReasonPath] = []
    if start != end:
        found += _company(view, start, end)
        search = _Search(view, start, end, max_hops)
        for length in range(1, max_hops + 1):
            for path in search.of_length(length):
                found.append(path)
                if len(found) >= limit:
                    break
            if len(found) >= limit:
                break
    found.sort(key=lambda path: len(path.hops))
    return PathsReply([PathReply(len(path.hops), path.to_json()) for path in found[:limit]])


class _Search:
    """Depth first from the start, along nodes from which the end can still be reached in time."""

    def __init__(self, view: GraphView, start: Place, end: Place, max_hops: int) -> None:
        self._view = view
        self._start = start
        self._end = end
        self._steps = MAX_STEPS
        self._left = {end: 0}
        frontier = [end]
        for distance in range(1, max_hops):
            reached: list[Place] = []
            for place in frontier:
                for _, _, other in self._around(place):
                    if other not in self._left and len(self._left) < MAX_VISITED:
                        self._left[other] = distance
                        reached.append(other)
            frontier = reached

    def of_length(self, length: int) -> Iterator[ReasonPath]:
        """The paths of exactly this many edges that visit no node twice."""
        yield from self._walk([self._start], [], length)

    def _walk(self, places: list[Place], hops: list[Hop], length: int) -> Iterator[ReasonPath]:
        left = length - len(hops)
        if left == 0:
            if places[-1] == self._end:
                yield ReasonPath(tuple((kind, self._view.id_of(kind, row)) for kind, row in places), tuple(hops))
            return
        for spec, direction, other in self._around(places[-1]):
            self._steps -= 1
            if self._steps < 0:
                return
            if self._left.get(other, MAX_HOPS + 1) <= left - 1 and other not in places:
                yield from self._walk([*places, other], [*hops, Hop(spec.edge_type, direction)], length)

    def _around(self, place: Place) -> Iterator[Step]:
        for spec in self._view.schema.edges:
            if spec.holdout:
                continue
            if spec.source == place[0]:
                yield from self._stepping(spec, "out", place, spec.target)
            if spec.target == place[0]:
                yield from self._stepping(spec, "in", place, spec.source)

    def _stepping(self, spec: EdgeSpec, direction: Literal["out", "in"], place: Place, far: str) -> Iterator[Step]:
        user = self._view.schema.user_type
        ends = (self._start, self._end)
        if spec.role is EdgeRole.INTERACTION and far == user:
            # Of all customers of an item only the two ends may be named.
            for end in ends:
                if end[0] == user and self._view.has_edge(spec.edge_type, end[1], place[1]):
                    yield spec, direction, end
            return
        for row in distinct(self._view.ends(spec.edge_type, place[1], direction)).tolist():
            other = (far, row)
            if far != user or other in ends:
                yield spec, direction, other


def _company(view: GraphView, start: Place, end: Place) -> Iterator[ReasonPath]:
    """The customers that two items share, as one hop."""
    item = view.schema.item_type
    if start[0] != item or end[0] != item:
        return
    for spec in telling_interactions(view.schema):
        both = np.intersect1d(view.ends(spec.edge_type, start[1], "in"), view.ends(spec.edge_type, end[1], "in")).size
        if both:
            nodes = tuple((kind, view.id_of(kind, row)) for kind, row in (start, end))
            yield ReasonPath(nodes, (Hop(spec.edge_type, None, both if both >= MIN_COUNT else None),))


def _place(view: GraphView, key: NodeKey) -> Place:
    spec = view.schema.node(key[0])
    index = view.index_of(*key)
    if index is None:
        raise NotFound(f"there is no {spec.name} with this id", got=key[1], remedy="Check the id and its spelling.")
    return key[0], index
