"""Items related to one item, by kind, and what is trending: lists that do not need a history."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from api.engine.activity import Activity, ActivityFeed
from api.engine.baskets import Baskets
from api.engine.ranking import fill_up
from api.engine.reading import learned_interactions
from api.engine.similar import similar_scores
from api.engine.sources import Sources
from api.engine.steering.stage import Stage
from api.engine.trending import trending_scores
from gnn.histories import FloatArray, IntArray
from gnn.ranker import top_k
from graph.overlay import Overlay
from graph.view import GraphView

POPULARITY = "popularity"

Scores: TypeAlias = tuple[str, Mapping[str, FloatArray]]
"""The name of a list and what each of its sources adds to every item's score."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A list without a history. Shapes: (K,) each; ``contributions`` name what each source adds to an item's score.

    ``fallback`` names what filled it up, if anything did.
    """

    item_index: IntArray
    score: FloatArray
    contributions: list[dict[str, float]]
    fallback: str | None
    together: dict[int, int] = field(default_factory=dict)
    """For items of the same basket, in how many (invoices)."""


class RelatedItems:
    """Lists of related and of trending items. Safe to use from several threads."""

    def __init__(
        self, view: GraphView, overlay: Overlay | None, families: Mapping[str, str], clock: Callable[[], float]
    ) -> None:
        specs = learned_interactions(view.schema)
        self._bought_specs = [spec for spec in specs if spec.kind == "purchase"] or list(specs)
        self._snapshot = view.snapshot
        self._item_type = view.schema.item_type
        self._families = families
        self._clock = clock
        self._activity = ActivityFeed(view.snapshot, overlay, specs)
        self._bought = ActivityFeed(view.snapshot, overlay, self._bought_specs)
        self._building = threading.Lock()
        self._baskets: Baskets | None = None
        self._now: tuple[tuple[int, int], Baskets] | None = None

    def over(self, view: GraphView) -> RelatedItems:
        """The same lists over another view of the same snapshot; its sorted activity and baskets are shared."""
        other = copy(self)
        other._activity, other._bought = self._activity.over(view.overlay), self._bought.over(view.overlay)
        other._building = threading.Lock()
        other._now = None
        return other

    def warm_up(self, num_items: int) -> None:
        """Sort the snapshot's activity by time and by basket."""
        self.baskets(num_items)
        self._activity.newest_s(int(self._clock()))

    def last_s(self, num_users: int) -> npt.NDArray[np.int64]:
        """When each user was last here. Shape (U,)."""
        return self._activity.last_s(num_users)

    def similar(self, sources: Sources, item: int, n: int, stage: Stage) -> Listed:
        """Items that meet the same need, then popular ones."""
        return _listed(sources, [("similar", self._likeness(sources, item))], n, item, stage)

    def bought_together(self, sources: Sources, item: int, n: int, stage: Stage) -> Listed:
        """Items of the same basket, then similar ones, then popular ones."""
        baskets = self.baskets(sources.num_items)
        stages: list[Scores] = [("baskets", {"baskets": baskets.scores(item)})]
        if int((stages[0][1]["baskets"] > 0).sum()) < n:
            stages.append(("similar", self._likeness(sources, item)))
        listed = _listed(sources, stages, n, item, stage)
        if not baskets.invoiced:
            return listed
        common = baskets.together(item)
        return replace(listed, together={i: int(common[i]) for i in listed.item_index.tolist() if common[i]})

    def trending(self, sources: Sources, window_s: int, n: int, stage: Stage) -> Listed:
        """What is chosen most within a window before the newest event, then popular items."""
        now_s = int(self._clock())
        newest = self._activity.newest_s(now_s)
        recent = Activity.joined([]) if newest is None else self._activity.between(newest - window_s, now_s)
        recent = recent.where(recent.item_index < sources.num_items)  # an item may have come a moment ago
        scores = trending_scores(recent, window_s, sources.num_items, now_s=now_s)
        return _listed(sources, [("trending", {"trending": scores})], n, None, stage)

    def baskets(self, num_items: int) -> Baskets:
        """The baskets of the snapshot and those since; what left them stays until the next release."""
        version = self._bought.version
        with self._building:
            if self._baskets is None:
                base = Activity.of(self._snapshot, self._bought_specs)
                self._baskets = Baskets.of(base, len(self._snapshot.nodes(self._item_type)))
            if self._now is None or self._now[0] != (version, num_items):
                since = self._bought.since_snapshot()
                since = since.where(since.item_index < num_items)
                later = Baskets.of(since, num_items)
                now = self._baskets.with_later(later) if len(since) else self._baskets.grown(num_items)
                self._now = ((version, num_items), now)
            return self._now[1]

    def _likeness(self, sources: Sources, item: int) -> dict[str, FloatArray]:
        return similar_scores(sources.operators, self._families, item, sources.num_items)


def _listed(sources: Sources, stages: list[Scores], n: int, item: int | None, stage: Stage) -> Listed:
    """The best of the first scores, then of the next, then popular items; ``item`` itself never."""
    shut = ~sources.allowed if stage.allowed is None else ~(sources.allowed & stage.allowed)
    if item is not None:
        shut[item] = True
    items = np.empty(0, np.int32)
    score = np.empty(0, np.float32)
    contributions: list[dict[str, float]] = []
    fallback = None
    for number, (name, parts) in enumerate(stages):
        total = np.sum([np.zeros(sources.num_items, np.float32), *parts.values()], axis=0).astype(np.float32)
        if stage.bias is not None:
            total *= np.exp(stage.bias)
        best = _best(total, n - items.size, shut)
        shut[best] = True
        floor = float(score.min()) - float(total[best].max()) if score.size and best.size else 0.0
        items = np.concatenate([items, best]).astype(np.int32)
        score = np.concatenate([score, floor + total[best]]).astype(np.float32)
        contributions += [{source: float(part[i]) for source, part in parts.items() if part[i] > 0} for i in best]
        fallback = name if number and best.size else fallback
        if items.size >= n:
            break
    found = items.size
    items, score = fill_up(sources, items, score, n, shut, stage.bias)
    contributions += [{} for _ in range(items.size - found)]
    return Listed(items, score, contributions, POPULARITY if items.size > found else fallback)


def _best(scores: FloatArray, n: int, shut: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """The items of the ``n`` highest positive scores, best first, ties by the lower index."""
    if n <= 0:
        return np.empty(0, np.int64)
    best = top_k(np.where(shut | (scores <= 0), -np.inf, scores).astype(np.float32)[None, :], n)[0]
    return np.asarray(best[best >= 0], np.int64)
