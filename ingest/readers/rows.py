"""What a reader yields: a batch of rows, and the rows it could not read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


class Reject(NamedTuple):
    """A row that cannot be used: where it is, what is wrong, what to do. ``column`` is empty for a whole line."""

    line: int
    column: str
    value: str
    reason: str
    remedy: str


@dataclass
class Rows:
    """Columns of equal length (text, lists of text, or a Parquet file's own types), each row's line, and rejects."""

    columns: dict[str, pa.Array]
    lines: Ints
    rejects: list[Reject] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.lines)


def shortened(value: object, limit: int = 80) -> str:
    """``value`` as text of at most about ``limit`` characters."""
    if isinstance(value, bytes):
        text = value[: limit + 1].decode("utf-8", errors="backslashreplace")
        return text[:limit] + f"… ({len(value):,} bytes)" if len(value) > limit else text
    text = "" if value is None else str(value)
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text):,} characters)"
