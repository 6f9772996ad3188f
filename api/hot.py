"""The two lists that are asked for most, answered without the framework's way through a request.

Only a request that is right in every respect is answered here, by the same models and the same engine calls as the
routes, which describe it; whatever else comes goes on to the routes, and they say what is wrong with it.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api.engine.answer import Answer
from api.engine.phrases import language_of
from api.engine.steering import NO_RULES, Rules
from api.envelope import envelope_of, parse_include
from api.ids import new_id
from api.kept import AnswerCache, Basis, KeptAnswer
from api.limits import checked_id
from api.parts import Parts
from api.problems import problem_response
from api.routes.answers import (
    RecommendationsQuery,
    RelatedQuery,
    recommend,
    recommendations_request,
    related_answer,
)
from api.routes.events import post_events
from api.serving import Live
from api.short import Pace, ShortCalls
from api.turns import EachTurn
from graph.errors import InputError, KindredError

_JSON = (b"content-type", b"application/json")
_MAX_KEY = 1024
"""A longer request is answered, but not kept."""
_LONGEST_QUERY = 16_384
_NAMING_NOBODY = frozenset({"n", "kind", "include"})
"""Parameters that are the same for many who ask; checking a query costs more than all else around a computed list."""
_SHORT_QUERY, _MOST_QUERIES = 128, 1024
_PLAIN_ITEMS = 100
"""A list that asks for more is long whatever it costs to find."""
_queries: dict[tuple[_Template, bytes], tuple[RelatedQuery | RecommendationsQuery, frozenset[str], bool]] = {}


class _Template(NamedTuple):
    """What the log and the counters need of the route that would have matched."""

    path_format: str


_RELATED = _Template("/v1/items/{item_id}/related")
_RECOMMENDATIONS = _Template("/v1/users/{user_id}/recommendations")
_ITEMS, _OF_ITEM = "/v1/items/", "/related"
_USERS, _OF_USER = "/v1/users/", "/recommendations"


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request as the engine takes it."""

    subject_id: str
    query: RelatedQuery | RecommendationsQuery
    include: frozenset[str]
    accepted: str | None
    is_plain: bool
    """Whether it names nobody, and asks for nothing beside a list of a few items."""

    @property
    def reads_one_row(self) -> bool:
        """Whether the engine reads but one row of each source, whatever is asked for."""
        query = self.query
        return isinstance(query, RelatedQuery) and query.kind == "similar" and self.is_plain

    @property
    def kind(self) -> str:
        """As what the list is kept for attribution."""
        return f"related:{self.query.kind}" if isinstance(self.query, RelatedQuery) else "recommendations"

    def answer(self, live: Live) -> Answer:
        """What the engine says."""
        query = self.query
        reasons, language = "reasons" in self.include, language_of(query.lang, self.accepted)
        if isinstance(query, RelatedQuery):
            return related_answer(live.engine, self.subject_id, query, reasons, language)
        return live.engine.recommend(
            replace(recommendations_request(self.subject_id, query, language), reasons=reasons)
        )


Handler: TypeAlias = Callable[[Request], Awaitable[Response]]
_DIRECT: Mapping[tuple[str, str], tuple[_Template, Handler]] = {
    ("POST", "/v1/recommendations"): (_Template("/v1/recommendations"), recommend),
    ("POST", "/v1/events"): (_Template("/v1/events"), post_events),
}
"""Routes that read nothing but their body, so that calling them is all there is to do."""


