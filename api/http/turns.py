"""What is done once for all requests that one turn of the event loop works on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from select import PIPE_BUF
from typing import Generic, TypeVar

T = TypeVar("T")


class EachTurn(Generic[T]):
    """A value that is looked up once in a turn of the event loop; belongs to one loop.

    No request sees an older value than it would by looking itself. What is ready runs in the order in which it became
    ready, and forgetting the value is put into that order right after looking it up: whoever comes before it was there
    already when the value was looked up, and whatever arrives later comes after it.
    """

    def __init__(self, look_up: Callable[[], T]) -> None:
        self._look_up = look_up
        self._found: tuple[T] | None = None

    def __call__(self) -> T:
        found = self._found
        if found is None:
            found = self._found = (self._look_up(),)
            asyncio.get_running_loop().call_soon(self._forget)
        return found[0]

    def _forget(self) -> None:
        self._found = None


class Gathered:
    """Lines that are written together, at the latest at the end of a turn of the event loop; at once outside of one.

    No write is longer than what a pipe takes whole, so that lines of several processes never run into each other.
    """

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._lines: list[bytes] = []
        self._size = 0

    def __call__(self, line: bytes) -> None:
        if self._lines and self._size + len(line) > PIPE_BUF:
            self._flush()
        self._lines.append(line)
        self._size += len(line)
        if len(self._lines) == 1:
            try:
                asyncio.get_running_loop().call_soon(self._flush)
            except RuntimeError:
                self._flush()

    def _flush(self) -> None:
        lines, self._lines, self._size = self._lines, [], 0
        if lines:
            self._write(b"".join(lines))
