"""The Python client against the application: every call fits the description, retries help and end."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_type_hints

import httpx2
import msgspec
import pytest

from api.client import ApiProblem, AsyncKindred, Kindred, Retries, Unreachable, calls, changes
from api.client.call import Call
from tests.api.http_world import World, running

NOT_FOR_CLIENTS = {("GET", "/live"), ("GET", "/problems/{slug}")}
QUICK = Retries(first_s=0.001, longest_s=0.01)


def builders() -> dict[str, Callable[..., Call[Any]]]:
    """Every function that makes a call, by name."""
    return {
        name: build
        for module in (calls, changes)
        for name, build in inspect.getmembers(module, inspect.isfunction)
        if build.__module__ == module.__name__ and name[0] != "_"
    }


def example_of(build: Callable[..., Call[Any]]) -> Call[Any]:
    """A call with every argument given."""
    hints = get_type_hints(build)
    arguments, keywords = [], {}
    for name, parameter in inspect.signature(build).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            continue
        value = _value(name, str(hints[name]))
        if parameter.kind is parameter.KEYWORD_ONLY:
            keywords[name] = value
        else:
            arguments.append(value)
    return build(*arguments, **keywords)


def _value(name: str, hint: str) -> Any:
    known = {"n": 3, "limit": 3, "window": "7d", "direction": "both", "include": ("reasons",), "kind": "similar"}
    if name in known:
        return known[name]
    if name in ("rules", "request", "properties", "relations"):
        return {}
    if "Mapping" in hint:
        event = {"user_id": "u0", "item_id": "i0", "kind": "purchase"}
        return event if name == "events" and not hint.startswith("collections.abc.Iterable") else [event]
    return ["i0"] if "Sequence" in hint else "i0"


def in_world(folder: Path, scenario: Callable[[World, AsyncKindred], Any]) -> None:
    async def play() -> None:
        async with running(folder) as world:
            transport = httpx2.ASGITransport(world.app)
            async with AsyncKindred("http://shop", transport=transport, retries=QUICK) as client:
                await scenario(world, client)

    asyncio.run(play())


def test_every_described_route_has_a_call_and_every_call_fits_its_route(tmp_path: Path) -> None:
    async def scenario(world: World, _: AsyncKindred) -> None:
        paths = world.app.openapi()["paths"]
        described = {(method.upper(), path) for path, operations in paths.items() for method in operations}
        made = {name: example_of(build) for name, build in builders().items()}
        called = {(call.method, call.route) for call in made.values()}
        assert called == {route for route in described if not route[1].startswith("/api/")} - NOT_FOR_CLIENTS
        for name, call in made.items():
            operation = paths[call.route][call.method.lower()]
            taken = {(given["in"], given["name"]) for given in operation.get("parameters", ())}
            sent = {("path", key) for key in call.path} | {("query", key) for key in call.sent_query}
            assert sent <= taken, name
            assert {place for place in taken if place[0] == "path"} <= sent, name
            assert (call.body is not None) == ("requestBody" in operation), name

    in_world(tmp_path, scenario)


def test_both_clients_have_every_call() -> None:
    for name, build in builders().items():
        for client in (Kindred, AsyncKindred):
            assert inspect.unwrap(getattr(client, name)) is build


def test_it_asks_and_posts_and_ids_may_be_anything(tmp_path: Path) -> None:
    async def scenario(world: World, client: AsyncKindred) -> None:
        answer = await client.recommendations("u0", n=3, include=("reasons",))
        assert [item.rank for item in answer.items] == [1, 2, 3]
        for item_id in ("bag/red", "100%", "袋", "x?y#z", " spaced "):
            assert len((await client.related(item_id, n=2)).items) == 2
        event = {"user_id": "new", "item_id": "i0", "kind": "purchase"}
        done = await client.post_events(event, event)
        assert done.accepted == 2
        again = await client.post_events({**event, "event_id": done.event_ids[0]})
        assert (again.accepted, again.duplicates) == (0, 1)
        assert (await client.ready()).release == "r1"

    in_world(tmp_path, scenario)


def test_a_refusal_is_an_error_with_the_servers_words(tmp_path: Path) -> None:
    async def scenario(world: World, client: AsyncKindred) -> None:
        with pytest.raises(ApiProblem) as caught:
            await client.related("nothing")
        assert (caught.value.status, caught.value.type) == (404, "/problems/not-found")
        assert "nothing" in str(caught.value)
        assert caught.value.request_id
        with pytest.raises(ApiProblem, match="kind"):
            await client.post_events({"user_id": "u0", "item_id": "i0", "kind": "none"})

    in_world(tmp_path, scenario)


def _failing(
    times: int, *, status: int = 503, retry_after: str | None = None
) -> tuple[httpx2.MockTransport, list[Any]]:
    seen: list[Any] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(msgspec.json.decode(request.content) if request.content else None)
        if len(seen) > times:
            body = {"accepted": 1, "duplicates": 0, "unknown_ids": [], "event_ids": ["x"], "graph_watermark": "1"}
            return httpx2.Response(200, json=body)
        if status == 0:
            raise httpx2.ConnectError("refused")
        headers = {} if retry_after is None else {"retry-after": retry_after}
        return httpx2.Response(status, json={"detail": "no"}, headers=headers)

    return httpx2.MockTransport(answer), seen


@pytest.mark.parametrize("status", [503, 429, 502, 0])
def test_a_busy_or_absent_server_is_asked_again_with_the_same_ids(status: int) -> None:
    transport, seen = _failing(3, status=status)
    with Kindred("http://shop", transport=transport, retries=QUICK) as client:
        assert client.post_events({"user_id": "u", "item_id": "i", "kind": "view"}).accepted == 1
    assert len(seen) == 4
    assert len({body[0]["event_id"] for body in seen}) == 1


@pytest.mark.parametrize(
    ("status", "error", "tries"), [(503, ApiProblem, 4), (0, Unreachable, 4), (422, ApiProblem, 1)]
)
def test_it_gives_up(status: int, error: type[Exception], tries: int) -> None:
    transport, seen = _failing(99, status=status)
    with Kindred("http://shop", transport=transport, retries=QUICK) as client, pytest.raises(error):
        client.trending()
    assert len(seen) == tries


def test_a_write_that_names_its_version_is_sent_once() -> None:
    transport, seen = _failing(99, status=0)
    with Kindred("http://shop", transport=transport, retries=QUICK) as client:
        with pytest.raises(Unreachable):
            client.put_item("i0", {}, etag='"1"')
        assert len(seen) == 1
        with pytest.raises(Unreachable):
            client.put_item("i0", {})
        assert len(seen) == 5


def test_it_waits_as_long_as_the_server_says_and_no_longer_than_its_own_bound() -> None:
    retries = Retries(first_s=0.001, longest_s=0.2)
    assert retries.wait_s(1, 0.15) == 0.15
    assert retries.wait_s(1, 60) == 0.2
    transport, _ = _failing(1, retry_after="0.15")
    began = time.monotonic()
    with Kindred("http://shop", transport=transport, retries=retries) as client:
        client.post_events({"user_id": "u", "item_id": "i", "kind": "view"})
    assert time.monotonic() - began >= 0.15


def test_it_sends_its_key_and_reads_no_proxy_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    headers: list[str | None] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        headers.append(request.headers.get("authorization"))
        return httpx2.Response(200, json={"release": "r", "stale": False, "status": "ready"})

    with Kindred("http://shop", api_key="kindred_a_b", transport=httpx2.MockTransport(answer)) as client:
        client.ready()
    assert headers == ["Bearer kindred_a_b"]