class HotAnswers:
    """Answers related items and recommendations from the cache, else from the engine; calls what needs no routing.

    Everything else passes by.
    """

    def __init__(self, app: ASGIApp, parts: Parts) -> None:
        self._app = app
        self._parts = parts
        self._cache = AnswerCache(parts.settings.answer_cache_megabytes << 20)
        self._rules: tuple[Rules, bool] = NO_RULES, False
        self._basis = EachTurn(self._basis_now)
        self._pace, self._short = Pace(), ShortCalls(parts.settings.engine_waiting)
        self._keeps = parts.settings.answer_cache_megabytes > 0
        self._hits, self._misses = (parts.metrics.answer_cache.labels(outcome) for outcome in ("hit", "miss"))

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        route = _route_of(scope)
        if route is not None:
            scope["route"] = route
            return self._list(route, scope, receive, send)
        direct = None if scope["type"] != "http" else _DIRECT.get((scope["method"], scope["path"]))
        if direct is None or scope.get("root_path"):
            return self._app(scope, receive, send)
        scope["route"] = direct[0]
        return _called(direct[1], scope, receive, send)

    async def _list(self, route: _Template, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        try:
            kept = await self._answered(route, scope, began)
        except KindredError as error:
            await problem_response(error, scope["state"]["request_id"])(scope, receive, send)
            return
        if kept is None:
            await self._app(scope, receive, send)
            return
        if kept.fallback is not None and route is _RECOMMENDATIONS:
            self._parts.metrics.fallbacks.labels(kept.fallback).inc()
        recommendation_id = new_id()
        self._parts.given.note_kept(recommendation_id, kept.given)
        body = kept.body(recommendation_id, (time.perf_counter() - began) * 1000)
        headers = [(b"content-length", str(len(body)).encode()), _JSON]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answered(self, route: _Template, scope: Scope, began: float) -> KeptAnswer | None:
        """The answer; ``None`` for a request that is not plainly right."""
        accepted = _header(scope, b"accept-language")
        key = (scope["path"], scope["query_string"], accepted)
        basis: Basis | None = None
        if self._keeps and len(key[0]) + len(key[1]) + len(accepted or "") <= _MAX_KEY:
            basis = self._basis()
            if basis is not None and (kept := self._cache.get(basis, key)) is not None:
                self._hits.inc()
                return kept
        asked = _asked(route, scope, accepted)
        if asked is None:
            return None
        kept = await self._made(asked, began)
        if basis is not None:
            self._misses.inc()
            self._cache.put(basis, key, kept)
        return kept

    async def _made(self, asked: _Asked, began: float) -> KeptAnswer:
        """The answer from the engine: made here when that should take less than handing it over, else in a thread."""
        if not asked.reads_one_row:
            return await self._parts.lane.run(_computed, asked, self._parts, began)
        if self._pace.is_quick:
            kept = await self._short.run(lambda: self._made_here(asked, began))
            if kept is not None:
                return kept
        return await self._parts.lane.run(self._pace.timed, self._basis(), _computed, asked, self._parts, began)

    def _made_here(self, asked: _Asked, began: float) -> KeptAnswer | None:
        """The answer, unless something is new since the last one."""
        basis = self._basis()
        if not self._is_short(basis):
            return None
        return self._pace.timed(basis, _computed, asked, self._parts, began)

    def _is_short(self, basis: Basis | None) -> bool:
        """Whether an answer that reads one row of each source is expected to be short, with nothing new to take in."""
        live = self._parts.serving.found
        if basis is None or live is None or not self._pace.is_short(basis):
            return False
        return basis[:2] == (live.release_id, live.engine.version)

    def _basis_now(self) -> Basis | None:
        """Everything an answer depends on beside its request; ``None`` while it depends on the time of day too."""
        parts = self._parts
        rules = parts.rules()
        if rules is not self._rules[0]:
            self._rules = rules, _has_times(rules)
        live = parts.serving.found
        if live is None or self._rules[1]:
            return None
        return live.release_id, live.engine.version, rules, parts.serving.stale


async def _called(handler: Handler, scope: Scope, receive: Receive, send: Send) -> None:
    try:
        reply = await handler(Request(scope, receive))
    except KindredError as error:
        reply = problem_response(error, scope["state"]["request_id"])
    await reply(scope, receive, send)


def _computed(asked: _Asked, parts: Parts, began: float) -> KeptAnswer:
    """An answer from the engine, encoded; in the engine's thread."""
    live = parts.serving.live
    answer = asked.answer(live)
    envelope = envelope_of(answer, live, include=asked.include, stale=parts.serving.stale, began=began)
    parts.metrics.count_listed(asked.kind, envelope)
    return KeptAnswer.of(envelope, asked.kind)


def _route_of(scope: Scope) -> _Template | None:
    """Which of the two routes a request is for, if it is."""
    if scope["type"] != "http" or scope["method"] != "GET":
        return None
    path: str = scope["path"]
    if path.startswith(_ITEMS) and path.endswith(_OF_ITEM) and len(path) > len(_ITEMS) + len(_OF_ITEM):
        route = _RELATED
    elif path.startswith(_USERS) and path.endswith(_OF_USER) and len(path) > len(_USERS) + len(_OF_USER):
        route = _RECOMMENDATIONS
    else:
        return None
    return None if scope.get("root_path") or "\n" in path or len(scope["query_string"]) > _LONGEST_QUERY else route


def _asked(route: _Template, scope: Scope, accepted: str | None) -> _Asked | None:
    """The request, checked; ``None`` when anything about it is not right."""
    start, end = (_ITEMS, _OF_ITEM) if route is _RELATED else (_USERS, _OF_USER)
    try:
        query, include, is_plain = _query(route, scope["query_string"])
        return _Asked(checked_id(scope["path"][len(start) : -len(end)], "id"), query, include, accepted, is_plain)
    except (ValidationError, InputError, ValueError):
        return None


def _query(route: _Template, text: bytes) -> tuple[RelatedQuery | RecommendationsQuery, frozenset[str], bool]:
    """The parameters, what to include, and whether no other than those of a list are given; raises for a wrong one.

    Those of a short query that names nobody are kept.
    """
    kept = _queries.get((route, text))
    if kept is not None:
        return kept
    pairs = parse_qsl(text.decode("latin-1"), keep_blank_values=True)
    given: Mapping[str, Any] = dict(pairs)
    if len(given) != len(pairs):
        raise ValueError("a parameter is given twice")
    model: type[BaseModel] = RelatedQuery if route is _RELATED else RecommendationsQuery
    query = model.model_validate(given)
    assert isinstance(query, RelatedQuery | RecommendationsQuery)
    if isinstance(query, RelatedQuery) and query.user_id is not None:
        checked_id(query.user_id, "user_id")
    include, names_nobody = parse_include(query.include), given.keys() <= _NAMING_NOBODY
    read = query, include, names_nobody and not include and query.n <= _PLAIN_ITEMS
    if names_nobody and len(text) <= _SHORT_QUERY:
        if len(_queries) >= _MOST_QUERIES:
            _queries.clear()
        _queries[route, text] = read
    return read


def _header(scope: Scope, name: bytes) -> str | None:
    for key, value in scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return None


def _has_times(rules: Rules) -> bool:
    """Whether a rule holds only at some times."""
    parts = (rules.boosts, rules.promotions, rules.pins, rules.hidden, rules.caps)
    bound = [rule.when for part in parts for rule in part if rule.when is not None]
    return any((when.since, when.until, when.hours) != (None, None, None) for when in bound)
