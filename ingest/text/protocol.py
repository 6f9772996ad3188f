"""What encodes texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ingest.text.cache import FloatArray


class TextEncoder(Protocol):
    """What turns one batch of non-empty texts into vectors."""

    @property
    def width(self) -> int: ...

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Unit vectors of ``texts``, in their order. Shape: (N, width)."""
        ...
