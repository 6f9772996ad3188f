"""The scores of given items for a request, by the lines that rank: for rank, why-not and the price of a path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from api.engine.keeper import Moment
from api.engine.request import Request
from api.engine.rows import stacked_rows
from api.engine.session import Session, resolve
from api.engine.steering import Stage
from gnn.histories import FloatArray, Histories, IntArray


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
    session: Session
    speaks: bool

    def parts(self, at: int) -> dict[str, float]:
        """What each source adds to one item's score, the strongest first."""
        named = {name: float(part) for name, part in zip(self.sources, self.contribution[at], strict=True)}
        return dict(sorted(named.items(), key=lambda pair: -pair[1]))


def scored(moment: Moment, stage: Stage, request: Request, items: Sequence[int], *, repeat: bool) -> Scored:
    """The scores of some items, whether they may be shown or not."""
    sources = moment.sources
    session = resolve(moment.view, request)
    history = session.history[sources.allowed[session.history]]
    asked = np.asarray(items, np.int32)
    if not history.size:
        nothing = np.zeros((asked.size, len(sources.ranker.sources)), np.float32)
        return Scored(asked, sources.popularity[asked], nothing, sources.ranker.sources, session, speaks=False)
    shut = session.barred if repeat else np.concatenate([session.barred, session.seen, session.history])
    fused = sources.ranker.score_items(
        Histories.of([history.tolist()], sources.num_items, [session.user_index]),
        asked[None, :],
        exclude=stacked_rows([shut], sources.num_items),
        allowed=sources.allowed if stage.allowed is None else sources.allowed & stage.allowed,
        bias=stage.bias,
    )
    return Scored(asked, fused.score[0], fused.contribution[0], sources.ranker.sources, session, speaks=True)
