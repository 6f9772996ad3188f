"""Every question the client can ask: one function a route, from arguments to a :class:`~api.client.call.Call`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from api.client.call import Call, by_comma, given
from api.engine.phrases import Language
from api.engine.request import RelatedKind
from api.http.envelope import Envelope
from api.knowledge.browsing import NeighborsReply
from api.knowledge.catalogue import ItemReply
from api.knowledge.pathfinding import PathsReply
from api.knowledge.personal import ExportReply
from api.routes.explaining import ExplanationReply, WhatIfReply
from api.routes.models import EvaluationsReply, ModelsReply
from api.routes.operations import ReadyReply
from api.routes.problems import GraphProblemsReply
from api.routes.rules import RulesReply
from api.routes.search import SuggestReply
from api.routes.users import AttributesReply, AudienceReply, ProfileReply


def related(
    item_id: str,
    *,
    kind: RelatedKind = "similar",
    user_id: str | None = None,
    n: int = 10,
    filter: str | None = None,  # noqa: A002  # the API's name
    strict: bool | None = None,
    diversity: float | None = None,
    scenario: str | None = None,
    lang: Language | None = None,
    include: Sequence[str] = (),
) -> Call[Envelope]:
    """Items related to one item, without those that ``user_id`` has dealt with."""
    query = _list_query(n, filter, strict, diversity, scenario, lang, include) | {"kind": kind, "user_id": user_id}
    return Call(Envelope, "GET", "/v1/items/{item_id}/related", {"item_id": item_id}, query)


def recommendations(
    user_id: str,
    *,
    n: int = 10,
    filter: str | None = None,  # noqa: A002
    strict: bool | None = None,
    diversity: float | None = None,
    scenario: str | None = None,
    lang: Language | None = None,
    include: Sequence[str] = (),
) -> Call[Envelope]:
    """Recommendations for a user, known or not."""
    query = _list_query(n, filter, strict, diversity, scenario, lang, include)
    return Call(Envelope, "GET", "/v1/users/{user_id}/recommendations", {"user_id": user_id}, query)


def recommend(
    *,
    user_id: str | None = None,
    events: Iterable[Mapping[str, Any]] = (),
    items: Sequence[str] = (),
    exclude: Sequence[str] = (),
    n: int = 10,
    include: Sequence[str] = (),
    **steering: Any,
) -> Call[Envelope]:
    """Recommendations for a user, a session of events, a cart of items, or any of them together.

    ``steering`` takes the other fields of the route: filter, boosts, promotions, pins, caps, diversity and so on.
    """
    body = {"events": list(events), "items": list(items), "exclude": list(exclude), "n": n, "include": list(include)}
    return Call(Envelope, "POST", "/v1/recommendations", body=body | given(user_id=user_id, **steering))


def trending(
    *,
    window: str = "7d",
    n: int = 10,
    filter: str | None = None,  # noqa: A002
    strict: bool | None = None,
    diversity: float | None = None,
    scenario: str | None = None,
    lang: Language | None = None,
    include: Sequence[str] = (),
) -> Call[Envelope]:
    """What is chosen most within a window."""
    query = _list_query(n, filter, strict, diversity, scenario, lang, include) | {"window": window}
    return Call(Envelope, "GET", "/v1/trending", query=query)


def search(
    q: str,
    *,
    n: int = 10,
    filter: str | None = None,  # noqa: A002
    user_id: str | None = None,
    lang: Language | None = None,
    include: Sequence[str] = (),
) -> Call[Envelope]:
    """Items for words, by the words and by their meaning."""
    query = {"q": q, "n": n, "filter": filter, "user_id": user_id, "lang": lang, "include": by_comma(include)}
    return Call(Envelope, "GET", "/v1/search", query=query)


def suggest(q: str, *, n: int = 10) -> Call[SuggestReply]:
    """Names that begin like what was typed."""
    return Call(SuggestReply, "GET", "/v1/suggest", query={"q": q, "n": n})


def item(item_id: str) -> Call[ItemReply]:
    """An item as the graph holds it, with its etag."""
    return Call(ItemReply, "GET", "/v1/items/{item_id}", {"item_id": item_id})


def rank(
    items: Sequence[str],
    *,
    user_id: str | None = None,
    events: Iterable[Mapping[str, Any]] = (),
    include: Sequence[str] = (),
) -> Call[Envelope]:
    """The given items, best first for a user or a session."""
    body = {"items": list(items), "events": list(events), "include": list(include)}
    return Call(Envelope, "POST", "/v1/rank", body=body | given(user_id=user_id))


def audience(item_id: str, *, n: int = 10) -> Call[AudienceReply]:
    """The users most likely to want an item."""
    return Call(AudienceReply, "GET", "/v1/items/{item_id}/audience", {"item_id": item_id}, {"n": n})


def attributes(user_id: str, node_type: str, *, n: int = 10) -> Call[AttributesReply]:
    """Brands, categories or tags for a user."""
    query = {"type": node_type, "n": n}
    return Call(AttributesReply, "GET", "/v1/users/{user_id}/attributes", {"user_id": user_id}, query)


def profile(user_id: str) -> Call[ProfileReply]:
    """What a user is interested in, with evidence."""
    return Call(ProfileReply, "GET", "/v1/users/{user_id}/profile", {"user_id": user_id})


def export_user(user_id: str) -> Call[ExportReply]:
    """Everything the graph holds of a person."""
    return Call(ExportReply, "GET", "/v1/users/{user_id}/export", {"user_id": user_id})


def explain(
    item_id: str, user_id: str, *, n: int = 10, changes: bool = True, lang: Language | None = None
) -> Call[ExplanationReply]:
    """Why an item is in a user's list, or why not."""
    query = {"item_id": item_id, "user_id": user_id, "n": n, "changes": changes, "lang": lang}
    return Call(ExplanationReply, "GET", "/v1/explanations", query=query)


