"""The scores of given items for a request, by the lines that rank: for rank, why-not and the price of a path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from api.engine.lists.recommending import Asked
from api.engine.rows import stacked_rows
from api.engine.sources.keeper import Moment
from gnn.data.histories import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Scored:
    """Items with the scores a recommendation would give them, in the order given.

    Shapes: ``item_index`` and ``score`` (C,); ``contribution`` (C, S), by fused source. ``speaks``: whether there is a
    history to score by; without one the score is the item's popularity.
    """

    item_index: IntArray
    score: FloatArray
    contribution: FloatArray
    sources: tuple[str, ...]
    asked: Asked
    speaks: bool

    def parts(self, at: int) -> dict[str, float]:
        """What each source adds to one item's score, the strongest first."""
        named = {name: float(part) for name, part in zip(self.sources, self.contribution[at], strict=True)}
        return dict(sorted(named.items(), key=lambda pair: -pair[1]))


def scored(moment: Moment, asked: Asked, items: Sequence[int]) -> Scored:
    """The scores of some items, whether they may be shown or not."""
    sources, stage = moment.sources, asked.stage
    wanted = np.asarray(items, np.int32)
    names = sources.ranker.sources
    if not asked.history.size:
        nothing = np.zeros((wanted.size, len(names)), np.float32)
        return Scored(wanted, sources.popularity[wanted], nothing, names, asked, speaks=False)
    fused = sources.ranker.score_items(
        asked.block(sources.num_items),
        wanted[None, :],
        exclude=stacked_rows([asked.shut]),
        allowed=sources.allowed if stage.allowed is None else sources.allowed & stage.allowed,
        bias=stage.bias,
    )
    return Scored(wanted, fused.score[0], fused.contribution[0], names, asked, speaks=True)
