"""What the engine answers: ranked items, each with its sources and its reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from msgspec import Struct

from graph.records import NodeKey
from graph.schema import EdgeType


@dataclass(frozen=True, slots=True)
class Hop:
    """One step of a path.

    ``direction`` is seen from the node before the hop. A co-interaction hop (item to item through an interaction)
    and a closing interaction hop stand for anonymous customers: they have no direction, and ``count`` says how many
    customers, or is ``None`` when they are too few to say.
    """

    edge_type: EdgeType
    direction: Literal["out", "in"] | None
    count: int | None = None

    def to_json(self) -> dict[str, Any]:
        document: dict[str, Any] = {"edge": self.edge_type[1]}
        if self.direction is not None:
            document["direction"] = self.direction
        if self.count is not None:
            document["count"] = self.count
        return document


@dataclass(frozen=True, slots=True)
class ReasonPath:
    """A walk in the graph. ``hops[i]`` leaves ``nodes[i]``; without a node after it, it ends at anonymous customers."""

    nodes: tuple[NodeKey, ...]
    hops: tuple[Hop, ...] = ()

    def to_json(self) -> list[dict[str, Any]]:
        """The path in the shape of the HTTP contract: nodes and edges in turn."""
        steps: list[dict[str, Any]] = [{"node": list(self.nodes[0])}]
        for at, hop in enumerate(self.hops):
            steps.append(hop.to_json())
            if at + 1 < len(self.nodes):
                steps.append({"node": list(self.nodes[at + 1])})
        return steps


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an item is in the answer, in words a shopper understands, with the path that says so.

    ``weight`` is this reason's share among all reasons found for the item.
    """

    text: str
    path: ReasonPath
    weight: float
    kind: str

    def to_json(self) -> dict[str, Any]:
        return {"text": self.text, "path": self.path.to_json(), "weight": round(self.weight, 4)}


class RankedItem(Struct, frozen=True, gc=False):
    """One item of an answer. ``rank`` counts from 1; ``sources`` are strongest first.

    A structure, since it is made some twenty times an answer, and a frozen dataclass takes ten times as long.
    """

    item_id: str
    item_index: int
    title: str
    score: float
    rank: int
    sources: tuple[str, ...]
    reasons: tuple[Reason, ...] = ()
    promotion: str | None = None
    """The name of the pin or promotion that put it here."""

    def to_json(self) -> dict[str, Any]:
        return {
            "item_id": self.item_id,
            "score": self.score,
            "rank": self.rank,
            "sources": list(self.sources),
            "promotion": self.promotion,
            "reasons": [reason.to_json() for reason in self.reasons],
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """Ranked items, and of which state of the graph they are.

    ``fallback_used`` names the list that filled up the answer when the request's own evidence did not fill it,
    e.g. ``popularity`` for a newcomer.
    """

    items: tuple[RankedItem, ...]
    fallback_used: str | None
    unknown_ids: tuple[str, ...]
    release_id: str | None
    trained_at: str | None
    graph_watermark: str
    stale: bool = False

    @property
    def item_ids(self) -> list[str]:
        """The ids alone, best first."""
        return [item.item_id for item in self.items]

    def to_json(self) -> dict[str, Any]:
        """The answer in the shape of the HTTP contract, without what only the server knows."""
        return {
            "items": [item.to_json() for item in self.items],
            "fallback_used": self.fallback_used,
            "unknown_ids": list(self.unknown_ids),
            "release": {"id": self.release_id, "trained_at": self.trained_at},
            "graph_watermark": self.graph_watermark,
            "stale": self.stale,
        }
