"""Reasons: the strongest evidence for each item, in words, with the path that proves it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from api.engine.answer import Hop, Reason, ReasonPath
from api.engine.phrases import Language
from api.engine.reading import MIN_COUNT
from api.engine.reasons.costs import NO_COSTS, Costs, anchors_of, costs_of
from api.engine.reasons.evidence import Evidence, EvidenceSearch
from api.engine.reasons.wording import describe
from api.engine.sources.current import Sources
from api.engine.watching import stage
from gnn.data.histories import History, IntArray
from graph.curation import is_imported
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


_LEAST_COST = 0.05
"""What is left of a reason's weight where its path costs the item next to nothing, against the costliest one."""


@dataclass(frozen=True)
class Told:
    """The evidence for every item of one answer, and how it is told.

    ``costs`` say how far an item's score falls without a path; they are known where there is a history.
    """

    found: Mapping[int, list[Evidence]]
    language: Language = "en"
    anchor_name: str | None = None
    costs: Costs = NO_COSTS

    @classmethod
    @stage("evidence")
    def of(
        cls, search: EvidenceSearch, items: list[int], *, language: Language = "en", anchor_name: str | None = None
    ) -> Told:
        """The evidence a search finds for some items."""
        return cls({item: search.of(item) for item in items}, language, anchor_name)

    @stage("costs")
    def with_costs(
        self,
        sources: Sources,
        past: History,
        user_index: int,
        shut: IntArray,
        allowed: npt.NDArray[np.bool_] | None = None,
    ) -> Told:
        """The same evidence, weighed by what its removal would cost; see :func:`api.engine.reasons.costs.costs_of`."""
        anchors = anchors_of(self.found.values())
        items = np.array(list(self.found), np.int32)
        return replace(self, costs=costs_of(sources, past, user_index, shut, items, anchors, allowed))

    def reasons_for(self, view: GraphView, item: int, shares: Mapping[str, float]) -> tuple[Reason, ...]:
        """The best reasons for an item, strongest first; at least one.

        ``shares`` says how much of the item's score came from behaviour, attributes, relations and popularity; a
        reason weighs its share times the strength (rarity, likeness) of its evidence, times what its path costs. A
        path whose removal would not lower the score is told only where there is no other.
        """
        weighted = self._weighted(item, shares)
        total = sum(weight for weight, _ in weighted) or 1.0
        chosen: list[Reason] = []
        texts: set[str] = set()
        for weight, found in weighted:
            of_kind = sum(reason.kind == found.kind for reason in chosen)
            if of_kind >= MAX_OF_A_KIND or (chosen and weight < MIN_WEIGHT * total):
                continue
            text = describe(view, found, anchor_name=self.anchor_name, language=self.language)
            if text in texts:
                continue
            texts.add(text)
            chosen.append(Reason(text, path_of(view, found), weight / total, found.kind))
            if len(chosen) == MAX_REASONS:
                break
        return tuple(chosen)

    def _weighted(self, item: int, shares: Mapping[str, float]) -> list[tuple[float, Evidence]]:
        """The evidence that may be told, with its weight, strongest first."""
        found = self._speaking(item, shares) if self.costs.row else self.found[item]
        costs = [self.costs.of(evidence) for evidence in found]
        most = max((cost for cost in costs if cost is not None), default=0.0)
        weighted = []
        for evidence, cost in zip(found, costs, strict=True):
            weight = (_BASE_SHARE + shares.get(_SUPPORTS[evidence.kind], 0.0)) * evidence.strength
            if self.costs.row and most > 0:
                if cost is None or cost <= 0:
                    continue
                weight *= 1.0 if not np.isfinite(most) else max(_LEAST_COST, cost / most)
            weighted.append((weight, evidence))
        weighted.sort(key=lambda pair: (-pair[0], _is_imported(pair[1])))
        return weighted

    def _speaking(self, item: int, shares: Mapping[str, float]) -> list[Evidence]:
        """The evidence of the kinds that the item's score comes from; all of it where no kind has a share."""
        found = [evidence for evidence in self.found[item] if shares.get(_SUPPORTS[evidence.kind], 0.0) > 0]
        return found or self.found[item]


def _is_imported(evidence: Evidence) -> bool:
    """Of equal relations the one that a person has stated is told first."""
    return evidence.spec is not None and is_imported(evidence.spec)


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
