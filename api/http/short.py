"""Calls that take less time than handing them to a thread: made on the event loop, some of them each turn."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from api.http.problems import Overloaded

P = ParamSpec("P")
T = TypeVar("T")

SHORT_S = 0.0005
"""What a short call may take: a thread that computes keeps Python's lock from the event loop as long."""
TURN_S = 0.001
"""Short calls that one turn of the event loop makes, before it looks after everything else."""
_LAST = 8
"""The mean is over about so many of the last calls."""
_SIZES = 24
"""Calls of up to 1, 3, 7, … rows; those of more than the last are one size."""


class Pace:
    """Whether calls are short, by the processor's time of the last ones of about their size, and as things are now.

    ``size`` is what decides how long a call takes beside what all have in common, within a factor of two. ``basis``
    stands for everything that calls depend on: the first after a change may have to take it in, so it is
    expected to be long. Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._mean_s = [10 * TURN_S] * _SIZES
        self._basis: object = None

    def is_quick(self, size: int, within_s: float) -> bool:
        """Whether a call takes no longer when nothing is new."""
        return self._mean_s[_step(size)] <= within_s

    def is_short(self, basis: object, size: int, within_s: float) -> bool:
        """Whether the next call is expected to take no longer."""
        return self.is_quick(size, within_s) and basis == self._basis

    def timed(self, basis: object, size: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What ``work`` returns; how long it took counts from now on, and what changed before ``basis`` is taken in."""
        began = time.thread_time()
        value = work(*args, **kwargs)
        step = _step(size)
        self._mean_s[step] += (time.thread_time() - began - self._mean_s[step]) / _LAST
        self._basis = basis
        return value


def _step(size: int) -> int:
    return min(size.bit_length(), _SIZES - 1)


class ShortCalls:
    """Makes short calls on the event loop, one after the other for :data:`TURN_S`, then those of the next turn.

    A call handed to a thread and back costs two changes of threads, and more where they compete for Python's lock:
    several times what a short call takes. Belongs to one event loop.
    """

    def __init__(self, waiting: int) -> None:
        self._most = waiting
        self._waiting: deque[tuple[asyncio.Future[Any], Callable[[], Any]]] = deque()

    def __bool__(self) -> bool:
        """Whether any call waits."""
        return bool(self._waiting)

    async def run(self, work: Callable[[], T]) -> T:
        """What ``work`` returns, or its error; :class:`Overloaded` at once when too many calls wait already."""
        if len(self._waiting) >= self._most:
            raise Overloaded("too many requests are waiting", remedy="Send it again in a second.")
        loop = asyncio.get_running_loop()
        result: asyncio.Future[T] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._make)
        self._waiting.append((result, work))
        return await result

    def _make(self) -> None:
        """A turn's calls: as many as fit, and one at least."""
        ends = time.perf_counter() + TURN_S
        while self._waiting:
            result, work = self._waiting.popleft()
            if result.done():  # nobody waits any more
                continue
            try:
                result.set_result(work())
            except BaseException as error:  # it belongs to whoever waits
                result.set_exception(error)
            if time.perf_counter() >= ends:
                break
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._make)
