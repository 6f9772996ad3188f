"""A list for a user, a session, a cart or a newcomer: ranked by the fusion, steered by the stage."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp

from api.engine.filters.values import Mask
from api.engine.keeper import Moment
from api.engine.likeness import likeness
from api.engine.listed import POPULARITY, Listed, nothing_listed
from api.engine.newcomers import Demographics
from api.engine.ranking import Ranked, ranked
from api.engine.session import Session
from api.engine.steering.arranging import Arranging
from api.engine.steering.stage import Stage
from gnn.histories import FloatArray, Histories, IntArray
from gnn.ranker import top_k

DEMOGRAPHICS = "demographics"


def recommended(
    moment: Moment,
    session: Session,
    stage: Stage,
    n: int,
    *,
    history: IntArray,
    repeat: bool,
    demographics: Demographics,
) -> Listed:
    """Up to ``n`` items for a session. ``history`` is what is answered: the session's, or a newcomer's picks."""
    sources, view = moment.sources, moment.view
    shut = session.barred if repeat else np.concatenate([session.barred, session.seen, session.history])
    block = Histories.of([history.tolist()], sources.num_items, [session.user_index])
    exclude = _one_row(shut, sources.num_items)
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
        given = [{DEMOGRAPHICS: float(told[item])} for item in best.tolist()]
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
            [{} for _ in range(int(found.sum()))],
            POPULARITY,
        )
        return listed.followed_by(popular) if len(listed) else nothing_listed().followed_by(popular)

    pinnable = sources.allowed.copy() if stage.allowed is None else sources.allowed & stage.allowed
    pinnable[session.barred] = False
    return Arranging(
        view, stage, rank, lambda rows: likeness(moment.connections, sources.operators, rows), pinnable, history
    ).of(n)


def _contributions(result: Ranked, names: Sequence[str]) -> list[dict[str, float]]:
    """Of each item of the first history the sources that speak for it; if none does, the one least against it."""
    listed = []
    for at, parts in enumerate(result.contribution[0]):
        if result.item_index[0, at] < 0:
            break
        given = {name: float(part) for name, part in zip(names, parts, strict=True) if part > 0}
        if not given and not result.filled[0, at]:
            given = {names[int(np.argmax(parts))]: 0.0}
        listed.append(given)
    return listed


def _one_row(items: IntArray, num_items: int) -> sp.csr_array:
    columns = np.unique(items)
    ones: FloatArray = np.ones(columns.size, np.float32)
    return sp.csr_array((ones, columns, np.array([0, columns.size])), shape=(1, num_items))
