"""How often one caller may ask."""

from __future__ import annotations

import math
import threading
import time

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from api.http.problems import TooManyRequests

WRONG_KEYS = "20/minute"
"""Wrong keys that one address may try before it waits; each try costs an argon2 hash."""


def rate_of(text: str) -> RateLimitItem:
    """A rate such as ``100/second``; :class:`ValueError` for anything else."""
    return parse(text)


class _Window:
    """One key's requests since its present window began; counting one costs a tenth of what a store of limits does."""

    __slots__ = ("count", "ends_s")

    def __init__(self) -> None:
        self.count, self.ends_s = 0, 0.0


class Rates:
    """Counts requests of callers within this process. Safe to use from several threads.

    Windows are fixed, and begin with the first request of a key.
    """

    def __init__(self, rate_limit: str) -> None:
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._asking = rate_of(rate_limit)
        self._asking_s = self._asking.get_expiry()
        self._windows: dict[str, _Window] = {}
        self._counting = threading.Lock()
        self._wrong = rate_of(WRONG_KEYS)

    def count_request(self, key_id: str) -> None:
        """Counts one request of a key; :class:`TooManyRequests` past its limit."""
        now = time.monotonic()
        with self._counting:
            window = self._windows.get(key_id)
            if window is None:
                window = self._windows[key_id] = _Window()
            if now >= window.ends_s:
                window.count, window.ends_s = 0, now + self._asking_s
            window.count += 1
            asks_too_often = window.count > self._asking.amount
        if asks_too_often:
            raise _refusal(self._asking, "this key asks too often", window.ends_s - now)

    def count_wrong_key(self, address: str) -> None:
        """Remembers one wrong key of an address."""
        self._limiter.hit(self._wrong, "wrong", address)

    def check_address(self, address: str) -> None:
        """:class:`TooManyRequests` for an address that has tried too many wrong keys."""
        if not self._limiter.test(self._wrong, "wrong", address):
            reset_s = self._limiter.get_window_stats(self._wrong, "wrong", address).reset_time - time.time()
            raise _refusal(self._wrong, "this address has sent too many wrong keys", reset_s)


def _refusal(rate: RateLimitItem, what: str, reset_s: float) -> TooManyRequests:
    return TooManyRequests(what, expected=f"at most {rate}", retry_after_s=max(1, math.ceil(reset_s)))
