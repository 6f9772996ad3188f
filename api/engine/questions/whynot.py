"""Why an item is in a list or is not: its rank, what each source says, what removed it, and what would bring it in."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from api.engine.answer import Reason
from api.engine.engine import Engine
from api.engine.lists.scoring import Scored
from api.engine.questions.editing import edited, forked
from api.engine.questions.missing import MissingPath, missing_paths
from api.engine.request import MAX_N, Request
from api.engine.steering import Boost, Verdict
from api.engine.steering.rules import MAX_FACTOR
from graph.errors import NotFound

Removed: TypeAlias = Literal["filter", "rule", "hidden", "seen", "excluded", "not_proposed"]

TRIES = 8
BUDGET_S = 0.4
"""How many single edges are tried, and for how long, before a boost has to do."""
BOOST_TRIES = 3


@dataclass(frozen=True, slots=True)
class Removal:
    """What keeps an item out of the list whatever its score; ``says`` names the rule or repeats the filter."""

    by: Removed
    says: str


@dataclass(frozen=True, slots=True)
class Change:
    """One change that brings an item into the list, tried on a copy: its rank afterwards is ``rank``.

    Either ``edge``, to be added, or ``factor``, the boost of this one item.
    """

    rank: int
    edge: MissingPath | None = None
    factor: float | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """One item in one user's list of ``n``.

    ``rank``: its place, or the place its score would have where something removes it; ``None`` below the first 500.
    ``score_to_enter``: the score of the list's last item. ``parts``: what each source adds to the score.
    ``missing``: paths from the history that lack one edge, the nearest first. ``changes``: single changes that bring it
    in, the smallest first.
    """

    item_id: str
    title: str
    listed: bool
    rank: int | None
    score: float
    score_to_enter: float | None
    parts: dict[str, float]
    removals: tuple[Removal, ...]
    boosts: tuple[tuple[str, float], ...]
    reasons: tuple[Reason, ...]
    missing: tuple[MissingPath, ...]
    changes: tuple[Change, ...]
    unknown_ids: tuple[str, ...]
    graph_watermark: str


def explain(engine: Engine, item_id: str, request: Request, *, search: bool = True) -> Explanation:
    """Why, or why not, the item is among the ``request.n`` best; without ``search`` no change is looked for.

    Raises:
        NotFound: when the graph holds no such item.
    """
    engine = engine.over(forked(engine.view))  # every question below is about this moment
    moment = engine.now()
    view = moment.view
    item = view.index_of(view.schema.item_type, item_id)
    if item is None:
        raise NotFound("no such item", got=item_id, remedy="Ask for an item that is in the graph.")
    answer = engine.recommend(replace(request, reasons=True))
    scores = engine.scored(request, [item])
    deep = engine.recommend(replace(request, n=MAX_N, reasons=False))
    verdict = engine.stage(moment, request.steering).verdict(item)
    found = next((shown for shown in answer.items if shown.item_index == item), None)
    score = float(scores.score[0])
    rank = next((shown.rank for shown in deep.items if shown.item_index == item), None)
    removals = _removals(engine, scores, item, request, verdict)
    if rank is None:
        if not removals:
            removals = (Removal("not_proposed", "no source puts it forward for this history"),)
        rank = 1 + sum(shown.score > score for shown in deep.items)
    to_enter = answer.items[-1].score if len(answer.items) >= request.n else None
    missing: tuple[MissingPath, ...] = ()
    changes: tuple[Change, ...] = ()
    blocked = any(removal.by != "not_proposed" for removal in removals)
    if found is None and search and not blocked:
        missing = tuple(missing_paths(moment, request.user_id, scores, item, TRIES))
        changes = tuple(_changes(engine, request, item_id, missing, score, to_enter))
    return Explanation(
        item_id=item_id,
        title=view.title(view.schema.item_type, item),
        listed=found is not None,
        rank=found.rank if found is not None else rank if rank <= MAX_N else None,
        score=found.score if found is not None else score,
        score_to_enter=to_enter,
        parts=scores.parts(0),
        removals=() if found is not None else removals,
        boosts=tuple((boost.rule, boost.factor) for boost in verdict.boosts),
        reasons=found.reasons if found is not None else (),
        missing=missing,
        changes=changes,
        unknown_ids=answer.unknown_ids,
        graph_watermark=answer.graph_watermark,
    )


def _removals(engine: Engine, scores: Scored, item: int, request: Request, verdict: Verdict) -> tuple[Removal, ...]:
    session = scores.asked.session
    found = [Removal(removal.by, removal.rule) for removal in verdict.removals]
    if (session.barred == item).any():
        found.append(Removal("excluded", "it is in the cart or excluded by the request"))
    repeat = engine.policy.repeat if request.repeat is None else request.repeat
    if not repeat and ((session.seen == item).any() or (session.history == item).any()):
        found.append(Removal("seen", "the user has dealt with it already"))
    return tuple(found)


def _changes(
    engine: Engine,
    request: Request,
    item_id: str,
    missing: tuple[MissingPath, ...],
    score: float,
    to_enter: float | None,
) -> Iterator[Change]:
    """Single changes that were tried and work: the first edge that does, then the least boost."""
    ends = time.perf_counter() + BUDGET_S
    for path in missing:
        if time.perf_counter() > ends:
            break
        rank = _rank_in(engine.over(edited(engine.view, [path.edit])), request, item_id)
        if rank is not None:
            yield Change(rank, edge=path)
            break
    boost = None if to_enter is None else _least_boost(engine, request, item_id, score, to_enter)
    if boost is not None:
        yield boost


def _least_boost(engine: Engine, request: Request, item_id: str, score: float, to_enter: float) -> Change | None:
    """The boost of this one item that is just enough; the list is by score plus the logarithm of the factor."""
    for _ in range(BOOST_TRIES):
        factor = math.ceil(math.exp(min(to_enter - score + 1e-3, 20.0)) * 100) / 100
        if not 1.0 < factor <= MAX_FACTOR:
            return None
        boost = Boost(filter=f"item_id = {_quoted(item_id)}", factor=factor)
        steering = replace(request.steering, boosts=(*request.steering.boosts, boost))
        answer = engine.recommend(replace(request, steering=steering, reasons=False))
        if item_id in answer.item_ids:
            return Change(answer.item_ids.index(item_id) + 1, factor=factor)
        to_enter = max(to_enter, answer.items[-1].score)  # a boost lets further candidates in; they may stand higher
    return None


def _rank_in(engine: Engine, request: Request, item_id: str) -> int | None:
    ids = engine.recommend(replace(request, reasons=False)).item_ids
    return ids.index(item_id) + 1 if item_id in ids else None


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
