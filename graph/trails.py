"""Paths between two nodes: both ends are walked outwards until the walks meet."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Iterator
from typing import Generic, TypeAlias, TypeVar

from graph.errors import InputError

MAX_EDGES_READ = 200_000
_MAX_TRAILS = 200_000
_MAX_HOPS = 8

N = TypeVar("N", bound=Hashable)
S = TypeVar("S")
Trail: TypeAlias = tuple[tuple[N, ...], tuple[S, ...]]
"""Nodes walked from one end, and the steps between them."""


class TrailSearch(ABC, Generic[N, S]):
    """The trails of one question. Work is bounded: behind very large hubs some are not found.

    A store says how nodes are read; of parallel edges of one type between two nodes one step stands for all.
    """

    def __init__(self, edges_left: int = MAX_EDGES_READ) -> None:
        self._steps: dict[N, list[tuple[N, S]]] = {}
        self.edges_left = edges_left
        self._trails_left = _MAX_TRAILS

    @abstractmethod
    def read(self, nodes: list[N]) -> Iterable[tuple[N, list[tuple[N, S]]]]:
        """For each node the nodes one step away, in both directions; at most ``edges_left`` in all."""

    def between(self, source: N, target: N, max_hops: int, limit: int) -> list[Trail[N, S]]:
        """At most ``limit`` trails of at most ``max_hops`` steps, shortest first; none from a node to itself."""
        if not 1 <= max_hops <= _MAX_HOPS:
            raise InputError("max_hops cannot be used", expected=f"1 to {_MAX_HOPS}", got=max_hops)
        if limit < 1:
            raise InputError("the limit cannot be used", expected="at least 1", got=limit)
        found: list[Trail[N, S]] = []
        if source == target:
            return found
        ahead: list[Trail[N, S]] = [((source,), ())]
        behind: list[Trail[N, S]] = [((target,), ())]
        for _ in range(max_hops):
            # The smaller side walks: work grows with the degree of what is walked through.
            if len(ahead) <= len(behind):
                ahead = self._walked(ahead, target)
            else:
                behind = self._walked(behind, source)
            for trail in _joined(ahead, behind):
                found.append(trail)
                if len(found) == limit:
                    return found
        return found

    def _walked(self, trails: list[Trail[N, S]], end: N) -> list[Trail[N, S]]:
        """Every trail one step longer, in every direction that does not come back or pass through ``end``."""
        heads = dict.fromkeys(nodes[-1] for nodes, _ in trails if nodes[-1] != end)
        unknown = [node for node in heads if node not in self._steps]
        if unknown:
            for node, around in self.read(unknown):
                self._steps[node] = around
                self.edges_left = max(0, self.edges_left - len(around))
        longer: list[Trail[N, S]] = []
        for nodes, steps in trails:
            if nodes[-1] == end:
                continue
            for node, step in self._steps.get(nodes[-1], ()):
                if node not in nodes:
                    if not self._trails_left:
                        return longer
                    self._trails_left -= 1
                    longer.append(((*nodes, node), (*steps, step)))
        return longer


def _joined(ahead: list[Trail[N, S]], behind: list[Trail[N, S]]) -> Iterator[Trail[N, S]]:
    """The walks from the source continued by those from the target, where they meet and nowhere else."""
    meeting: dict[N, list[Trail[N, S]]] = {}
    for nodes, steps in behind:
        meeting.setdefault(nodes[-1], []).append((nodes, steps))
    tries = _MAX_TRAILS
    for nodes, steps in ahead:
        for back_nodes, back_steps in meeting.get(nodes[-1], ()):
            tries -= 1
            if tries < 0:
                return
            if set(nodes).isdisjoint(back_nodes[:-1]):
                yield (*nodes, *back_nodes[-2::-1]), (*steps, *back_steps[::-1])
