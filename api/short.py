"""Calls that take less time than handing them to a thread: made on the event loop, some of them each turn."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from api.problems import Overloaded

P = ParamSpec("P")
T = TypeVar("T")

SHORT_S = 0.0005
"""What a short call may take: a thread that computes keeps Python's lock from the event loop as long."""
TURN_S = 0.001
"""Short calls that one turn of the event loop makes, before it looks after everything else."""
PROVEN = 16
"""So many calls in a row must have been short before the next is expected to be."""


class Pace:
    """Whether calls of one kind are short, by the processor's time of the last ones, and as things are now.

    ``basis`` stands for everything that calls depend on: the first after a change may have to take it in, so it is
    expected to be long. Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._unproven = PROVEN
        self._basis: object = None

    def is_short(self, basis: object) -> bool:
        """Whether the next call is expected to be short."""
        return self._unproven == 0 and basis == self._basis

    def timed(self, basis: object, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What ``work`` returns; how long it took counts from now on, and what changed before ``basis`` is taken in."""
        began = time.thread_time()
        value = work(*args, **kwargs)
        self._unproven = max(self._unproven - 1, 0) if time.thread_time() - began <= SHORT_S else PROVEN
        self._basis = basis
        return value


class ShortCalls:
    """Makes short calls on the event loop, so many a turn that they take :data:`TURN_S`; the others wait their turn.

    A call handed to a thread and back costs two changes of threads and more where they compete for Python's lock, some
    four times what a short call takes. Belongs to one event loop.
    """

    def __init__(self, waiting: int) -> None:
        self._most = waiting
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._spent_s = 0.0
        self._turn_ends = False

    async def turn(self) -> None:
        """Comes back when a call may be made; :class:`Overloaded` at once when too many wait already."""
        loop = asyncio.get_running_loop()
        if self._waiting or self._spent_s >= TURN_S:
            if len(self._waiting) >= self._most:
                raise Overloaded("too many requests are waiting", remedy="Send it again in a second.")
            turn: asyncio.Future[None] = loop.create_future()
            self._waiting.append(turn)
            await turn
        if not self._turn_ends:
            self._turn_ends = True
            loop.call_soon(self._next_turn)

    def make(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What ``work`` returns, or its error; the time it takes is this turn's."""
        began = time.perf_counter()
        try:
            return work(*args, **kwargs)
        finally:
            self._spent_s += time.perf_counter() - began

    def _next_turn(self) -> None:
        """Lets as many of those that wait go on as fit into a turn, if each takes as long as a short call may."""
        self._spent_s, self._turn_ends = 0.0, bool(self._waiting)
        for _ in range(min(len(self._waiting), max(1, round(TURN_S / SHORT_S)))):
            turn = self._waiting.popleft()
            if not turn.done():  # else nobody waits any more
                turn.set_result(None)
        if self._turn_ends:
            asyncio.get_running_loop().call_soon(self._next_turn)
