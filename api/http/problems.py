"""Errors as RFC 9457 problem documents; the one table of status codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.responses import Response

from api.engine.filters import FilterError
from graph.errors import (
    Conflict,
    InputError,
    KindredError,
    MissingExtra,
    NotFound,
    ReleaseError,
    SchemaError,
    SettingsError,
    StoreError,
    StoreUnavailable,
)

PROBLEM_JSON = "application/problem+json"


class InvalidField(InputError):
    """A parameter or field of a request that cannot be used; ``field`` names it."""

    def __init__(self, what: str, *, field: str, **details: Any) -> None:
        super().__init__(what, **details)
        self.field = field


class UnknownField(InvalidField):
    """A parameter or field that this server does not know."""


class BodyTooLarge(InputError):
    """A request body over the limit; it was not read to its end."""


class BodyTooSlow(InputError):
    """A request body that did not arrive in time."""


class PreconditionMissing(InputError):
    """A write that does not say which version it is based on."""


class UnsupportedMedia(InputError):
    """A request body that is not declared as JSON."""


class MethodNotAllowed(InputError):
    """A path that exists, asked with a method it does not have."""


class Unauthorized(InputError):
    """A request without a key that is known."""


class Forbidden(InputError):
    """A key that lacks the scope a route needs."""


class TooManyRequests(InputError):
    """A key, or an address without one, that asks more often than it may; ``retry_after_s`` says when to come back."""

    def __init__(self, what: str, *, retry_after_s: int, **details: Any) -> None:
        super().__init__(what, **details)
        self.retry_after_s = retry_after_s


class NotReady(KindredError):
    """No release is loaded, or the graph holds no schema yet."""


class Overloaded(KindredError):
    """More requests are waiting than the server accepts."""


class DeadlineExceeded(KindredError):
    """The work was not done within its deadline; ``event_ids`` are set where a write may still land."""

    def __init__(self, what: str, *, event_ids: list[str] | None = None, **details: Any) -> None:
        super().__init__(what, **details)
        self.event_ids = event_ids


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """One stable kind of problem: its status, the end of its ``type``, its title, and what a client does."""

    status: int
    slug: str
    title: str
    what_to_do: str
    retry_after_s: int | None = None

    @property
    def type(self) -> str:
        return f"/problems/{self.slug}"


PROBLEMS: Mapping[type[Exception], ProblemKind] = {
    BodyTooLarge: ProblemKind(413, "body-too-large", "The body is too large", "Send less, in several requests."),
    BodyTooSlow: ProblemKind(408, "body-too-slow", "The body came too slowly", "Send the body at once.", 1),
    UnsupportedMedia: ProblemKind(
        415, "unsupported-media-type", "The body is not JSON", "Send Content-Type: application/json."
    ),
    PreconditionMissing: ProblemKind(
        428, "precondition-missing", "The version is not named", "Read it, then send its ETag as If-Match."
    ),
    MethodNotAllowed: ProblemKind(
        405, "method-not-allowed", "The method is not allowed here", "Use a method that the Allow header names."
    ),
    Unauthorized: ProblemKind(401, "unauthorized", "A key is needed", "Send Authorization: Bearer and your API key."),
    Forbidden: ProblemKind(403, "forbidden", "The key may not do this", "Use a key with the scope the detail names."),
    TooManyRequests: ProblemKind(429, "too-many-requests", "Too many requests", "Wait as long as Retry-After says.", 1),
    UnknownField: ProblemKind(
        422, "unknown-field", "A field is not known", "Leave it out; the detail lists what is served today."
    ),
    InputError: ProblemKind(422, "invalid-request", "The request cannot be used", "Correct what the detail names."),
    SchemaError: ProblemKind(
        422, "not-in-schema", "The graph schema does not allow it", "Use a name that the detail lists."
    ),
    NotFound: ProblemKind(404, "not-found", "There is no such thing", "Check the id and its spelling."),
    Conflict: ProblemKind(412, "conflict", "The row changed meanwhile", "Read it again and retry."),
    NotReady: ProblemKind(
        503, "not-ready", "There is nothing to answer from yet", "Follow the detail, then ask again.", 5
    ),
    Overloaded: ProblemKind(503, "overloaded", "Too many requests are waiting", "Wait, then send it again.", 1),
    DeadlineExceeded: ProblemKind(
        503, "deadline-exceeded", "It took too long", "Send it again; events with the same event_id.", 1
    ),
    StoreUnavailable: ProblemKind(
        503, "store-unavailable", "The graph store cannot be reached", "Wait, then send it again.", 2
    ),
    StoreError: ProblemKind(500, "store-failed", "The graph store failed", "See the server's log."),
    ReleaseError: ProblemKind(500, "release-damaged", "A release is damaged", "Run kindred doctor."),
    SettingsError: ProblemKind(500, "bad-setting", "A setting cannot be used", "Run kindred doctor."),
    MissingExtra: ProblemKind(
        501, "missing-extra", "A part is not installed", "Install the extra that the detail names."
    ),
    KindredError: ProblemKind(500, "failed", "The request failed", "See the server's log."),
    Exception: ProblemKind(500, "internal", "The server made a mistake", "Report it with the request_id."),
}
"""Error class → problem; an error takes the entry of its nearest base class."""


def problem_kind(error: BaseException | type[BaseException]) -> ProblemKind:
    """The table's entry for an error: that of its class, else of its nearest base."""
    cls = error if isinstance(error, type) else type(error)
    return next(PROBLEMS[base] for base in cls.__mro__ if base in PROBLEMS)


def problem_document(error: BaseException, request_id: str) -> dict[str, Any]:
    """The members of the problem document; an unforeseen error says nothing of its inside."""
    kind = problem_kind(error)
    document: dict[str, Any] = {
        "type": kind.type,
        "title": kind.title,
        "status": kind.status,
        "detail": str(error) if isinstance(error, KindredError) else kind.what_to_do,
        "request_id": request_id,
    }
    if isinstance(error, InvalidField | FilterError):
        document["field"] = error.field
    if isinstance(error, FilterError):
        document["column"] = error.column
    if isinstance(error, DeadlineExceeded) and error.event_ids:
        document["event_ids"] = error.event_ids
    return document


def problem_response(error: BaseException, request_id: str, headers: Mapping[str, str] | None = None) -> Response:
    """The reply to a failed request."""
    kind = problem_kind(error)
    sent = dict(headers or {})
    if kind.retry_after_s is not None:
        sent["retry-after"] = str(error.retry_after_s if isinstance(error, TooManyRequests) else kind.retry_after_s)
    if isinstance(error, BodyTooLarge | BodyTooSlow):
        sent["connection"] = "close"
    body = msgspec.json.encode(problem_document(error, request_id))
    response = Response(body, kind.status, sent, PROBLEM_JSON)
    if isinstance(error, Unauthorized):
        for scheme in ("Basic", "Bearer"):  # a line each: of a line with both, Chromium reads only the first
            response.headers.append("www-authenticate", f'{scheme} realm="kindred"')
    return response
