"""A list for a user, a session, a cart or a newcomer: ranked by the fusion, steered by the stage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from api.engine.contributions import Contributions
from api.engine.filters.values import Mask
from api.engine.listed import POPULARITY, Listed, nothing_listed
from api.engine.lists.likeness import likeness
from api.engine.lists.newcomers import Demographics
from api.engine.lists.ranking import Ranked, ranked
from api.engine.lists.session import Session
from api.engine.rows import stacked_rows
from api.engine.sources.keeper import Moment
from api.engine.steering.arranging import Arranging
from api.engine.steering.stage import Stage
from api.engine.watching import stage
from gnn.data.histories import FloatArray, Histories, History, IntArray
from gnn.ranker import top_k

DEMOGRAPHICS = "demographics"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it is answered. ``past`` is the session's, or a newcomer's picks; ``repeat``: seen items too."""

    session: Session
    stage: Stage
    past: History
    repeat: bool
    unknown_ids: tuple[str, ...]

    @property
    def history(self) -> IntArray:
        """The items of the past. Shape (N,)."""
        return self.past.item_index

    @property
    def shut(self) -> IntArray:
        """The items never shown."""
        session = self.session
        return session.barred if self.repeat else np.concatenate([session.barred, session.seen, session.history])

    def block(self, num_items: int) -> Histories:
        """The history as a block of one."""
        return Histories.over([self.past], num_items, [self.session.user_index])


@stage("recommend")
def recommended(moment: Moment, asked: Asked, n: int, *, demographics: Demographics) -> Listed:
    """Up to ``n`` items for what was asked."""
    sources, view = moment.sources, moment.view
    session, stage, history, shut = asked.session, asked.stage, asked.history, asked.shut
    block = asked.block(sources.num_items)
    exclude = stacked_rows([shut])
    told = None
    if not history.size and session.user_index >= 0:
        told = demographics.scores(view, session.user_index, sources.num_items)

    def rank(mask: Mask | None, k: int) -> Listed:
        if told is not None:
            return _by_traits(told, mask, k)
        result = ranked(sources, block, k, exclude=exclude, allowed=mask, bias=stage.bias)
        found = result.item_index[0] >= 0
        return Listed(
            result.item_index[0][found],
            result.score[0][found],
            _contributions(result, sources.ranker.sources),
            POPULARITY if bool(result.filled[0].any()) else None,
        )

    def _by_traits(told: FloatArray, mask: Mask | None, k: int) -> Listed:
        scores = told if stage.bias is None else told * np.exp(stage.bias)
        open_ = sources.allowed & (scores > 0) if mask is None else sources.allowed & mask & (scores > 0)
        open_[shut] = False
        best = top_k(np.where(open_, scores, -np.inf).astype(np.float32)[None, :], k)[0]
        best = best[best >= 0]
        given = Contributions.positive((DEMOGRAPHICS,), told[best][:, None])
        listed = Listed(best, scores[best].astype(np.float32), given, DEMOGRAPHICS)
        if best.size == k:
            return listed
        rest = sources.allowed.copy() if mask is None else mask.copy()
        rest[best] = False
        result = ranked(sources, block, k - best.size, exclude=exclude, allowed=rest, bias=stage.bias)
        found = result.item_index[0] >= 0
        floor = float(listed.score.min(initial=0.0)) - 1.0
        popular = Listed(
            result.item_index[0][found],
            (floor + result.score[0][found]).astype(np.float32),
            Contributions.none(int(found.sum())),
            POPULARITY,
        )
        return listed.followed_by(popular) if len(listed) else nothing_listed().followed_by(popular)

    def pinnable() -> Mask:
        mask = sources.allowed.copy() if stage.allowed is None else sources.allowed & stage.allowed
        mask[session.barred] = False
        return mask

    return Arranging(
        view, stage, rank, lambda rows: likeness(moment.connections, sources.operators, rows), pinnable, history
    ).of(n)


def _contributions(result: Ranked, names: tuple[str, ...]) -> Contributions:
    """Of each item of the first history the sources that speak for it; if none does, the one least against it."""
    found = int((result.item_index[0] >= 0).sum())
    parts = result.contribution[0, :found]
    told = Contributions.positive(names, parts)
    silent = told.silent
    if silent.any():
        against = np.flatnonzero(silent & ~result.filled[0, :found])
        told.value[against, parts[against].argmax(axis=1)] = 0.0
    return told
