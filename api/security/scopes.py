"""Scopes of API keys, and the one table of what each route needs."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import Any

from graph.errors import InputError


class Scope(StrEnum):
    """What a key may do. A scope contains none of the others."""

    READER = "reader"
    """Ask: recommendations, related items, search, explanations, the graph, the page."""
    EVENTS = "events"
    """Post events."""
    CURATOR = "curator"
    """Change items, curated relations and rules."""
    OPERATOR = "operator"
    """Releases, metrics, which users there are, a user's export and erasure."""


OPEN = ("/live", "/ready", "/problems/", "/docs", "/openapi.json", "/curator/", "/page/static/")
"""Answered without a key: they hold names of the schema at most, never data. An entry ending in / is a prefix."""

_ASKING_BY_POST = ("/v1/recommendations", "/v1/rank", "/v1/what-if", "/api/session/recommend")
_OPERATIONS = ("/metrics", "/v1/models/", "/v1/report")
_CURATED = ("/v1/items", "/v1/edges", "/v1/rules", "/api/item", "/api/items")
_EVENTS = ("/v1/events", "/api/feedback")


def required_scope(method: str, path: str) -> Scope | None:
    """The scope a request needs; ``None`` for what is open. What no line names needs an operator.

    It reads the path alone, so a key is checked before anything is routed or parsed.
    """
    reads = method in ("GET", "HEAD")
    if method == "OPTIONS" or (reads and _under(path, OPEN)):
        return None
    if _under(path, _EVENTS):
        return Scope.EVENTS
    if path.startswith(("/v1/users/", "/api/user/")) and (not reads or path.endswith("/export")):
        return Scope.OPERATOR
    if reads:
        names_users = path.startswith("/v1/items/") and path.endswith("/audience")
        return Scope.OPERATOR if names_users or _under(path, _OPERATIONS) else Scope.READER
    if method == "POST" and path in _ASKING_BY_POST:
        return Scope.READER
    if path.startswith(_CURATED):
        return Scope.CURATOR
    return Scope.OPERATOR


def may(state: Mapping[str, Any], scope: Scope) -> bool:
    """Whether the key of a request has a scope, by what the door noted in the request's state; without a door, yes."""
    return scope in state.get("scopes", tuple(Scope))


def scopes_named(names: str) -> frozenset[Scope]:
    """The scopes in a list by comma.

    Raises:
        InputError: for an empty list or a name that is no scope.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in tuple(Scope)]
    if unknown or not wanted:
        raise InputError("unknown scope", expected="some of " + ", ".join(Scope), got=", ".join(unknown) or "none")
    return frozenset(Scope(name) for name in wanted)


def _under(path: str, places: tuple[str, ...]) -> bool:
    return path in places or path.startswith(_prefixes(places))


@cache
def _prefixes(places: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(place for place in places if place.endswith("/"))
