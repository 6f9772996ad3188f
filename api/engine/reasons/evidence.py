"""Evidence: what in the graph, as it is now, connects an item with the items of a history.

The search starts once from the history's *anchors* (its latest distinct items) and then answers per item with a few
array look-ups, so that reasons for a list of ten cost little more than reasons for one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from api.engine.connections import Block, Connections
from api.engine.reading import MIN_COUNT, Audiences, telling_interactions
from gnn.compiled.passes import marked
from gnn.data.histories import IntArray
from graph.schema import EdgeRole, EdgeSpec
from graph.view import GraphView

EvidenceKind: TypeAlias = Literal[
    "again", "co_interaction", "basket", "attribute", "relation", "chain", "own_attribute", "popular", "present"
]

MAX_ANCHORS = 32
MAX_SAMPLE = 1_000
"""Users per anchor looked at when anchors are compared; the count in a reason is always exact."""
MAX_SHARED = 12
"""Shared attributes looked at per item, the strongest first."""
MAX_COMPANY = 3
"""Items of the history named as company of one item, the likeliest first; the costliest of them are told."""
MAX_CHAIN_ANCHORS = 4
MAX_CHAIN_USERS = 200


@dataclass(frozen=True, slots=True)
class Evidence:
    """One connection of an item, by indices.

    ``anchor`` is an item of the history; ``middle`` the node both share (or the item between them); ``count`` how many
    customers stand behind an interaction hop; ``shared`` how many anchors say the same.
    """

    kind: EvidenceKind
    item: int
    strength: float
    spec: EdgeSpec | None = None
    direction: Literal["out", "in"] = "out"
    anchor: int = -1
    middle: tuple[str, int] | None = None
    count: int = 0
    shared: int = 1


class EvidenceSearch:
    """Finds the evidence for a list of items, from one history.

    ``view`` must be frozen. ``together`` counts the baskets (invoices) an item shares with the history's only item.
    """

    def __init__(
        self,
        view: GraphView,
        connections: Connections,
        history: IntArray,
        items: IntArray,
        user_index: int = -1,
        together: Mapping[int, int] | None = None,
    ) -> None:
        self._view = view
        self._connections = connections
        self._user_index = user_index
        self._together = together or {}
        self._user = (view.schema.user_type, user_index)
        self._num_users = view.num_nodes(view.schema.user_type)
        self.anchors = latest_distinct(history, MAX_ANCHORS)
        self._recency = (1.0 / np.sqrt(1.0 + np.arange(self.anchors.size))).astype(np.float32)
        self._open_columns()
        self._position = {int(item): position for position, item in enumerate(items)}
        self._behaviour = [
            _Behaviour(spec, Audiences.of(view, spec, self.anchors), Audiences.of(view, spec, items))
            for spec in telling_interactions(view.schema)
        ]

    def _open_columns(self) -> None:
        columns, position = self._connections.of_items(self.anchors)
        self._columns, first, inverse, shared = np.unique(
            columns, return_index=True, return_inverse=True, return_counts=True
        )
        self._first_anchor = position[first]
        self._shared = shared
        total = max(float(self._recency.sum()), 1e-9)
        self._share = np.bincount(inverse, self._recency[position], minlength=self._columns.size) / total

    def of(self, item: int) -> list[Evidence]:
        """All evidence for one of the items; never empty, weaker kinds only where nothing stronger is there."""
        found = [
            *self._again(item),
            *self._relations(item),
            *self._attributes(item),
            *self._co_interaction(item),
        ]
        if not found and self.anchors.size:
            found = self._chain(item)
        if not found:
            found = [*self._own_attributes(item), *self._popular(item)]
        return found or [Evidence("present", item, 1.0)]

    def _matches(self, columns: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Positions in the anchors' columns of those given columns that are there."""
        at = np.searchsorted(self._columns, columns)
        inside = at < self._columns.size
        at, columns = at[inside], columns[inside]
        return np.asarray(at[self._columns[at] == columns], np.int64)

    def _again(self, item: int) -> list[Evidence]:
        """The customer's own earlier choice of the item, where people buy again."""
        for behaviour in self._behaviour:
            if (behaviour.of_items[self._position[item]] == self._user_index).any():
                return [Evidence("again", item, 0.9, behaviour.spec, middle=self._user)]
        return []

    def _relations(self, item: int) -> list[Evidence]:
        blocks = {block.start + item: block for block in self._connections.blocks if _may_reach(block, item)}
        found = []
        for at in self._matches(np.array(sorted(blocks), np.int64)):
            block = blocks[int(self._columns[at])]
            anchor = int(self._first_anchor[at])
            strength = 0.6 + 0.4 * float(self._recency[anchor])
            if self.anchors[anchor] != item:
                found.append(
                    Evidence(
                        "relation", item, strength, block.spec, block.direction, int(self.anchors[anchor]),
                        shared=int(self._shared[at]),
                    )
                )  # fmt: skip
        return found

    def _attributes(self, item: int) -> list[Evidence]:
        matches = self._matches(self._connections.of_item(item))
        rarity = self._connections.rarity[self._columns[matches]]
        strength = rarity * (0.4 + 0.6 * self._share[matches])
        found = []
        for at in np.argsort(-strength, kind="stable")[:MAX_SHARED].tolist():
            match = int(matches[at])
            column = int(self._columns[match])
            block = self._connections.block_of(column)
            anchor = int(self.anchors[self._first_anchor[match]])
            if block.relates_items or anchor == item:
                continue
            found.append(
                Evidence(
                    "attribute",
                    item,
                    float(strength[at]),
                    block.spec,
                    block.direction,
                    anchor,
                    (block.node_type, column - block.start),
                    shared=int(self._shared[match]),
                )
            )
        return found

    def _co_interaction(self, item: int) -> list[Evidence]:
        best: list[Evidence] = []
        for behaviour in self._behaviour:
            audience = behaviour.of_items[self._position[item]]
            if not audience.size or not self.anchors.size:
                continue
            mark = np.zeros(self._num_users, bool)
            mark[audience] = True
            if 0 <= self._user_index < mark.size:
                mark[self._user_index] = False
            likeness = behaviour.common(mark) / np.sqrt(np.maximum(behaviour.of_anchors.sizes, 1) * audience.size)
            likeness *= self._recency
            likeness[self.anchors == item] = 0.0
            order = np.argsort(-likeness, kind="stable")[:MAX_COMPANY]
            found = [
                Evidence(
                    "co_interaction",
                    item,
                    float(np.sqrt(min(1.0, likeness[at]))),
                    behaviour.spec,
                    anchor=int(self.anchors[at]),
                    count=int(mark[behaviour.of_anchors[at]].sum()),
                )
                for at in order.tolist()
                if likeness[at] > 0
            ]
            if found and (not best or found[0].count > best[0].count):
                best = found
            if found and found[0].count >= MIN_COUNT:
                break
        in_baskets = self._together.get(item, 0)
        return [replace(one, kind="basket", count=in_baskets) if in_baskets else one for one in best]

    def _chain(self, item: int) -> list[Evidence]:
        """Anchor, another item, the item: two steps over common customers."""
        for behaviour in self._behaviour:
            reached = self._chosen_by(behaviour.spec, behaviour.of_items[self._position[item]])
            if not reached.any():
                continue
            for position, anchor in enumerate(self.anchors[:MAX_CHAIN_ANCHORS]):
                if anchor == item:
                    continue
                linked = np.minimum(reached, self._chosen_by(behaviour.spec, behaviour.of_anchors[position]))
                linked[[item, int(anchor)]] = 0
                if linked.any():
                    between = (self._view.schema.item_type, int(np.argmax(linked)))
                    return [Evidence("chain", item, 0.2, behaviour.spec, anchor=int(anchor), middle=between)]
        return []

    def _chosen_by(self, spec: EdgeSpec, users: IntArray) -> npt.NDArray[np.int64]:
        """How many of some users chose each item. Shape (I,)."""
        others = users[users != self._user_index][-MAX_CHAIN_USERS:]
        chosen = self._view.expand(spec.edge_type, others, distinct=True).indices
        return np.bincount(chosen, minlength=self._view.num_nodes(self._view.schema.item_type))

    def _own_attributes(self, item: int) -> list[Evidence]:
        found = []
        for column in self._connections.of_item(item):
            block = self._connections.block_of(int(column))
            if not block.relates_items and block.spec.role is EdgeRole.ATTRIBUTE:
                middle = (block.node_type, int(column) - block.start)
                strength = 0.3 * (1.0 - float(self._connections.rarity[column])) + 0.01
                found.append(Evidence("own_attribute", item, strength, block.spec, block.direction, middle=middle))
        found.sort(key=lambda evidence: -evidence.strength)
        return found[:2]

    def _popular(self, item: int) -> list[Evidence]:
        for behaviour in self._behaviour:
            audience = behaviour.of_items[self._position[item]]
            count = int((audience != self._user_index).sum())
            if count:
                return [Evidence("popular", item, 0.5, behaviour.spec, count=count)]
        return []


class _Behaviour:
    """One kind of interaction: who is behind the anchors, and who behind the items."""

    def __init__(self, spec: EdgeSpec, of_anchors: Audiences, of_items: Audiences) -> None:
        self.spec = spec
        self.of_anchors = of_anchors
        self.of_items = of_items
        self._sample = of_anchors.sampled(MAX_SAMPLE)
        self._scale = of_anchors.sizes / np.maximum(self._sample.sizes, 1)

    def common(self, mark: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
        """About how many marked users each anchor has. Shape (A,)."""
        return np.asarray(marked(self._sample.indptr, self._sample.user_index, mark) * self._scale, np.float64)


def latest_distinct(history: IntArray, limit: int) -> IntArray:
    """The last ``limit`` distinct items of a history, latest first."""
    backwards = history[::-1]
    _, first = np.unique(backwards, return_index=True)
    return backwards[np.sort(first)[:limit]]


def _may_reach(block: Block, item: int) -> bool:
    return block.relates_items and item < block.width
