"""Threads for the engine's work, so that the event loop stays free while numpy computes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

from api.http.problems import DeadlineExceeded, Overloaded

P = ParamSpec("P")
T = TypeVar("T")


class _Late(Exception):
    """The deadline of a call has come."""


class _Call:
    """One call: what to do, and where its result goes."""

    __slots__ = ("args", "kwargs", "loop", "result", "waits", "work")

    def __init__(self, work: Callable[..., Any], args: Any, kwargs: Any, loop: asyncio.AbstractEventLoop) -> None:
        self.work, self.args, self.kwargs, self.loop = work, args, kwargs, loop
        self.result: asyncio.Future[Any] = loop.create_future()
        self.waits = True

    def settle(self, value: Any, error: BaseException | None) -> None:
        if not self.result.done():
            if error is None:
                self.result.set_result(value)
            else:
                self.result.set_exception(error)


class Lane:
    """A few threads with a bounded number of waiting calls and a deadline for each; a burst is shed, not queued.

    It does what an executor does at a third of the time per call, and an answer takes little more than that.
    """

    def __init__(self, threads: int, waiting: int, deadline_s: float) -> None:
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._room = threading.BoundedSemaphore(threads + waiting)
        self._deadline_s = deadline_s
        self._count = threads
        self._starting = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._closed = False

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What ``work`` returns.

        Raises:
            Overloaded: at once, when too many calls wait already.
            DeadlineExceeded: when the result is not there in time; a call that has not begun is dropped.
        """
        if self._closed or not self._room.acquire(blocking=False):
            raise Overloaded("too many requests are waiting", remedy="Send it again in a second.")
        if not self._threads:
            self._start()
        loop = asyncio.get_running_loop()
        call = _Call(work, args, kwargs, loop)
        deadline = loop.call_later(self._deadline_s, call.settle, None, _Late())
        self._calls.put(call)
        try:
            value: T = await call.result
        except _Late:
            raise DeadlineExceeded(
                "the answer was not ready in time", expected=f"within {self._deadline_s:g} s", remedy="Retry soon."
            ) from None
        finally:
            call.waits = False
            deadline.cancel()
        return value

    def close(self) -> None:
        """Calls that have not begun never will."""
        self._closed = True
        for _ in self._threads:
            self._calls.put(None)

    def _start(self) -> None:
        with self._starting:
            while len(self._threads) < self._count:
                thread = threading.Thread(target=self._serve, name=f"engine_{len(self._threads)}", daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            if self._closed or not call.waits:
                self._room.release()
                continue
            value: Any = None
            error: BaseException | None = None
            try:
                value = call.work(*call.args, **call.kwargs)
            except BaseException as raised:  # it belongs to whoever waits
                error = raised
            self._room.release()
            try:
                call.loop.call_soon_threadsafe(call.settle, value, error)
            except RuntimeError:  # the loop has ended, and nobody waits any more
                continue
            del call, value, error
