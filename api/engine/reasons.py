"""Reasons: the strongest evidence for each item, in words, with the path that proves it."""

from __future__ import annotations

from collections.abc import Mapping

from api.engine.answer import Hop, Reason, ReasonPath
from api.engine.evidence import Evidence, EvidenceSearch
from api.engine.reading import MIN_COUNT
from api.engine.wording import describe
from graph.records import NodeKey
from graph.view import GraphView

MAX_REASONS = 3
MAX_OF_A_KIND = 2
MIN_WEIGHT = 0.02
"""A further reason that weighs less than this is left out."""
_BASE_SHARE = 0.05

_SUPPORTS: Mapping[str, str] = {
    "again": "behaviour",
    "co_interaction": "behaviour",
    "basket": "behaviour",
    "chain": "behaviour",
    "attribute": "attributes",
    "own_attribute": "attributes",
    "relation": "relations",
    "popular": "popularity",
    "present": "popularity",
}
"""Which share of an item's score each kind of evidence stands for."""

_STANDS_FOR: Mapping[str, str] = {
    "attributes": "attributes",
    "text": "attributes",
    "relations": "relations",
    "popularity": "popularity",
    "recent_popularity": "popularity",
    "trending": "popularity",
}
"""What a source stands for; all others are behaviour."""


def reasons_for(
    view: GraphView, search: EvidenceSearch, item: int, shares: Mapping[str, float], *, anchor_name: str | None = None
) -> tuple[Reason, ...]:
    """The best reasons for an item, strongest first; at least one.

    ``shares`` says how much of the item's score came from behaviour, attributes, relations and popularity; a
    reason weighs its share times the strength (rarity, likeness) of its evidence.
    """
    weighted = [
        ((_BASE_SHARE + shares.get(_SUPPORTS[found.kind], 0.0)) * found.strength, found) for found in search.of(item)
    ]
    weighted.sort(key=lambda pair: -pair[0])
    total = sum(weight for weight, _ in weighted) or 1.0
    chosen: list[Reason] = []
    texts: set[str] = set()
    for weight, found in weighted:
        text = describe(view, found, anchor_name=anchor_name)
        of_kind = sum(reason.kind == found.kind for reason in chosen)
        if text in texts or of_kind >= MAX_OF_A_KIND or (chosen and weight < MIN_WEIGHT * total):
            continue
        texts.add(text)
        chosen.append(Reason(text, path_of(view, found), weight / total, found.kind))
        if len(chosen) == MAX_REASONS:
            break
    return tuple(chosen)


def path_of(view: GraphView, evidence: Evidence) -> ReasonPath:
    """The walk in the graph that an evidence stands for, from the history's item to the recommended one."""
    item_type = view.schema.item_type
    item = _key(view, item_type, evidence.item)
    if evidence.spec is None:
        return ReasonPath((item,))
    edge_type = evidence.spec.edge_type
    told = evidence.count if evidence.count >= MIN_COUNT else None
    if evidence.kind == "popular":
        return ReasonPath((item,), (Hop(edge_type, None, told),))
    back = Hop(edge_type, "in" if evidence.direction == "out" else "out")
    if evidence.kind == "again" and evidence.middle is not None:
        return ReasonPath((_key(view, *evidence.middle), item), (Hop(edge_type, "out"),))
    if evidence.kind == "own_attribute" and evidence.middle is not None:
        return ReasonPath((item, _key(view, *evidence.middle)), (Hop(edge_type, evidence.direction),))
    anchor = _key(view, item_type, evidence.anchor)
    if evidence.kind in ("co_interaction", "basket"):
        return ReasonPath((anchor, item), (Hop(edge_type, None, told),))
    if evidence.middle is None:
        return ReasonPath((anchor, item), (Hop(edge_type, evidence.direction),))
    middle = _key(view, *evidence.middle)
    if evidence.kind == "chain":
        return ReasonPath((anchor, middle, item), (Hop(edge_type, None), Hop(edge_type, None)))
    return ReasonPath((anchor, middle, item), (Hop(edge_type, evidence.direction), back))


def shares_of(contributions: Mapping[str, float], families: Mapping[str, str]) -> dict[str, float]:
    """The positive contributions of an item's sources by what they stand for; they sum to 1, or there are none."""
    shares: dict[str, float] = {}
    for name, value in contributions.items():
        support = _STANDS_FOR.get(name) or ("attributes" if families.get(name) == "text" else "behaviour")
        shares[support] = shares.get(support, 0.0) + max(value, 0.0)
    total = sum(shares.values())
    return {support: value / total for support, value in shares.items()} if total > 0 else {}


def _key(view: GraphView, node_type: str, index: int) -> NodeKey:
    return (node_type, view.id_of(node_type, index))
