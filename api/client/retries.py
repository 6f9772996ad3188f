"""When a request is sent again, and after how long."""

from __future__ import annotations

import random
from dataclasses import dataclass

AGAIN = frozenset({408, 429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Retries:
    """Up to ``attempts`` tries in all, waiting twice as long each time, with jitter.

    Reads change nothing, and writes carry ids that make them idempotent. A write that names the version it
    replaces (If-Match) is sent once: its repetition could be refused although the first had been done.
    A server's Retry-After is waited for, up to ``longest_s``.
    """

    attempts: int = 4
    first_s: float = 0.1
    longest_s: float = 5.0

    def wait_s(self, attempt: int, retry_after_s: float | None) -> float:
        """Seconds before try ``attempt + 1``; ``attempt`` counts from 1."""
        backoff = self.first_s * 2.0 ** (attempt - 1) * random.uniform(0.5, 1.0)  # noqa: S311  # spread, not secrecy
        return min(self.longest_s, max(backoff, retry_after_s or 0.0))
