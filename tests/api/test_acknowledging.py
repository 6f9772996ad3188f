"""Acknowledging: in the order of the commits, after the overlay has them, beside the next commit."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.events.acknowledging import Acknowledged, Acknowledging, Commit, Waiting
from api.events.writer import Recent
from graph.errors import StoreError, StoreUnavailable
from graph.records import Applied, UpsertEdges


def a_commit(watermark: str) -> tuple[Commit, asyncio.Future[Acknowledged]]:
    future: asyncio.Future[Acknowledged] = asyncio.get_running_loop().create_future()
    reply = Acknowledged(1, 0, (), (f"e{watermark}",), watermark)
    return Commit(Applied(1, watermark), (), [(Waiting((), future), reply)]), future


def test_nobody_is_told_before_the_overlay_has_the_events_and_the_writer_goes_on() -> None:
    taken_in: list[str] = []
    may_go_on = threading.Event()

    def committed(applied: Applied, written: Sequence[UpsertEdges]) -> None:
        may_go_on.wait(5.0)
        taken_in.append(applied.watermark)

    async def scenario() -> None:
        acknowledging = Acknowledging(committed)
        acknowledging.start()
        commits = [a_commit(str(number)) for number in range(3)]
        for commit, _ in commits[:2]:
            acknowledging.take(commit, at_once=False)
        last = threading.Thread(target=acknowledging.take, args=(commits[2][0],), kwargs={"at_once": True})
        last.start()
        last.join(5.0)  # it is not its turn, so it waits behind the others instead of here
        await asyncio.sleep(0.02)
        assert acknowledging.waiting == 3
        assert not any(future.done() for _, future in commits)
        may_go_on.set()
        replies = await asyncio.gather(*(future for _, future in commits))
        assert [reply.graph_watermark for reply in replies] == taken_in == ["0", "1", "2"]
        acknowledging.close(5.0)

    asyncio.run(scenario())


def test_one_that_waits_for_nobody_is_told_at_once() -> None:
    threads: list[threading.Thread] = []

    async def scenario() -> None:
        acknowledging = Acknowledging(lambda applied, written: threads.append(threading.current_thread()))
        commit, future = a_commit("1")
        acknowledging.take(commit, at_once=True)
        assert (await future).graph_watermark == "1"

    asyncio.run(scenario())
    assert threads == [threading.current_thread()]


@pytest.mark.parametrize("error", [StoreUnavailable("down"), ZeroDivisionError("a bug")])
def test_what_cannot_be_taken_in_is_an_error_of_its_requests_alone(error: Exception) -> None:
    def committed(applied: Applied, written: Sequence[UpsertEdges]) -> None:
        if applied.watermark == "1":
            raise error

    async def scenario() -> None:
        acknowledging = Acknowledging(committed)
        acknowledging.start()
        (first, refused), (second, fine) = a_commit("1"), a_commit("2")
        acknowledging.take(first, at_once=False)
        acknowledging.take(second, at_once=False)
        with pytest.raises(type(error) if isinstance(error, StoreUnavailable) else StoreError):
            await refused
        assert (await fine).graph_watermark == "2"
        acknowledging.close(5.0)

    asyncio.run(scenario())


@given(st.lists(st.lists(st.integers(0, 30), max_size=6)))
def test_names_met_lately_are_remembered_and_bounded(added: list[list[int]]) -> None:
    recent, met = Recent(8), list[str]()
    for numbers in added:
        names = [str(number) for number in numbers]
        recent.add_all(names)
        met += names
        last = list(dict.fromkeys(reversed(met)))[:8]
        assert all(name in recent for name in last)
        assert sum(str(number) in recent for number in range(31)) <= 2 * (8 + 6)
