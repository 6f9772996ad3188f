"""The engine: from a request to ranked items with their reasons, over a release and the live graph."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any

import numpy as np

from api.engine.answer import Answer, RankedItem, Reason
from api.engine.finding.live import LiveItems
from api.engine.finding.part import SearchPart
from api.engine.finding.suggestions import Suggestion
from api.engine.listed import POPULARITY, Listed
from api.engine.lists.audience import Audience, audience
from api.engine.lists.finder import Finder
from api.engine.lists.newcomers import Demographics, read_interests
from api.engine.lists.ranking import ranked
from api.engine.lists.recommending import Asked, recommended
from api.engine.lists.scoring import Scored, scored
from api.engine.lists.session import Session, resolve
from api.engine.payload import Policy, engine_part, family_of
from api.engine.phrases import THIS_ITEM, Language
from api.engine.reading import NOBODY, profile_of
from api.engine.reasons.evidence import EvidenceSearch
from api.engine.reasons.telling import Told, shares_of
from api.engine.related.items import RelatedItems
from api.engine.request import RELATED_KINDS, RelatedKind, Request, check_n, window_seconds
from api.engine.sources.current import snapshot_popularity
from api.engine.sources.folding import Folding, fold_ins_of
from api.engine.sources.keeper import Moment, SourceKeeper
from api.engine.steering import NO_RULES, NO_STEERING, Rules, Stage, Stages, Steering
from gnn.data.histories import Histories, History, IntArray
from gnn.fusion import FusedRanker
from gnn.operators import Operator
from gnn.operators.foldin import ItemFoldIn
from graph.courtesy import stand_back
from graph.errors import InputError, NotFound
from graph.overlay import Overlay
from graph.release import Release
from graph.view import GraphView

WARMING_ITEMS = 3
"""Items of the history that is answered before any request."""


class Engine:
    """Answers from the graph as it is now. Safe to use from several threads; a :class:`gnn.ranker.Ranker` too.

    ``view`` is the graph, ``overlay`` the overlay it reads, if any. ``ranker`` fuses sources that were fitted on the
    view's snapshot; ``operators`` are further ones, for related items. ``options`` are those the curated sources
    (attributes, relations) were fitted with, to fit them again when their edges change. ``until_s`` keeps later
    baskets out, for evaluation.
    """

    def __init__(
        self,
        view: GraphView,
        ranker: FusedRanker,
        *,
        overlay: Overlay | None = None,
        operators: Mapping[str, Operator] | None = None,
        families: Mapping[str, str] | None = None,
        options: Mapping[str, Mapping[str, Any]] | None = None,
        policy: Policy | None = None,
        finding: SearchPart | None = None,
        fold_ins: Mapping[str, ItemFoldIn] | None = None,
        release_id: str | None = None,
        trained_at: str | None = None,
        rules: Callable[[], Rules] = lambda: NO_RULES,
        until_s: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.view = view
        self.policy = policy or Policy()
        self.release_id = release_id
        self.trained_at = trained_at
        self._schema = view.schema
        self._item_type = view.schema.item_type
        everything = {**(operators or {}), **ranker.operators}
        self._families = {name: family_of(name) for name in everything} | dict(families or {})
        part = finding or SearchPart(view.snapshot, snapshot_popularity(everything, view.snapshot))
        self._live_items = LiveItems(part.encoder, lambda: part.items)
        folding = Folding(len(view.snapshot.nodes(view.schema.item_type)), part.meanings, fold_ins or {})
        self._keeper = SourceKeeper(view, overlay, ranker, everything, options or {}, self._live_items, folding)
        self._finder = Finder(part, self._live_items)
        self._related = RelatedItems(view, overlay, self._families, clock, until_s=until_s)
        self._clock = clock
        self._demographics = Demographics(view)
        self.stages = Stages(view.schema, rules)

    @classmethod
    def from_release(
        cls,
        release: Release,
        overlay: Overlay | None = None,
        *,
        rules: Callable[[], Rules] = lambda: NO_RULES,
        clock: Callable[[], float] = time.time,
    ) -> Engine:
        """The engine of a release over its snapshot, and over what an overlay adds to it.

        Raises:
            ReleaseError: when the release's engine part is damaged or of another format.
        """
        part = engine_part(release)
        stand_back()
        engine = cls(
            GraphView(release.snapshot, overlay),
            FusedRanker(part.operators, part.weights),
            overlay=overlay,
            operators=part.operators,
            families=part.families,
            options=part.options,
            policy=part.policy,
            finding=SearchPart.from_release(release, snapshot_popularity(part.operators, release.snapshot)),
            fold_ins=fold_ins_of(release),
            release_id=release.id,
            trained_at=release.created_at.isoformat(),
            rules=rules,
            clock=clock,
        )
        engine.warm_up()
        return engine

    def over(self, view: GraphView) -> Engine:
        """This engine over another view of the same snapshot, e.g. one with imagined edits; both live on."""
        other = copy(self)
        other.view = view
        other._keeper = self._keeper.over(view)
        other._live_items = other._keeper.items
        other._finder = self._finder.over(other._live_items)
        other._related = self._related.over(view)
        return other

    def now(self) -> Moment:
        """The graph and the sources as of now, to ask several things of one moment."""
        return self._keeper.current()

    @property
    def families(self) -> Mapping[str, str]:
        """Source → family."""
        return self._families

    @property
    def version(self) -> tuple[str, int, int]:
        """What moves whenever an answer may differ, rules and the time of day aside."""
        return self._keeper.version

    def warm_up(self) -> None:
        """Build what is otherwise built on first use, so that no request waits for it."""
        moment = self._keeper.current()
        stand_back()
        _ = moment.connections
        stand_back()
        self._related.warm_up(moment.sources.num_items)
        stand_back()
        item_type = self._schema.item_type
        liked = [moment.view.id_of(item_type, int(item)) for item in moment.sources.by_popularity[:WARMING_ITEMS]]
        if liked:  # the loops are compiled for these arrays now, half a minute on a machine that never did
            self.recommend(Request(items=tuple(liked), reasons=True))
            stand_back()
            self.related(liked[0])

    def search(
        self,
        query: str,
        n: int = 10,
        *,
        user_id: str | None = None,
        reasons: bool = False,
        language: Language = "en",
        steering: Steering = NO_STEERING,
    ) -> Answer:
        """Items for a query, by their words and their meaning, ordered for a user who is known.

        The list may be shorter than ``n``: what does not match is not in it.

        Raises:
            InputError: for an ``n`` out of range, or a filter that cannot be used.
        """
        moment, user = self._keeper.current(), None
        if user_id is not None:
            user = moment.view.index_of(self._schema.user_type, user_id)
        stage = self.stage(moment, steering)
        listed = self._finder.listed(moment, query, check_n(n), user_index=user, allowed=stage.allowed, bias=stage.bias)
        search = self._search(moment, np.empty(0, np.int32), listed) if reasons else None
        told = None if search is None else Told.of(search, listed.item_index.tolist(), language=language)
        unknown = (user_id,) if user_id is not None and user is None else ()
        return self._answer(moment, listed, told, unknown_ids=unknown)

    def suggest(self, text: str, n: int = 10) -> list[Suggestion]:
        """Titles, brands and categories that begin like ``text``, the most popular first; slips are forgiven."""
        return self._finder.suggest(self._keeper.current(), text, check_n(n))

    def settle(self) -> bool:
        """Encode some of the new items' texts that still wait, after a large import; whether more are left.

        The first time it also loads what search needs.
        """
        self._finder.warm_up()
        self._keeper.refresh()
        return self._live_items.encode_pending() > 0

    def refresh(self) -> bool:
        """Take the graph's changes into the sources; whether anything moved. Answers do it by themselves."""
        return self._keeper.refresh()

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the fused sources."""
        return self._keeper.current().sources.ranker.sources

    def histories(self, user_ids: Sequence[str]) -> Histories:
        """The histories of users as of now, one row each; empty for an unknown user."""
        view = self._keeper.current().view
        rows = [view.index_of(self._schema.user_type, user_id) for user_id in user_ids]
        histories = [NOBODY.history if row is None else profile_of(view, row).history for row in rows]
        num_items = view.num_nodes(self._schema.item_type)
        return Histories.over(histories, num_items, [-1 if row is None else row for row in rows])

    def rank(self, histories: Histories, k: int, *, repeats: bool = False) -> IntArray:
        """The best ``k`` items of each history, by the lines that :meth:`recommend` runs. Shape (B, k)."""
        exclude = histories.none() if repeats else None
        return ranked(self._keeper.current().sources, histories, k, exclude=exclude).item_index

    def stage(self, moment: Moment, steering: Steering = NO_STEERING, user_index: int = -1) -> Stage:
        """What filters, rules and a request's own wishes say of every item at a moment."""
        num_items = moment.sources.num_items
        return self.stages.of(moment.view, num_items, steering, user_index=user_index, now_s=self._clock())

    def recommend(self, request: Request) -> Answer:
        """Items for a user, a session, a cart, or a newcomer.

        Raises:
            InputError: when a filter of the request, or what else steers it, cannot be used.
        """
        moment = self._keeper.current()
        sources = moment.sources
        session = self._resolve(moment, request)
        asked = self._asked(moment, session, request)
        listed = recommended(moment, asked, request.n, demographics=self._demographics)
        told = None
        if request.reasons:
            search = self._search(moment, asked.history, listed, session.user_index)
            told = Told.of(search, listed.item_index.tolist(), language=request.language)
            told = told.with_costs(sources, asked.past, session.user_index, asked.shut, asked.stage.allowed)
        return self._answer(moment, listed, told, unknown_ids=asked.unknown_ids)

    def scored(self, request: Request, items: Sequence[int]) -> Scored:
        """The scores :meth:`recommend` would give to some items, whether it would show them or not."""
        moment = self._keeper.current()
        return scored(moment, self._asked(moment, self._resolve(moment, request), request), items)

    def _resolve(self, moment: Moment, request: Request) -> Session:
        return resolve(moment.view, request, int(self._clock()))

    def _asked(self, moment: Moment, session: Session, request: Request) -> Asked:
        stage = self.stage(moment, request.steering, session.user_index)
        picks = read_interests(moment.view, moment.sources, self.stages.masks, request.interests)
        session = session.after(picks.items)
        past = History.of(picks.typical).then(session.past) if picks.typical.size else session.past
        there = moment.sources.allowed[past.item_index]
        return Asked(
            session,
            stage.weighed(picks.weighing),
            past if there.all() else past.where(there),
            self.policy.repeat if request.repeat is None else request.repeat,
            tuple(dict.fromkeys([*session.unknown_ids, *picks.unknown_ids, *stage.unknown_ids])),
        )

    def audience(self, item_id: str, n: int = 10) -> Audience:
        """The users an item is for, without those who have it.

        Raises:
            NotFound: when the graph holds no such item.
        """
        moment = self._keeper.current()
        view, sources = moment.view, moment.sources
        item = view.index_of(self._schema.item_type, item_id)
        if item is None:
            raise NotFound("no such item", got=item_id, remedy="Ask for an item that is in the graph.")
        last_s = self._related.last_s(view.num_nodes(self._schema.user_type))
        return audience(view, sources.ranker, item, check_n(n), num_items=sources.num_items, last_s=last_s)

    def related(
        self,
        item_id: str,
        kind: RelatedKind = "similar",
        n: int = 10,
        *,
        user_id: str | None = None,
        reasons: bool = False,
        language: Language = "en",
        steering: Steering = NO_STEERING,
    ) -> Answer:
        """Items related to one item, without those that the user ``user_id``, if any, has dealt with.

        ``similar`` meets the same need, ``bought_together`` lies in the same basket, ``complementary`` does so for
        another need, and ``cross_category`` goes with the item but shares no category with it.

        Raises:
            NotFound: when the graph holds no such item.
            InputError: for a kind that is not served, an ``n`` out of range, or a filter that cannot be used.
        """
        if kind not in RELATED_KINDS:
            raise InputError("unknown kind of related items", expected=" or ".join(RELATED_KINDS), got=kind)
        check_n(n)
        moment = self._keeper.current()
        item = moment.view.index_of(self._item_type, item_id)
        if item is None:
            raise NotFound("no such item", got=item_id, remedy="Ask for an item that is in the graph.")
        user = self._resolve(moment, Request(user_id))
        stage = self.stage(moment, steering, user.user_index)
        listed = self._related.of(kind, moment, item, n, stage, barred=None if self.policy.repeat else user.seen)
        search = self._search(moment, np.array([item], np.int32), listed) if reasons else None
        here = THIS_ITEM[language]
        told = (
            None if search is None else Told.of(search, listed.item_index.tolist(), language=language, anchor_name=here)
        )
        return self._answer(moment, listed, told, unknown_ids=(*user.unknown_ids, *stage.unknown_ids))

    def trending(
        self,
        window: str = "7d",
        n: int = 10,
        *,
        reasons: bool = False,
        language: Language = "en",
        steering: Steering = NO_STEERING,
    ) -> Answer:
        """What is chosen most just now, within a window before the newest event; then the most popular.

        Raises:
            InputError: for a window that cannot be read, an ``n`` out of range, or a filter that cannot be used.
        """
        moment = self._keeper.current()
        stage = self.stage(moment, steering)
        listed = self._related.trending(moment, window_seconds(window), check_n(n), stage)
        search = self._search(moment, np.empty(0, np.int32), listed) if reasons else None
        told = None if search is None else Told.of(search, listed.item_index.tolist(), language=language)
        return self._answer(moment, listed, told)

    def _search(self, moment: Moment, history: IntArray, listed: Listed, user_index: int = -1) -> EvidenceSearch:
        return EvidenceSearch(moment.view, moment.connections, history, listed.item_index, user_index, listed.together)

    def _answer(
        self,
        moment: Moment,
        listed: Listed,
        told: Told | None,
        *,
        unknown_ids: tuple[str, ...] = (),
    ) -> Answer:
        view, rows = moment.view, listed.item_index.tolist()
        named, strongest = view.all_named(self._item_type, rows), listed.contributions.strongest()
        reasons: list[tuple[Reason, ...]] = [()] * len(rows) if told is None else self._reasons(view, told, listed)
        columns = zip(rows, named, listed.score.tolist(), strongest, reasons, strict=True)
        items = [
            RankedItem(item_id, row, title, score, rank, sources or (POPULARITY,), why, listed.promotions.get(row))
            for rank, (row, (item_id, title), score, sources, why) in enumerate(columns, 1)
        ]
        return Answer(tuple(items), listed.fallback, unknown_ids, self.release_id, self.trained_at, view.watermark)

    def _reasons(self, view: GraphView, told: Told, listed: Listed) -> list[tuple[Reason, ...]]:
        return [
            told.reasons_for(view, row, shares_of(listed.contributions[at] or {POPULARITY: 1.0}, self._families))
            for at, row in enumerate(listed.item_index.tolist())
        ]
