"""Every request the client can make: one function a route, from arguments to a :class:`Call`."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from api.browsing import NeighborsReply
from api.engine.request import RelatedKind
from api.envelope import Envelope
from api.events import Acknowledged
from api.routes.models import ModelsReply
from api.routes.operations import ReadyReply

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request: the route as the API's description names it, what goes in, and the type that comes out."""

    reply: type[T]
    method: str
    route: str
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def target(self) -> str:
        """The path with its ids, percent-encoded."""
        return self.route.format_map({name: quote(value, safe="") for name, value in self.path.items()})

    @property
    def sent_query(self) -> dict[str, str]:
        """The parameters that were given, as text."""
        return {name: _text(value) for name, value in self.query.items() if value is not None}


def related(item_id: str, *, kind: RelatedKind = "similar", n: int = 10, include: Sequence[str] = ()) -> Call[Envelope]:
    """Items related to one item."""
    query = {"kind": kind, "n": n, "include": _list(include)}
    return Call(Envelope, "GET", "/v1/items/{item_id}/related", {"item_id": item_id}, query)


def recommendations(user_id: str, *, n: int = 10, include: Sequence[str] = ()) -> Call[Envelope]:
    """Recommendations for a user, known or not."""
    query = {"n": n, "include": _list(include)}
    return Call(Envelope, "GET", "/v1/users/{user_id}/recommendations", {"user_id": user_id}, query)


def recommend(
    *,
    user_id: str | None = None,
    events: Iterable[Mapping[str, Any]] = (),
    items: Sequence[str] = (),
    exclude: Sequence[str] = (),
    n: int = 10,
    include: Sequence[str] = (),
) -> Call[Envelope]:
    """Recommendations for a user, a session of events, a cart of items, or any of them together."""
    body = {"events": list(events), "items": list(items), "exclude": list(exclude), "n": n, "include": list(include)}
    return Call(Envelope, "POST", "/v1/recommendations", body=body | _given(user_id=user_id))


def trending(*, window: str = "7d", n: int = 10, include: Sequence[str] = ()) -> Call[Envelope]:
    """What is chosen most within a window."""
    return Call(Envelope, "GET", "/v1/trending", query={"window": window, "n": n, "include": _list(include)})


def post_events(*events: Mapping[str, Any]) -> Call[Acknowledged]:
    """Events; those without an ``event_id`` get one here, so that a repeated request stores nothing twice."""
    sent = [{"event_id": uuid.uuid4().hex, **event} for event in events]
    return Call(Acknowledged, "POST", "/v1/events", body=sent)


def neighbors(
    node_type: str,
    node_id: str,
    *,
    edge: str | None = None,
    direction: str = "both",
    limit: int = 100,
    cursor: str | None = None,
) -> Call[NeighborsReply]:
    """One page of a node's neighbours."""
    query = {"edge": edge, "direction": direction, "limit": limit, "cursor": cursor}
    path = {"node_type": node_type, "node_id": node_id}
    return Call(NeighborsReply, "GET", "/v1/graph/nodes/{node_type}/{node_id}/neighbors", path, query)


def models() -> Call[ModelsReply]:
    """The releases with their figures and the gate's verdicts."""
    return Call(ModelsReply, "GET", "/v1/models")


def ready() -> Call[ReadyReply]:
    """The release in service."""
    return Call(ReadyReply, "GET", "/ready")


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _list(names: Sequence[str]) -> str | None:
    return ",".join(names) or None


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
