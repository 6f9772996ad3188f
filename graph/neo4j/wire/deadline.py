"""Calls that end in time, whatever the network does: each runs in a thread that can be left behind."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

_T = TypeVar("_T")


class Late(Exception):
    """The call did not end before its deadline; its thread goes on until the network lets it go."""


class Workers:
    """Threads that make calls for others. They are daemons: one that is stuck holds up nobody's exit."""

    def __init__(self) -> None:
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()

    def call(self, work: Callable[[], _T], seconds: float) -> _T:
        """What ``work`` returns or raises.

        Raises:
            Late: when it takes longer than ``seconds``.
        """
        try:
            worker = self._idle.get_nowait()
        except queue.Empty:
            worker = _Worker(self._idle)
        return worker.call(work, seconds)

    def close(self) -> None:
        """Nothing; threads without work end."""
        while True:
            try:
                self._idle.get_nowait().stop()
            except queue.Empty:
                return


class _Call:
    __slots__ = ("done", "error", "result", "work")

    def __init__(self, work: Callable[[], Any]) -> None:
        self.work = work
        self.done = threading.Event()
        self.result: Any = None
        self.error: BaseException | None = None


class _Worker:
    def __init__(self, idle: queue.SimpleQueue[_Worker]) -> None:
        self._idle = idle
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="neo4j", daemon=True).start()

    def call(self, work: Callable[[], _T], seconds: float) -> _T:
        call = _Call(work)
        self._calls.put(call)
        if not call.done.wait(seconds):
            raise Late
        if call.error is not None:
            raise call.error
        result: _T = call.result
        return result

    def stop(self) -> None:
        self._calls.put(None)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                call.result = call.work()
            except BaseException as error:
                call.error = error
            call.done.set()
            del call
            self._idle.put(self)
