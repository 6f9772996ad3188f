"""Long work beside answers: a thread that is courteous stands back most of the time, so that answers are made.

Python runs one thread at a time, and an answer changes threads some ten times. Beside a thread that never waits each
change may take as long as the longest step of that thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

WORKS_S = 0.001
"""What is done at once at least; steps that take less follow one another."""
LONGEST_S = 0.01
"""The longest time to stand back for."""
_SHARE = 4.0
"""How long to stand back, of what was worked before."""


class _Thread(threading.local):
    since: float | None = None
    """When the thread last stood back; ``None`` where it does not."""


_thread = _Thread()


@contextmanager
def courteous() -> Iterator[None]:
    """This thread stands back wherever its work calls :func:`stand_back`."""
    before = _thread.since
    _thread.since = time.perf_counter()
    try:
        yield
    finally:
        _thread.since = before


def is_courteous() -> bool:
    """Whether this thread stands back."""
    return _thread.since is not None


def stand_back() -> None:
    """Lets others work for four times the time since the last call; nothing for a thread that is not courteous."""
    if _thread.since is None:
        return
    worked = time.perf_counter() - _thread.since
    if worked >= WORKS_S:
        time.sleep(min(_SHARE * worked, LONGEST_S))
        _thread.since = time.perf_counter()
