"""The two lists that are asked for most, answered without the framework's way through a request.

Only a request that is right in every respect is answered here, by the same models and the same engine calls as the
routes, which describe it; whatever else comes goes on to the routes, and they say what is wrong with it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import ParamSpec, TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api.engine.steering import NO_RULES, Rules
from api.http.asked import (
    ITEMS,
    OF_ITEM,
    OF_USER,
    POSTED,
    RECOMMENDATIONS,
    RELATED,
    USERS,
    Asked,
    Template,
    read_in_full,
    read_list,
)
from api.http.envelope import envelope_of
from api.http.ids import new_id
from api.http.kept import AnswerCache, Basis, KeptAnswer
from api.http.problems import problem_response
from api.http.short import SHORT_S, TURN_S, Pace, ShortCalls
from api.http.turns import EachTurn
from api.parts import Parts
from api.routes.events import post_events
from graph.errors import KindredError

P = ParamSpec("P")

_JSON = (b"content-type", b"application/json")
ALONE_S = 0.01
"""For so long after somebody else asked, what the engine computes is not made as it is read."""
_MAX_KEY = 1024
"""A longer request is answered, but not kept."""
_LONGEST_QUERY = 16_384

Handler: TypeAlias = Callable[[Request], Awaitable[Response]]
_DIRECT: Mapping[tuple[str, str], tuple[Template, Handler]] = {
    ("POST", "/v1/events"): (Template("/v1/events"), post_events),
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
        self._in_threads = 0
        self._other_at = float("-inf")
        self._made_one = False
        self._keeps = parts.settings.answer_cache_megabytes > 0
        self._hits, self._misses = (parts.metrics.answer_cache.labels(outcome) for outcome in ("hit", "miss"))

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        route = _route_of(scope)
        if route is not None:
            scope["route"] = route
            return self._list(route, scope, receive, send)
        if scope["type"] != "http" or scope.get("root_path"):
            return self._app(scope, receive, send)
        if scope["path"] == POSTED.path_format and scope["method"] == "POST":
            scope["route"] = POSTED
            return self._in_full(scope, receive, send)
        self._other_at = time.perf_counter()
        direct = _DIRECT.get((scope["method"], scope["path"]))
        if direct is None:
            return self._app(scope, receive, send)
        scope["route"] = direct[0]
        return _called(direct[1], scope, receive, send)

    async def _list(self, route: Template, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        try:
            kept = await self._answered(route, scope, began)
        except KindredError as error:
            await problem_response(error, scope["state"]["request_id"])(scope, receive, send)
            return
        if kept is None:
            await self._app(scope, receive, send)
            return
        await self._give(kept, began, send, counts_fallback=route is RECOMMENDATIONS)

    async def _in_full(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Recommendations asked for by a body, which are kept nowhere."""
        try:
            asked = await read_in_full(Request(scope, receive))
            began = time.perf_counter()
            kept = await self._made(asked, began)
        except KindredError as error:
            await problem_response(error, scope["state"]["request_id"])(scope, receive, send)
            return
        await self._give(kept, began, send, counts_fallback=True)

    async def _give(self, kept: KeptAnswer, began: float, send: Send, *, counts_fallback: bool) -> None:
        """The reply under an id of its own, which is noted for attribution."""
        if kept.fallback is not None and counts_fallback:
            self._parts.metrics.fallbacks.labels(kept.fallback).inc()
        recommendation_id = new_id()
        self._parts.given.note_kept(recommendation_id, kept.given)
        body = kept.body(recommendation_id, (time.perf_counter() - began) * 1000)
        headers = [(b"content-length", str(len(body)).encode()), _JSON]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answered(self, route: Template, scope: Scope, began: float) -> KeptAnswer | None:
        """The answer; ``None`` for a request that is not plainly right."""
        accepted = _header(scope, b"accept-language")
        key = (scope["path"], scope["query_string"], accepted)
        basis: Basis | None = None
        if self._keeps and len(key[0]) + len(key[1]) + len(accepted or "") <= _MAX_KEY:
            basis = self._basis()
            if basis is not None and (kept := self._cache.get(basis, key)) is not None:
                self._hits.inc()
                self._other_at = began
                return kept
        asked = read_list(route, scope, accepted)
        if asked is None:
            return None
        kept = await self._made(asked, began)
        if basis is not None:
            self._misses.inc()
            self._cache.put(basis, key, kept)
        return kept

    async def _made(self, asked: Asked, began: float) -> KeptAnswer:
        """The answer from the engine: made here when that should take less than handing it over, else in a thread."""
        live = self._parts.serving.found
        rows = None if live is None else asked.rows_read(live)
        if rows is None:
            return await self._threaded(_computed, asked, self._parts, began)
        pace = self._pace
        kept: KeptAnswer | None = None
        if self._is_alone and pace.is_quick(rows, TURN_S):
            self._made_one = True
            kept = self._made_here(asked, rows, TURN_S, began)
            asyncio.get_running_loop().call_soon(self._end_turn)  # behind whoever came meanwhile
        elif rows == 1 and pace.is_quick(rows, SHORT_S):
            kept = await self._short.run(lambda: self._made_here(asked, rows, SHORT_S, began))
        if kept is not None:
            return kept
        return await self._threaded(pace.timed, self._basis(), rows, _computed, asked, self._parts, began)

    @property
    def _is_alone(self) -> bool:
        """Whether nobody waits for the engine, and just now nobody else asked for anything.

        Then whoever comes during a computation waits for it no longer than for a turn's short calls.
        """
        if self._in_threads or self._short or self._made_one:
            self._other_at = time.perf_counter()
            return False
        return time.perf_counter() - self._other_at > ALONE_S

    def _end_turn(self) -> None:
        self._made_one = False

    async def _threaded(self, work: Callable[P, KeptAnswer], *args: P.args, **kwargs: P.kwargs) -> KeptAnswer:
        self._in_threads += 1
        try:
            return await self._parts.lane.run(work, *args, **kwargs)
        finally:
            self._in_threads -= 1

    def _made_here(self, asked: Asked, rows: int, within_s: float, began: float) -> KeptAnswer | None:
        """The answer, unless something is new since the last one."""
        basis = self._basis()
        if not self._is_short(basis, rows, within_s):
            return None
        return self._pace.timed(basis, rows, _computed, asked, self._parts, began)

    def _is_short(self, basis: Basis | None, rows: int, within_s: float) -> bool:
        """Whether an answer that reads so many rows is expected to be short, with nothing new to take in."""
        live = self._parts.serving.found
        if basis is None or live is None or not self._pace.is_short(basis, rows, within_s):
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


def _computed(asked: Asked, parts: Parts, began: float) -> KeptAnswer:
    """An answer from the engine, encoded; in the engine's thread."""
    live = parts.serving.live
    answer = asked.answer(live)
    envelope = envelope_of(answer, live, include=asked.include, stale=parts.serving.stale, began=began)
    parts.metrics.count_listed(asked.kind, envelope)
    return KeptAnswer.of(envelope, asked.kind)


def _route_of(scope: Scope) -> Template | None:
    """Which of the two routes a request is for, if it is."""
    if scope["type"] != "http" or scope["method"] != "GET":
        return None
    path: str = scope["path"]
    if path.startswith(ITEMS) and path.endswith(OF_ITEM) and len(path) > len(ITEMS) + len(OF_ITEM):
        route = RELATED
    elif path.startswith(USERS) and path.endswith(OF_USER) and len(path) > len(USERS) + len(OF_USER):
        route = RECOMMENDATIONS
    else:
        return None
    return None if scope.get("root_path") or "\n" in path or len(scope["query_string"]) > _LONGEST_QUERY else route


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
