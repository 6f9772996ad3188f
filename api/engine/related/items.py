"""Items related to one item, by kind, and what is trending: lists that do not need a history."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import replace
from functools import partial
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from api.engine.contributions import Contributions, SourceScores
from api.engine.filters.values import Mask
from api.engine.listed import POPULARITY, Listed
from api.engine.lists.likeness import likeness
from api.engine.lists.ranking import fill_up
from api.engine.reading import learned_interactions
from api.engine.related.activity import Activity, ActivityFeed
from api.engine.related.baskets import Baskets
from api.engine.related.kinds import (
    OTHER_NEED,
    behaviour_scores,
    complementary_scores,
    curated_complements,
    of_other_category,
    same_need,
)
from api.engine.related.similar import Alike, rows_alike, similar_scores
from api.engine.related.trending import trending_scores
from api.engine.request import RelatedKind
from api.engine.sources.current import Sources
from api.engine.sources.keeper import Moment
from api.engine.steering.arranging import Arranging
from api.engine.steering.stage import Stage
from api.engine.watching import stage
from gnn.data.histories import FloatArray, IntArray
from gnn.operators.alike import ItemRows
from graph.courtesy import stand_back
from graph.overlay import Overlay
from graph.view import GraphView

T = TypeVar("T")
Scores: TypeAlias = tuple[str, Callable[[], SourceScores | Alike]]
"""The name of a list, and how to find what each of its sources adds to every item's score."""


class RelatedItems:
    """Lists of related and of trending items. Safe to use from several threads."""

    def __init__(
        self,
        view: GraphView,
        overlay: Overlay | None,
        families: Mapping[str, str],
        clock: Callable[[], float],
        *,
        until_s: int | None = None,
    ) -> None:
        self._until_s = until_s
        specs = learned_interactions(view.schema)
        self._bought_specs = tuple(spec for spec in specs if spec.kind == "purchase") or specs
        self._view = view
        self._snapshot = view.snapshot
        self._known_items = len(view.snapshot.nodes(view.schema.item_type))
        self._users: tuple[object, IntArray] | None = None
        self._gone: IntArray = np.empty(0, np.int32)
        self._item_type = view.schema.item_type
        self._families = families
        self._clock = clock
        self._activity = ActivityFeed(view.snapshot, overlay, specs)
        self._bought = ActivityFeed(view.snapshot, overlay, self._bought_specs)
        self._alike: tuple[Sources, tuple[tuple[str, ...], ItemRows] | None] | None = None
        self._building = threading.Lock()
        self._baskets: Baskets | None = None
        self._now: tuple[tuple[int, int], Baskets] | None = None

    def over(self, view: GraphView) -> RelatedItems:
        """The same lists over another view of the same snapshot; its sorted activity and baskets are shared."""
        other = copy(self)
        other._view, other._users = view, None
        other._activity, other._bought = self._activity.over(view.overlay), self._bought.over(view.overlay)
        other._building = threading.Lock()
        other._now = None
        return other

    def warm_up(self, num_items: int) -> None:
        """Sort the snapshot's activity by time and by basket."""
        self.baskets(num_items)
        stand_back()
        self._activity.newest_s(int(self._clock()))

    def last_s(self, num_users: int) -> npt.NDArray[np.int64]:
        """When each user was last here. Shape (U,)."""
        return self._activity.last_s(num_users)

    @stage("related")
    def of(
        self, kind: RelatedKind, moment: Moment, item: int, n: int, stage: Stage, *, barred: IntArray | None = None
    ) -> Listed:
        """Items related to one item, as its kind asks and the stage steers; popular ones fill up the list.

        ``barred`` ones are never among them.
        """
        sources = moment.sources
        mask = sources.allowed.copy()
        if kind == "cross_category":
            mask &= of_other_category(moment.view.schema, moment.connections, item)
        mask[item] = False
        if barred is not None and barred.size:
            mask[barred] = False
        listed = self._arranged(moment, self._scores(kind, moment, item), stage, n, mask, np.array([item], np.int32))
        baskets = self.baskets(sources.num_items) if kind == "bought_together" else None
        if baskets is None or not baskets.invoiced:
            return listed
        common = baskets.together(item)
        return replace(listed, together={i: int(common[i]) for i in listed.item_index.tolist() if common[i]})

    @stage("trending")
    def trending(self, moment: Moment, window_s: int, n: int, stage: Stage) -> Listed:
        """What is chosen most within a window before the newest event, then popular items."""
        num_items = moment.sources.num_items
        now_s = int(self._clock())
        newest = self._activity.newest_s(now_s)
        recent = Activity.joined([]) if newest is None else self._activity.between(newest - window_s, now_s)
        recent = recent.where(recent.item_index < num_items)  # an item may have come a moment ago
        scores = trending_scores(recent, window_s, num_items, now_s=now_s)
        return self._arranged(
            moment,
            [("trending", lambda: SourceScores(("trending",), scores[None, :]))],
            stage,
            n,
            moment.sources.allowed.copy(),
            np.empty(0, np.int32),
        )

    def _scores(self, kind: RelatedKind, moment: Moment, item: int) -> list[Scores]:
        """What ranks a kind, and what ranks the places that are left; each is computed when it is needed."""
        sources, families = moment.sources, self._families
        num_items = sources.num_items

        def similar() -> SourceScores | Alike:
            found = self._rows_alike(sources)
            if found is None:
                return similar_scores(sources.operators, families, item, num_items)
            return Alike(*found, item)

        if kind == "similar":
            return [("similar", similar)]

        @_once
        def baskets() -> FloatArray:
            return self.baskets(num_items).scores(item)

        @_once
        def alike() -> FloatArray:
            return same_need(moment.connections, sources.operators.get("text"), item)

        @_once
        def behaviour() -> SourceScores:
            return behaviour_scores(sources.operators, families, item, num_items)

        def together() -> SourceScores:
            return SourceScores(("baskets",), baskets()[None, :])

        if kind == "bought_together":
            return [("baskets", together), ("similar", similar)]
        if kind == "cross_category":
            return [("baskets", together), ("behaviour", behaviour)]

        @_once
        def complementary() -> SourceScores:
            return complementary_scores(baskets(), alike(), curated_complements(moment.view, item))

        @_once
        def other_need() -> SourceScores:
            said = behaviour()
            return SourceScores(said.names, np.asarray(said.value * (1.0 - alike()) ** OTHER_NEED, np.float32))

        return [("complementary", complementary), ("behaviour", other_need)]

    def _rows_alike(self, sources: Sources) -> tuple[tuple[str, ...], ItemRows] | None:
        """What sees likeness, worked out once for as long as the sources are the same."""
        kept = self._alike
        if kept is None or kept[0] is not sources:
            kept = self._alike = sources, rows_alike(sources.operators, self._families, sources.num_items)
        return kept[1]

    def _arranged(
        self, moment: Moment, scores: list[Scores], stage: Stage, n: int, mask: Mask, history: IntArray
    ) -> Listed:
        """``mask`` is of what may be shown of what is allowed at all. Shape (I,)."""
        sources = moment.sources

        def rank(allowed: Mask | None, k: int) -> Listed:
            return _listed(sources, scores, k, mask if allowed is None else mask & allowed, stage.bias)

        def pinnable() -> Mask:
            return mask if stage.allowed is None else mask & stage.allowed

        alike = partial(likeness, moment.connections, sources.operators)
        return Arranging(moment.view, stage, rank, alike, pinnable, history).of(n)

    def baskets(self, num_items: int) -> Baskets:
        """The baskets of the snapshot and those since.

        What left them stays until the next release, but not the baskets of users who are gone.
        """
        version = self._bought.version
        with self._building:
            gone = self._users_gone()
            if self._baskets is None or gone.size != self._gone.size:
                base = Activity.of(self._snapshot, self._bought_specs)
                if self._until_s is not None:
                    base = base.where(base.timestamp_s < self._until_s)
                base = base.where(~np.isin(base.user_index, gone)) if gone.size else base
                self._baskets, self._gone, self._now = Baskets.of(base, self._known_items), gone, None
            if self._now is None or self._now[0] != (version, num_items):
                since = self._bought.since_snapshot()
                since = since.where(since.item_index < num_items)
                later = Baskets.of(since, num_items)
                now = self._baskets.with_later(later) if len(since) else self._baskets.grown(num_items)
                self._now = ((version, num_items), now)
            return self._now[1]

    def _users_gone(self) -> IntArray:
        """Rows of the snapshot's users who are not there any more, looked for only when some user changed."""
        user_type = self._view.schema.user_type
        state = self._view.state_of(user_type)
        if self._users is None or self._users[0] is not state:
            missing = self._view.missing(user_type)
            self._users = (state, missing[missing < len(self._snapshot.nodes(user_type))])
        return self._users[1]


