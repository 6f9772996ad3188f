"""How often one caller may ask."""

from __future__ import annotations

import math
import time

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from api.problems import TooManyRequests

WRONG_KEYS = "20/minute"
"""Wrong keys that one address may try before it waits; each try costs an argon2 hash."""


def rate_of(text: str) -> RateLimitItem:
    """A rate such as ``100/second``; :class:`ValueError` for anything else."""
    return parse(text)


class Rates:
    """Counts requests of callers within this process. Safe to use from several threads."""

    def __init__(self, rate_limit: str) -> None:
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._asking = rate_of(rate_limit)
        self._wrong = rate_of(WRONG_KEYS)

    def count_request(self, key_id: str) -> None:
        """Counts one request of a key; :class:`TooManyRequests` past its limit."""
        if not self._limiter.hit(self._asking, "key", key_id):
            raise self._refusal(self._asking, "this key asks too often", "key", key_id)

    def count_wrong_key(self, address: str) -> None:
        """Remembers one wrong key of an address."""
        self._limiter.hit(self._wrong, "wrong", address)

    def check_address(self, address: str) -> None:
        """:class:`TooManyRequests` for an address that has tried too many wrong keys."""
        if not self._limiter.test(self._wrong, "wrong", address):
            raise self._refusal(self._wrong, "this address has sent too many wrong keys", "wrong", address)

    def _refusal(self, rate: RateLimitItem, what: str, *caller: str) -> TooManyRequests:
        reset_s = self._limiter.get_window_stats(rate, *caller).reset_time - time.time()
        return TooManyRequests(what, expected=f"at most {rate}", retry_after_s=max(1, math.ceil(reset_s)))
