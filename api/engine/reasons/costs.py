"""What a path is worth: how far an item's score falls when the history's item it starts from is taken away.

A path leads from the customer over one item of his history to the listed item. Without the customer's own edge to that
item the path is gone, and every source reads the shorter history: the score is asked again, for all such histories at
once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from api.engine.reasons.evidence import Evidence
from api.engine.rows import stacked_rows
from api.engine.sources.current import Sources
from gnn.data.histories import FloatArray, Histories, History, IntArray

MAX_TRIED = 8
"""Items of the history that are taken away in turn for one answer; those behind most of the evidence first."""


@dataclass(frozen=True)
class Costs:
    """How much each listed item's score falls without each tried item of the history. Shape: ``fall`` (A, K)."""

    row: Mapping[int, int] = field(default_factory=dict)
    column: Mapping[int, int] = field(default_factory=dict)
    fall: FloatArray = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    def of(self, evidence: Evidence) -> float | None:
        """The fall of the evidence's item without its anchor; ``None`` when that was not tried."""
        anchor = evidence.item if evidence.kind == "again" else evidence.anchor
        row, column = self.row.get(anchor), self.column.get(evidence.item)
        return None if row is None or column is None else float(self.fall[row, column])


NO_COSTS = Costs()


def anchors_of(found: Iterable[list[Evidence]]) -> list[int]:
    """The items of the history that stand behind the evidence, the most frequent first, at most :data:`MAX_TRIED`."""
    counted = Counter(
        evidence.item if evidence.kind == "again" else evidence.anchor
        for of_item in found
        for evidence in of_item
        if evidence.anchor >= 0 or evidence.kind == "again"
    )
    return [anchor for anchor, _ in counted.most_common(MAX_TRIED)]


def costs_of(
    sources: Sources,
    past: History,
    user_index: int,
    shut: IntArray,
    items: IntArray,
    anchors: list[int],
    allowed: npt.NDArray[np.bool_] | None = None,
) -> Costs:
    """The costs of taking each anchor out of the history.

    Shapes: ``shut`` the items never shown; ``items`` (K,) listed ones; ``allowed`` (I,). An item falls to minus
    infinity when nothing of the history is left.
    """
    history = past.item_index
    anchors = [anchor for anchor in anchors if (history == anchor).any()]
    if not anchors or not items.size:
        return NO_COSTS
    shorter = [past.where(history != anchor) for anchor in anchors]
    block = Histories.over([past, *shorter], sources.num_items, [user_index] * (1 + len(anchors)))
    exclude = stacked_rows([shut, *(shut[shut != anchor] for anchor in anchors)])
    permitted = sources.allowed if allowed is None else sources.allowed & allowed
    listed = np.broadcast_to(items.astype(np.int32), (len(block), items.size))
    score = sources.ranker.score_items(block, listed, exclude=exclude, allowed=permitted).score
    score[block.lengths == 0] = -np.inf
    return Costs(
        {anchor: row for row, anchor in enumerate(anchors)},
        {int(item): column for column, item in enumerate(items)},
        score[0] - score[1:],
    )
