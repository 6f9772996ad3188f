"""What one request may cost: the bounds of its body, its ids and its time."""

from __future__ import annotations

import asyncio
from typing import TypeVar

import msgspec
from starlette.requests import Request

from api.http.problems import (
    BodyTooLarge,
    BodyTooSlow,
    InvalidField,
    UnknownField,
    UnsupportedMedia,
)
from graph.errors import InputError

T = TypeVar("T")

MAX_ID_LENGTH = 512
"""Characters of an id; a longer one is refused before anything looks it up."""
MAX_RESULTS = 500
MAX_LIST = 1000
"""Entries of one list in a request: a session, a cart, a batch of events."""


async def read_body(request: Request, limit_bytes: int, timeout_s: float) -> bytes:
    """The body of a JSON request, read no further than the limit.

    Raises:
        UnsupportedMedia: when the request does not say that it is JSON.
        BodyTooLarge: as soon as the declared or the received length passes the limit.
        BodyTooSlow: when it is not complete in time.
    """
    media, coding, declared = _declared(request)
    if media != "application/json" and not (media.startswith("application/") and media.endswith("+json")):
        raise UnsupportedMedia(
            "the body is not declared as JSON",
            expected="Content-Type: application/json",
            got=media or "no Content-Type",
            remedy="With curl add -H 'Content-Type: application/json'.",
        )
    if coding not in ("", "identity"):
        raise UnsupportedMedia("the body is compressed", expected="no Content-Encoding", remedy="Send plain JSON.")
    if declared.isascii() and declared.isdigit() and int(declared[:20]) > limit_bytes:
        raise _too_large(limit_bytes)
    received, more = bytearray(), True
    try:
        async with asyncio.timeout(timeout_s):
            while more:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise InputError("the body broke off before its end")
                received += message.get("body", b"")
                if len(received) > limit_bytes:
                    raise _too_large(limit_bytes)
                more = message.get("more_body", False)
    except TimeoutError:
        raise BodyTooSlow("the body did not arrive in time", expected=f"all of it within {timeout_s:g} s") from None
    return bytes(received)


def _declared(request: Request) -> tuple[str, str, str]:
    """Media type, coding and length of the body, each as the first header of its name says."""
    found: dict[bytes, bytes] = {}
    for name, value in request.scope["headers"]:
        if name.startswith(b"content-"):
            found.setdefault(name, value)
    media, coding, length = (
        str(found.get(name, b""), "latin-1") for name in (b"content-type", b"content-encoding", b"content-length")
    )
    return media.partition(";")[0].strip().lower(), coding.strip().lower(), length


def _too_large(limit_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(
        "the body is too large", expected=f"at most {limit_bytes} bytes", remedy="Send several smaller requests."
    )


def decode_json(body: bytes, decoder: msgspec.json.Decoder[T], served: str) -> T:
    """The body as the decoder's type, strictly: no NaN, no unknown field, no lone surrogate, bounded depth.

    ``served`` names the fields taken today, for the reply to one that is not.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at ")
        field = place.strip("`").removeprefix("$").lstrip(".") or "body"
        if what.startswith("Object contains unknown field"):
            name = what.removeprefix("Object contains unknown field").strip(" `")
            raise UnknownField(
                "the body has a field that is not served", field=name, expected=served, got=name, remedy="Leave it out."
            ) from error
        raise InvalidField(f"the body cannot be used: {what}", field=field, where=field) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidField(f"the body is not valid JSON: {error}", field="body") from error
    except RecursionError:
        raise InvalidField("the body is nested too deeply", field="body", remedy="Send flat JSON.") from None


def checked_id(value: str, field: str) -> str:
    """The id itself, when the graph could hold it: not empty, bounded, valid Unicode, no NUL."""
    if not value:
        raise InvalidField("an id is empty", field=field, where=field)
    if len(value) > MAX_ID_LENGTH:
        raise InvalidField(
            "an id is too long", field=field, expected=f"at most {MAX_ID_LENGTH} characters", got=value, where=field
        )
    return checked_text(value, field)


def checked_text(value: str, field: str) -> str:
    """Free text itself, when it is valid Unicode without NUL."""
    if "\x00" in value or (not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value)):
        raise InvalidField("a text is not valid", field=field, expected="Unicode without NUL", where=field)
    return value
