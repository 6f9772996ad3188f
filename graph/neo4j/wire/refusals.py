"""Log-ins that the server refused: not tried again at once, because a server locks a user out for everybody."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from neo4j.exceptions import AuthError

from graph.neo4j.wire.address import Address

FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 60.0


@dataclass(slots=True)
class _Refused:
    error: AuthError
    pause_s: float
    until: float


class Refusals:
    """Who was refused where, and for how long nobody of this process asks again.

    After three wrong passwords a server refuses its user's right one too, for seconds after each further attempt: an
    API that asks every second would keep the curators out.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._refused: dict[tuple[str, str, str], _Refused] = {}

    def standing(self, address: Address) -> AuthError | None:
        """The refusal that still stands, if one does."""
        known = self._refused.get(_who(address))
        return known.error if known is not None and self._clock() < known.until else None

    def add(self, address: Address, error: AuthError) -> None:
        """Nothing; the next pause is twice the last."""
        with self._lock:
            known = self._refused.get(_who(address))
            pause_s = FIRST_PAUSE_S if known is None else min(2 * known.pause_s, LONGEST_PAUSE_S)
            self._refused[_who(address)] = _Refused(error, pause_s, self._clock() + pause_s)

    def clear(self, address: Address) -> None:
        """Nothing; the server has let the user in."""
        if self._refused:
            with self._lock:
                self._refused.pop(_who(address), None)


REFUSALS = Refusals()
"""Of the whole process: a server counts the attempts of a user, wherever they come from."""


def _who(address: Address) -> tuple[str, str, str]:
    return address.uri, address.user, address.password
