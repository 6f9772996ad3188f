"""Where a page of neighbours ended, as opaque text that belongs to one question."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from typing import Any

from graph.errors import InputError


def question_mark(question: object) -> int:
    """A number that stands for the question, which is anything that JSON can hold."""
    return zlib.crc32(json.dumps(question).encode())


def cursor_at(mark: int, place: Sequence[object]) -> str:
    """The cursor of a place in the answer to the question of ``mark``."""
    return base64.urlsafe_b64encode(json.dumps([mark, *place]).encode()).decode()


def place_of(cursor: str, mark: int, kinds: Sequence[type], sections: int) -> list[Any]:
    """The place of a cursor, one value of each kind; the first is a section's position.

    Raises:
        InputError: when it is not a cursor of :func:`cursor_at` for this question.
    """
    try:
        asked, *place = json.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
        fits = type(asked) is int and asked == mark and [type(part) for part in place] == list(kinds)
        storable = all(part.encode() is not None for part in place if isinstance(part, str))
        in_range = all(0 <= part < 2**63 for part in place if isinstance(part, int))
        if fits and storable and in_range and place[0] < sections:
            return list(place)
    except (ValueError, TypeError, RecursionError):
        pass  # whatever is wrong with it, the answer is the same
    raise InputError(
        "the cursor cannot be used",
        expected="the next_cursor of the page before, for the same question",
        got=cursor,
        remedy="Start again without a cursor.",
    )