def _once(make: Callable[[], T]) -> Callable[[], T]:
    """What makes something the first time it is asked, and keeps it for as long as the asker; cheap to set up."""
    made: list[T] = []

    def read() -> T:
        if not made:
            made.append(make())
        return made[0]

    return read


def _listed(sources: Sources, stages: list[Scores], n: int, mask: Mask, bias: FloatArray | None) -> Listed:
    """The best of a mask by the first scores, then by the next, then popular items."""
    shut = ~mask
    factor = None if bias is None else np.exp(bias)
    items, score, contributions = np.empty(0, np.int32), np.empty(0, np.float32), Contributions.none(0)
    fallback = None
    for number, (name, read) in enumerate(stages):
        said = read()
        found, total, spoken = said.best(shut, n - items.size, factor)
        if not number and found.size == n:
            return Listed(found, total, spoken, None)
        shut[found] = True
        if items.size:
            floor = float(score.min()) - float(total[0]) if found.size else 0.0
            found, total = np.concatenate([items, found]), np.concatenate([score, floor + total])
            contributions = contributions.then(spoken)
        else:
            contributions = spoken
        fallback = name if number and found.size > items.size else fallback
        items, score = found, total.astype(np.float32, copy=False)
        if items.size >= n:
            break
    ranked = items.size
    items, score = fill_up(sources, items, score, n, shut, bias)
    if items.size > ranked:
        contributions, fallback = contributions.then(Contributions.none(items.size - ranked)), POPULARITY
    return Listed(items, score, contributions, fallback)
