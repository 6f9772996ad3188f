"""Lets Neo4j Browser, a page of another address, read the workbench; and no other page."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

WORKBENCH = "/curator/"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_ALLOWED = {
    "access-control-allow-methods": "GET, OPTIONS",
    "access-control-allow-headers": "cache-control, pragma, content-type, accept",
    "access-control-max-age": "600",
}


class BrowserOrigins:
    """Answers the preflight of a Browser on this machine, on the API's host, or at one of ``origins``."""

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self._app = app
        self._origins = frozenset(origins)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] != "http" or not scope["path"].startswith(WORKBENCH):
            return self._app(scope, receive, send)
        return self._workbench(scope, receive, send)

    async def _workbench(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        allowed = self._allowed(headers)
        if scope["method"] == "OPTIONS":
            await Response(status_code=204, headers=allowed)(scope, receive, send)
            return

        async def readable_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent = MutableHeaders(scope=message)
                for name, value in allowed.items():
                    sent[name] = value
            await send(message)

        await self._app(scope, receive, readable_send)

    def _allowed(self, headers: Headers) -> dict[str, str]:
        origin = headers.get("origin", "")
        try:
            host = urlsplit(origin).hostname if "://" in origin else None
            own = urlsplit("//" + headers.get("host", "")).hostname
        except ValueError:
            host = own = None
        if host is None or not (host in _LOOPBACK or host == own or origin in self._origins):
            return {"vary": "Origin"}
        return {"vary": "Origin", "access-control-allow-origin": origin, **_ALLOWED}
