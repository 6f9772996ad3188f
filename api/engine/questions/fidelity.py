"""Whether reasons are true of the ranking: each shown path is taken out of the graph and the item scored again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from api.engine.answer import Hop, Reason
from api.engine.engine import Engine
from api.engine.questions.editing import edited, qualifiers_between
from api.engine.reading import learned_interactions
from api.engine.request import Request
from graph.records import DeleteEdges, NodeKey
from graph.view import GraphView

FIRST_STEP = frozenset({"co_interaction", "basket", "chain", "attribute", "relation"})
"""Kinds of path that begin with the customer's own step to an item of his history."""
EPSILON = 1e-6


@dataclass
class Fidelity:
    """Shown paths by kind, and those whose removal lowers the score of the item they stand for."""

    shown: Counter[str] = field(default_factory=Counter)
    lowering: Counter[str] = field(default_factory=Counter)
    named: Counter[str] = field(default_factory=Counter)
    """Of attribute and relation paths those whose named edges alone, without the customer's step, carry score."""

    @property
    def share(self) -> float:
        """Of all shown paths, the share that lowers the score when removed."""
        return sum(self.lowering.values()) / max(sum(self.shown.values()), 1)


def path_edges(view: GraphView, user_id: str, reason: Reason, *, named_only: bool = False) -> list[DeleteEdges]:
    """What takes a path away: the customer's own edges to its first item, and every edge the path names.

    With ``named_only`` the customer's own step stays: what do the edges of the sentence alone carry?

    Hops that stand for many customers keep their edges: without the first step the path is not the customer's any more.
    """
    schema = view.schema
    nodes = reason.path.nodes
    removals: list[DeleteEdges] = []
    if reason.kind in FIRST_STEP and not named_only:
        removals = [
            DeleteEdges(spec.edge_type, [user_id], [nodes[0][1]])
            for spec in learned_interactions(schema)
            if qualifiers_between(view, spec.edge_type, user_id, nodes[0][1])
        ]
    for at, hop in enumerate(reason.path.hops[: len(nodes) - 1]):
        if hop.direction is not None:
            removals.append(_removal(hop, nodes[at], nodes[at + 1]))
    return removals


def lowers(engine: Engine, user_id: str, item_index: int, reason: Reason, *, named_only: bool = False) -> bool:
    """Whether the item's score for the user falls when the reason's path is taken away."""
    view = engine.now().view
    removals = path_edges(view, user_id, reason, named_only=named_only)
    if not removals:
        return False
    before = engine.scored(Request(user_id), [item_index])
    without = engine.over(edited(engine.view, removals))
    after = without.scored(Request(user_id), [item_index])
    return not after.speaks or float(after.score[0]) < float(before.score[0]) - EPSILON


def fidelity(engine: Engine, user_ids: Iterable[str], n: int = 10) -> Fidelity:
    """The fidelity of all reasons in the recommendations of some users."""
    counted = Fidelity()
    for user_id in user_ids:
        for item in engine.recommend(Request(user_id, n=n, reasons=True)).items:
            for reason in item.reasons:
                counted.shown[reason.kind] += 1
                counted.lowering[reason.kind] += lowers(engine, user_id, item.item_index, reason)
                if reason.kind in ("attribute", "relation"):
                    counted.named[reason.kind] += lowers(engine, user_id, item.item_index, reason, named_only=True)
    return counted


def _removal(hop: Hop, before: NodeKey, after: NodeKey) -> DeleteEdges:
    source, target = (before[1], after[1]) if hop.direction == "out" else (after[1], before[1])
    return DeleteEdges(hop.edge_type, [source], [target])
