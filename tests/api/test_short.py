"""Short calls on the event loop: expected only of what was short, as nothing changed; they leave room for the rest."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import api.http.hot as hot_module
from api.http.problems import Overloaded
from api.http.short import SHORT_S, TURN_S, Pace, ShortCalls
from tests.api.http_world import World, run, running


def spin(seconds: float) -> None:
    ends = time.thread_time() + seconds
    while time.thread_time() < ends:
        pass


def proven(basis: object) -> Pace:
    pace = Pace()
    assert not pace.is_short(basis, 1, SHORT_S)
    while not pace.is_short(basis, 1, SHORT_S):
        assert pace.timed(basis, 1, divmod, 7, 3) == (2, 1)
    return pace


def test_calls_are_short_when_the_last_ones_were_and_nothing_has_changed() -> None:
    pace = proven("as it was")
    assert pace.is_short("as it was", 1, SHORT_S)
    assert not pace.is_short("changed", 1, SHORT_S)
    pace.timed("changed", 1, divmod, 7, 3)
    assert pace.is_short("changed", 1, SHORT_S)
    pace.timed("changed", 1, spin, 20 * SHORT_S)
    assert not pace.is_short("changed", 1, SHORT_S)
    for _ in range(100):
        pace.timed("changed", 1, time.sleep, 0.0)
    assert pace.is_short("changed", 1, SHORT_S)  # one that took long is forgotten


def test_a_burst_of_short_calls_lets_the_rest_of_the_loop_in_each_turn() -> None:
    longest_s, made = 0.0, 0

    async def asks(calls: ShortCalls) -> None:
        nonlocal made
        await calls.run(lambda: spin(SHORT_S))
        made += 1

    async def looks_on() -> None:
        nonlocal longest_s
        before = time.thread_time()
        while made < 40:
            await asyncio.sleep(0)
            longest_s, before = max(longest_s, time.thread_time() - before), time.thread_time()

    async def main() -> None:
        calls = ShortCalls(64)
        await asyncio.gather(looks_on(), *(asks(calls) for _ in range(40)))

    asyncio.run(main())
    assert made == 40
    assert longest_s < 4 * TURN_S  # one after the other they take 20


def test_what_does_not_fit_is_refused_at_once_and_an_error_is_the_callers() -> None:
    async def asks(calls: ShortCalls) -> int:
        await calls.run(lambda: spin(2 * TURN_S))
        return 1

    async def main() -> None:
        calls = ShortCalls(3)
        made = await asyncio.gather(*(asks(calls) for _ in range(8)), return_exceptions=True)
        assert [one for one in made if one == 1] == [1] * 3
        assert [type(one) for one in made if one != 1] == [Overloaded] * 5
        waits = asyncio.create_task(asks(calls)), asyncio.create_task(asks(calls))
        await asyncio.sleep(0)
        waits[1].cancel()
        assert await waits[0] == 1
        with pytest.raises(ZeroDivisionError):
            await calls.run(lambda: divmod(1, 0))
        assert await asks(calls) == 1  # one that gave up does not hold up the others

    asyncio.run(main())


def test_plain_related_items_are_made_on_the_loop_once_they_are_known_to_be_short(
    tmp_path: Path, threads: list[str]
) -> None:
    loop = threading.current_thread().name

    async def scenario(world: World) -> None:
        async def made_by(path: str) -> str:
            assert (await world.get(path)).status_code == 200
            return threads.pop()

        plain = "/v1/items/i0/related?n=3"
        await world.until(lambda: not world.parts.serving.stale)
        assert await made_by(plain) != loop
        while await made_by(plain) != loop:
            pass
        assert await made_by(plain + "&kind=similar") == loop
        for other in ("&kind=bought_together", "&include=score", "&user_id=u1", "&filter=price%20%3C%202", "&n=101"):
            path = plain.replace("n=3", "n=101") if other == "&n=101" else plain + other
            assert await made_by(path) != loop, other
        await world.post("/v1/events", {"user_id": "u2", "item_id": "i3", "kind": "purchase"})
        assert await made_by(plain) != loop  # takes in what is new
        assert await made_by(plain) == loop

    with_world(tmp_path, scenario)


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the threads that made lists, in their order; however slow the machine, all are short."""
    made_by: list[str] = []
    computed = hot_module._computed

    def noted(*args: Any) -> Any:
        made_by.append(threading.current_thread().name)
        return computed(*args)

    monkeypatch.setattr(hot_module, "_computed", noted)
    for bound in ("SHORT_S", "TURN_S"):
        monkeypatch.setattr(hot_module, bound, 1.0)
    return made_by


def with_world(folder: Path, scenario: Callable[[World], Awaitable[None]]) -> None:
    async def body() -> None:
        async with running(folder, stale_after_s=3600, answer_cache_megabytes=0) as world:
            await scenario(world)

    run(body())


def test_short_recommendations_are_made_on_the_loop_and_are_those_of_a_thread(
    tmp_path: Path, threads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = threading.current_thread().name
    session: dict[str, Any] = {"events": [{"item_id": "i1"}, {"item_id": "i3", "kind": "purchase"}], "n": 3}

    async def scenario(world: World) -> None:
        async def asked(body: dict[str, Any] | None) -> tuple[str, Any]:
            path = "/v1/users/u1/recommendations?n=3"
            reply = await (world.get(path) if body is None else world.post("/v1/recommendations", body))
            assert reply.status_code == 200
            document = reply.json()
            return threads.pop(), {name: document[name] for name in document.keys() - {"recommendation_id", "took_ms"}}

        await world.until(lambda: not world.parts.serving.stale)
        for body in (None, session, {"user_id": "u1", **session}):
            thread, first = await asked(body)
            assert body is not None or thread != loop  # the others are of about one size with the first
            while thread != loop:
                thread, again = await asked(body)
                assert again == first
        steered = {"filter": "price < 20"}, {"interests": [{"item_id": "i2"}]}, {"include": "reasons"}, {"n": 101}
        for more in steered:
            assert (await asked({**session, **more}))[0] != loop, more
        assert (await asked(session))[0] == loop
        monkeypatch.setattr(hot_module, "ALONE_S", 60.0)
        assert (await world.get("/live")).status_code == 200
        assert (await asked(session))[0] != loop  # the loop is left to whoever needs no engine

    with_world(tmp_path, scenario)
