"""Timestamps in requests: seconds since 1970, or ISO 8601 with a time zone."""

from __future__ import annotations

from datetime import UTC, datetime

from api.http.problems import InvalidField

MAX_CLOCK_AHEAD_MS = 86_400_000
"""How far a client's clock may run ahead: a day."""


def timestamp_ms_of(stamp: int | float | str, now_ms: int, field: str) -> int:
    """Milliseconds since 1970 for a request's timestamp; :class:`InvalidField` naming ``field`` when it is none."""
    milliseconds = _parsed_ms(stamp)
    if milliseconds is None or not 0 <= milliseconds <= now_ms + MAX_CLOCK_AHEAD_MS:
        late = milliseconds is not None and not isinstance(stamp, str) and 0 <= stamp <= now_ms + MAX_CLOCK_AHEAD_MS
        raise InvalidField(
            "a timestamp cannot be used",
            field=field,
            expected="seconds since 1970, or ISO 8601 with a time zone, not in the future",
            got=stamp,
            where=field,
            remedy="This looks like milliseconds; send seconds." if late else None,
        )
    return milliseconds


def iso_time(milliseconds: int) -> str:
    """Milliseconds since 1970 as ISO 8601 in UTC; years that a calendar does not have stay a number."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return str(milliseconds)


def _parsed_ms(stamp: int | float | str) -> int | None:
    try:
        if not isinstance(stamp, str):
            return round(stamp * 1000)
        moment = datetime.fromisoformat(stamp)
        return None if moment.tzinfo is None else round(moment.astimezone(UTC).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
