"""Ids of requests and of lists: 32 hexadecimal digits that nobody can guess."""

from __future__ import annotations

import os

_AT_ONCE, _BYTES = 256, 16
_ready: list[str] = []


def new_id() -> str:
    """An id never given before. The system is asked for many at once: asking costs more than all the rest.

    Safe in several threads, and in forked processes: a child begins with none.
    """
    try:
        return _ready.pop()
    except IndexError:
        digits = os.urandom(_AT_ONCE * _BYTES).hex()
        width = 2 * _BYTES
        fresh = [digits[start : start + width] for start in range(0, len(digits), width)]
        first = fresh.pop()
        _ready.extend(fresh)
        return first


os.register_at_fork(after_in_child=_ready.clear)
