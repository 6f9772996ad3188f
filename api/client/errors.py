"""What can go wrong between a client and the server."""

from __future__ import annotations

from typing import Any

import msgspec

from graph.errors import KindredError


class ApiProblem(KindredError):
    """The server refused a request; it says why. ``type`` is stable, e.g. ``/problems/not-found``."""

    def __init__(self, status: int, document: dict[str, Any], retry_after_s: float | None = None) -> None:
        super().__init__(str(document.get("detail") or document.get("title") or f"the server answered {status}"))
        self.status = status
        self.type: str = document.get("type", "about:blank")
        self.request_id: str | None = document.get("request_id")
        self.field: str | None = document.get("field")
        self.event_ids: list[str] = document.get("event_ids", [])
        self.retry_after_s = retry_after_s


class Unreachable(KindredError, ConnectionError):
    """No answer came, whatever was tried."""


def problem_from(status: int, body: bytes, retry_after: str | None) -> ApiProblem:
    """The problem of a reply; one that is not a problem document keeps its status."""
    try:
        document = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        document = {}
    try:
        seconds = None if retry_after is None else float(retry_after)
    except ValueError:
        seconds = None
    return ApiProblem(status, document, seconds)
