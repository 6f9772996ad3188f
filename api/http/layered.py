"""The application with layers around the framework, so that a request they answer never enters it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send


class LayeredApp(FastAPI):
    """FastAPI whose own layers (telemetry, limits, error pages) cost only the requests that its routes answer."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._answer: ASGIApp = super().__call__

    def wrap(self, layer: Callable[..., ASGIApp], **settings: Any) -> None:
        """Puts a layer around everything so far; the last one sees a request first."""
        self._answer = layer(self._answer, **settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self  # a layer may call a route's function, which looks for its parts here
        await self._answer(scope, receive, send)
