"""Lanes: results and errors come back, deadlines hold, a closed lane refuses."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from api.http.lanes import Lane
from api.http.problems import DeadlineExceeded, Overloaded


def test_results_errors_and_arguments_come_back() -> None:
    async def scenario() -> None:
        lane = Lane(2, 10, 5.0)
        assert await asyncio.gather(*(lane.run(divmod, number, 3) for number in range(6))) == [
            divmod(number, 3) for number in range(6)
        ]
        with pytest.raises(ZeroDivisionError):
            await lane.run(divmod, 1, 0)
        with pytest.raises(TimeoutError):  # its own, and not the lane's deadline
            await lane.run(_raise, TimeoutError())
        lane.close()
        with pytest.raises(Overloaded):
            await lane.run(divmod, 1, 1)

    asyncio.run(scenario())


def test_a_call_past_its_deadline_that_has_not_begun_never_does() -> None:
    begun: list[str] = []

    async def scenario() -> None:
        lane = Lane(1, 10, 0.1)
        release = threading.Event()
        first = asyncio.create_task(lane.run(release.wait, 5.0))
        await asyncio.sleep(0.02)
        with pytest.raises(DeadlineExceeded):
            await lane.run(begun.append, "second")
        with pytest.raises(DeadlineExceeded):
            await first
        release.set()
        await asyncio.sleep(0.05)
        await lane.run(begun.append, "third")
        lane.close()

    asyncio.run(scenario())
    assert begun == ["third"]


def test_what_does_not_fit_is_refused_at_once() -> None:
    async def scenario() -> None:
        lane = Lane(1, 1, 5.0)
        release = threading.Event()
        waiting = [asyncio.create_task(lane.run(release.wait, 5.0)) for _ in range(2)]
        await asyncio.sleep(0.02)
        began = time.perf_counter()
        with pytest.raises(Overloaded):
            await lane.run(divmod, 1, 1)
        assert time.perf_counter() - began < 0.5
        release.set()
        await asyncio.gather(*waiting)
        assert await lane.run(divmod, 7, 2) == (3, 1)
        lane.close()

    asyncio.run(scenario())


def _raise(error: Exception) -> None:
    raise error
