"""The door: asks each request for a key before anything of it is routed or read."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable

from starlette.types import ASGIApp, Receive, Scope, Send

from api.http.problems import Forbidden, TooManyRequests, Unauthorized, problem_response
from api.observing.metrics import Metrics
from api.security import scopes
from api.security.keys import ApiKey, KeyFile
from api.security.rates import Rates
from graph.errors import KindredError

_REMEDY = "Send Authorization: Bearer KEY; kindred keys create makes one."


class Door:
    """Lets a request in whose key has the scope its route needs and has not asked too often.

    The key stands in ``Authorization: Bearer``, in ``X-API-Key``, or as the password of HTTP Basic, so that a
    browser can ask its user for it. A missing, wrong, expired or revoked key gives one and the same reply.
    """

    def __init__(self, app: ASGIApp, keys: KeyFile, rate_limit: str, metrics: Metrics) -> None:
        self._app = app
        self._keys = keys
        self._rates = Rates(rate_limit)
        self._metrics = metrics

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        needed = scopes.required_scope(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if needed is None:
            return self._app(scope, receive, send)
        text = _key_text(scope)
        try:
            known = None if text is None else self._keys.known(text)
            if known is None:
                return self._enter_unknown(text, needed, scope, receive, send)
            return self._enter(known, needed, scope, receive, send)
        except KindredError as refused:
            return self._refuse(refused, scope, receive, send)

    def _enter(self, key: ApiKey, needed: scopes.Scope, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """The answer to a request of a key that may ask it; raises when it may not."""
        self._rates.count_request(key.key_id)
        if needed not in key.scopes:
            raise Forbidden("the key lacks a scope", expected=needed, got=", ".join(sorted(key.scopes)))
        scope["state"]["scopes"] = key.scopes
        return self._app(scope, receive, send)

    async def _enter_unknown(
        self, text: str | None, needed: scopes.Scope, scope: Scope, receive: Receive, send: Send
    ) -> None:
        try:
            answer = self._enter(await self._verified(text, scope), needed, scope, receive, send)
        except KindredError as refused:
            answer = self._refuse(refused, scope, receive, send)
        await answer

    async def _refuse(self, refused: KindredError, scope: Scope, receive: Receive, send: Send) -> None:
        self._metrics.turned_away.labels(_reason(refused)).inc()
        await problem_response(refused, scope["state"]["request_id"])(scope, receive, send)

    async def _verified(self, text: str | None, scope: Scope) -> ApiKey:
        if text is None:
            raise Unauthorized("the request has no API key", remedy=_REMEDY)
        address = (scope.get("client") or ("unknown",))[0]
        self._rates.check_address(address)
        verified = await asyncio.to_thread(self._keys.verify, text)
        if verified is None:
            self._rates.count_wrong_key(address)
            raise Unauthorized("the API key is not known", remedy=_REMEDY)
        return verified


def _key_text(scope: Scope) -> str | None:
    """The key of a request, wherever it stands."""
    authorization = own = None
    for name, content in scope["headers"]:
        if name == b"authorization" and authorization is None:
            authorization = content
        elif name == b"x-api-key" and own is None:
            own = content
    scheme, _, value = str(authorization or b"", "latin-1").partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode("latin-1").partition(":")[2] or None
        except binascii.Error:
            return None
    return str(own, "latin-1") if own else None


def _reason(refused: KindredError) -> str:
    if isinstance(refused, TooManyRequests):
        return "rate"
    return "scope" if isinstance(refused, Forbidden) else "no_key"
