"""Two clients with the same methods, one that waits and one to be awaited."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import httpx2
import msgspec

from api.client import calls, changes
from api.client.call import Call
from api.client.errors import ApiProblem, Unreachable, problem_from
from api.client.retries import AGAIN, Retries
from graph.errors import KindredError

P = ParamSpec("P")
T = TypeVar("T")


def _waiting(build: Callable[P, Call[T]]) -> Callable[Concatenate[Kindred, P], T]:
    """A method of :class:`Kindred` that makes this call."""

    @wraps(build)
    def method(self: Kindred, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.ask(build(*args, **kwargs))

    return method


def _awaited(build: Callable[P, Call[T]]) -> Callable[Concatenate[AsyncKindred, P], Coroutine[Any, Any, T]]:
    """A method of :class:`AsyncKindred` that makes this call."""

    @wraps(build)
    async def method(self: AsyncKindred, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.ask(build(*args, **kwargs))

    return method


class Kindred:
    """Asks a server. Keeps its connections; close it, or use it in a ``with`` block. Safe to use from several threads.

    Raises, from every method:
        ApiProblem: when the server refuses, after the retries that make sense.
        Unreachable: when no answer came.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        api_key: str | None = None,
        timeout_s: float = 5.0,
        retries: Retries | None = None,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self._http = httpx2.Client(
            base_url=url, headers=_headers(api_key), timeout=timeout_s, transport=transport, trust_env=False
        )
        self._retries = retries or Retries()

    def ask(self, call: Call[T]) -> T:
        """The reply to a call."""
        for attempt in range(1, self._retries.attempts + 1):
            try:
                return _reply(call, self._http.request(**_request(call)))
            except (ApiProblem, httpx2.TransportError) as error:
                time.sleep(_wait_s(error, call, attempt, self._retries))
        raise AssertionError("the last attempt raises")

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    related = _waiting(calls.related)
    recommendations = _waiting(calls.recommendations)
    recommend = _waiting(calls.recommend)
    trending = _waiting(calls.trending)
    search = _waiting(calls.search)
    suggest = _waiting(calls.suggest)
    item = _waiting(calls.item)
    rank = _waiting(calls.rank)
    audience = _waiting(calls.audience)
    attributes = _waiting(calls.attributes)
    profile = _waiting(calls.profile)
    export_user = _waiting(calls.export_user)
    explain = _waiting(calls.explain)
    what_if = _waiting(calls.what_if)
    neighbors = _waiting(calls.neighbors)
    paths = _waiting(calls.paths)
    problems = _waiting(calls.problems)
    rules = _waiting(calls.rules)
    models = _waiting(calls.models)
    evaluations = _waiting(calls.evaluations)
    ready = _waiting(calls.ready)
    post_events = _waiting(changes.post_events)
    put_item = _waiting(changes.put_item)
    change_item = _waiting(changes.change_item)
    delete_item = _waiting(changes.delete_item)
    write_items = _waiting(changes.write_items)
    put_edges = _waiting(changes.put_edges)
    delete_edges = _waiting(changes.delete_edges)
    change_user = _waiting(changes.change_user)
    erase_user = _waiting(changes.erase_user)
    put_rules = _waiting(changes.put_rules)
    activate = _waiting(changes.activate)
    rollback = _waiting(changes.rollback)


class AsyncKindred:
    """:class:`Kindred`, to be awaited."""

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        api_key: str | None = None,
        timeout_s: float = 5.0,
        retries: Retries | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._http = httpx2.AsyncClient(
            base_url=url, headers=_headers(api_key), timeout=timeout_s, transport=transport, trust_env=False
        )
        self._retries = retries or Retries()

    async def ask(self, call: Call[T]) -> T:
        """The reply to a call."""
        for attempt in range(1, self._retries.attempts + 1):
            try:
                return _reply(call, await self._http.request(**_request(call)))
            except (ApiProblem, httpx2.TransportError) as error:
                await asyncio.sleep(_wait_s(error, call, attempt, self._retries))
        raise AssertionError("the last attempt raises")

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    related = _awaited(calls.related)
    recommendations = _awaited(calls.recommendations)
    recommend = _awaited(calls.recommend)
    trending = _awaited(calls.trending)
    search = _awaited(calls.search)
    suggest = _awaited(calls.suggest)
    item = _awaited(calls.item)
    rank = _awaited(calls.rank)
    audience = _awaited(calls.audience)
    attributes = _awaited(calls.attributes)
    profile = _awaited(calls.profile)
    export_user = _awaited(calls.export_user)
    explain = _awaited(calls.explain)
    what_if = _awaited(calls.what_if)
    neighbors = _awaited(calls.neighbors)
    paths = _awaited(calls.paths)
    problems = _awaited(calls.problems)
    rules = _awaited(calls.rules)
    models = _awaited(calls.models)
    evaluations = _awaited(calls.evaluations)
    ready = _awaited(calls.ready)
    post_events = _awaited(changes.post_events)
    put_item = _awaited(changes.put_item)
    change_item = _awaited(changes.change_item)
    delete_item = _awaited(changes.delete_item)
    write_items = _awaited(changes.write_items)
    put_edges = _awaited(changes.put_edges)
    delete_edges = _awaited(changes.delete_edges)
    change_user = _awaited(changes.change_user)
    erase_user = _awaited(changes.erase_user)
    put_rules = _awaited(changes.put_rules)
    activate = _awaited(changes.activate)
    rollback = _awaited(changes.rollback)


def _headers(api_key: str | None) -> Mapping[str, str]:
    return {} if api_key is None else {"Authorization": f"Bearer {api_key}"}


def _request(call: Call[Any]) -> dict[str, Any]:
    request: dict[str, Any] = {
        "method": call.method,
        "url": call.target,
        "params": call.sent_query,
        "headers": dict(call.headers),
    }
    if call.body is not None:
        request["content"] = msgspec.json.encode(call.body)
        request["headers"]["Content-Type"] = "application/json"
    return request


def _reply(call: Call[T], response: httpx2.Response) -> T:
    if response.status_code >= 400:
        raise problem_from(response.status_code, response.content, response.headers.get("retry-after"))
    try:
        return msgspec.json.decode(response.content, type=call.reply)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise KindredError(
            "the reply is not one this client knows",
            got=error,
            where=f"{call.method} {call.route}",
            remedy="Use the client that came with the server's version.",
        ) from error


def _wait_s(error: ApiProblem | httpx2.TransportError, call: Call[Any], attempt: int, retries: Retries) -> float:
    """Seconds until the next try; raises the error itself where trying again is no use, or not harmless."""
    last = attempt == retries.attempts or not call.repeatable
    if isinstance(error, ApiProblem):
        if last or error.status not in AGAIN:
            raise error
        return retries.wait_s(attempt, error.retry_after_s)
    if last:
        raise Unreachable(
            f"no answer after {attempt} tries: {type(error).__name__}",
            remedy="Is the server running? kindred serve starts it.",
        ) from error
    return retries.wait_s(attempt, None)
