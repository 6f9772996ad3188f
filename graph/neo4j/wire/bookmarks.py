"""The id of the last commit, out of a bookmark."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable

_HEAD = b"\x91\xcc\x10"
"""PackStream: a list of one, then 16 bytes: the database's id. The number of the commit follows."""
_WIDTHS = {0xC8: 1, 0xC9: 2, 0xCA: 4, 0xCB: 8}


def transaction_id(bookmarks: Iterable[str]) -> int | None:
    """The commit's number; None when the bookmark is of another form, which the server is free to give it."""
    try:
        (text,) = bookmarks
        kind, _, encoded = text.partition(":")
        content = base64.b64decode(encoded, validate=True)
    except (ValueError, binascii.Error):
        return None
    rest = content[len(_HEAD) + 16 :]
    if kind != "FB" or not content.startswith(_HEAD) or not rest:
        return None
    first = rest[0]
    if first < 0x80:
        return first
    width = _WIDTHS.get(first, 0)
    number = rest[1 : 1 + width]
    return int.from_bytes(number, "big", signed=True) if width and len(number) == width else None
