"""Which items meet the same need as one item: content first, then what behaviour says of both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from api.engine.contributions import Contributions, Marks, SourceScores
from gnn.compiled.passes import likeness
from gnn.data.histories import FloatArray, IntArray
from gnn.operators import Operator, add_scores
from gnn.operators.alike import ItemRows
from gnn.operators.weighed import Weighed

_CONTENT = frozenset({"attributes", "text"})
_NOT_LIKENESS = frozenset({"popularity", "recent_popularity", "next_item", "previous_item", "relations"})
"""Popular, bought next and curated as belonging together are good answers, but to another question."""
_EMBEDDINGS = frozenset({"gfcf", "als", "bpr"})
_WEIGHT = {"content": 1.0, "embedding": 0.6, "walk": 0.4}


def group_of(source: str, family: str) -> str | None:
    """Which kind of likeness a source sees: content, embedding, walk, or ``None`` for none."""
    if source in _NOT_LIKENESS:
        return None
    if source in _CONTENT or family == "text":
        return "content"
    return "embedding" if family == "gnn" or source in _EMBEDDINGS else "walk"


def similar_scores(
    operators: Mapping[str, Operator],
    families: Mapping[str, str],
    item_index: int,
    num_items: int,
    *,
    content: bool = True,
) -> SourceScores:
    """What each source adds to the likeness of every item with one item.

    Every source is seen as ``log(1 + max(z, 0))`` of its scores for a history of this one item; sources of a
    group share the group's weight, so that seven walks do not outvote one text. ``content=False`` leaves out what
    items are, and keeps what people do with them.
    """
    speaking, weights = _speaking(tuple((name, families.get(name, "other")) for name in operators), content)
    scores = np.zeros((len(speaking), num_items), np.float32)
    history = Weighed.of_item(item_index, num_items)
    for row, name in zip(scores, speaking, strict=True):
        add_scores(operators[name], history, row[None, None, :])
    return SourceScores(speaking, likeness(scores, weights))


@dataclass(frozen=True, slots=True)
class Alike:
    """:func:`similar_scores` of one item for who wants the best of them alone, by one compiled call."""

    names: tuple[str, ...]
    rows: ItemRows
    item_index: int

    def best(self, shut: Marks, k: int, factor: FloatArray | None) -> tuple[IntArray, FloatArray, Contributions]:
        """As :meth:`SourceScores.best`."""
        found, total, parts = self.rows.best(self.item_index, shut, k, factor)
        return found, total, Contributions(self.names, parts)


def rows_alike(
    operators: Mapping[str, Operator], families: Mapping[str, str], num_items: int
) -> tuple[tuple[str, ...], ItemRows] | None:
    """The sources that see likeness and their rows for :class:`Alike`; ``None`` where one of them keeps no rows."""
    speaking, weights = _speaking(tuple((name, families.get(name, "other")) for name in operators), True)
    rows = ItemRows.of([operators[name] for name in speaking], weights, num_items)
    return None if rows is None else (speaking, rows)


@lru_cache(maxsize=64)
def _speaking(families: tuple[tuple[str, str], ...], content: bool) -> tuple[tuple[str, ...], FloatArray]:
    """The sources that see likeness, and what each of them counts. Shape (S,)."""
    groups = {name: group for name, family in families if (group := group_of(name, family)) is not None}
    members = Counter(groups.values())
    speaking = tuple(name for name, group in groups.items() if content or group != "content")
    return speaking, np.array([_WEIGHT[groups[name]] / members[groups[name]] for name in speaking], np.float32)