def what_if(edits: Iterable[Mapping[str, Any]], request: Mapping[str, Any]) -> Call[WhatIfReply]:
    """A request before and after edits that are only imagined."""
    return Call(WhatIfReply, "POST", "/v1/what-if", body={"edits": list(edits), "request": dict(request)})


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


def paths(source: str, target: str, *, max_hops: int = 3, limit: int = 10) -> Call[PathsReply]:
    """How two nodes hang together; each is ``Type:id``."""
    query = {"from": source, "to": target, "max_hops": max_hops, "limit": limit}
    return Call(PathsReply, "GET", "/v1/graph/paths", query=query)


def problems(*, limit: int = 100) -> Call[GraphProblemsReply]:
    """What in the graph does not fit its schema, and how to mend it."""
    return Call(GraphProblemsReply, "GET", "/v1/graph/problems", query={"limit": limit})


def rules() -> Call[RulesReply]:
    """The shop's rules and their version."""
    return Call(RulesReply, "GET", "/v1/rules")


def models() -> Call[ModelsReply]:
    """The releases with their figures and the gate's verdicts."""
    return Call(ModelsReply, "GET", "/v1/models")


def evaluations() -> Call[EvaluationsReply]:
    """What each release was measured at."""
    return Call(EvaluationsReply, "GET", "/v1/evaluations")


def ready() -> Call[ReadyReply]:
    """The release in service."""
    return Call(ReadyReply, "GET", "/ready")


def _list_query(
    n: int,
    filter_: str | None,
    strict: bool | None,
    diversity: float | None,
    scenario: str | None,
    lang: Language | None,
    include: Sequence[str],
) -> dict[str, Any]:
    return {
        "n": n,
        "filter": filter_,
        "strict": strict,
        "diversity": diversity,
        "scenario": scenario,
        "lang": lang,
        "include": by_comma(include),
    }
