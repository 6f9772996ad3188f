"""What is seen of each request: its id, its time, one log line and the counters. Never who asked for what."""

from __future__ import annotations

import time
from collections.abc import Awaitable

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.ids import new_id
from api.http.problems import problem_response
from api.observing.logs import log_request
from api.observing.metrics import Metrics

_log = structlog.get_logger("kindred.http")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Observing:
    """Gives each request an id, answers an unforeseen error with a 500 problem, and records what happened.

    The log names the route's template and not the path, because paths hold user ids.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = new_id()
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0

        def observed_send(message: Message) -> Awaitable[None]:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            return send(message)

        began = time.perf_counter()
        try:
            await self._app(scope, receive, observed_send)
        except Exception as error:  # the last door: a client gets a problem document, the log the traceback
            _log.exception("http.failed", request_id=request_id, error=type(error).__name__)
            if status == 0:
                await problem_response(error, request_id)(scope, receive, observed_send)
        finally:
            seconds = time.perf_counter() - began
            route = _route_of(scope)
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._metrics.count_request(route, method, status, seconds)
            log_request(request_id, method, route, status, round(seconds * 1000, 2))


def _route_of(scope: Scope) -> str:
    """The template of the route that matched, so that ids enter neither logs nor metrics."""
    return getattr(scope.get("route"), "path_format", "none")
