"""A list as a request asks for it, read and checked: what the engine is asked, and how much it has to read for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.types import Scope

from api.engine.answer import Answer
from api.engine.phrases import language_of
from api.engine.reading import num_events
from api.engine.request import Request as EngineRequest
from api.engine.steering import NO_STEERING
from api.http.envelope import parse_include
from api.http.limits import checked_id
from api.routes.answers import (
    RecommendationsQuery,
    RelatedQuery,
    posted_request,
    recommendations_request,
    related_answer,
)
from api.serving.live import Live
from graph.errors import InputError

ITEMS, OF_ITEM = "/v1/items/", "/related"
USERS, OF_USER = "/v1/users/", "/recommendations"
_NAMING_NOBODY = frozenset({"n", "kind", "include"})
"""Parameters that are the same for many who ask; checking a query costs more than all else around a computed list."""
_SHORT_QUERY, _MOST_QUERIES = 128, 1024
_PLAIN_ITEMS = 100
"""A list that asks for more is long whatever it costs to find."""


class Template(NamedTuple):
    """What the log and the counters need of the route that would have matched."""

    path_format: str


RELATED = Template("/v1/items/{item_id}/related")
RECOMMENDATIONS = Template("/v1/users/{user_id}/recommendations")
POSTED = Template("/v1/recommendations")
_queries: dict[tuple[Template, bytes], tuple[RelatedQuery | RecommendationsQuery, frozenset[str], bool]] = {}


class Asked(Protocol):
    """A request as the engine takes it."""

    @property
    def include(self) -> frozenset[str]: ...

    @property
    def kind(self) -> str:
        """As what the list is kept for attribution."""
        ...

    def rows_read(self, live: Live) -> int | None:
        """How many rows of each source the engine reads for it; ``None`` where more than that decides what it costs."""
        ...

    def answer(self, live: Live) -> Answer:
        """What the engine says."""
        ...


@dataclass(frozen=True, slots=True)
class AskedList:
    """A list asked for by its path and parameters."""

    subject_id: str
    query: RelatedQuery | RecommendationsQuery
    include: frozenset[str]
    accepted: str | None
    is_plain: bool
    """Whether it names nobody, and asks for nothing beside a list of a few items."""

    @property
    def kind(self) -> str:
        return f"related:{self.query.kind}" if isinstance(self.query, RelatedQuery) else "recommendations"

    def rows_read(self, live: Live) -> int | None:
        if not self.is_plain:
            return None
        if isinstance(self.query, RelatedQuery):
            return 1 if self.query.kind == "similar" else None
        return num_events(live.view, self.subject_id)

    def answer(self, live: Live) -> Answer:
        query = self.query
        reasons, language = "reasons" in self.include, language_of(query.lang, self.accepted)
        if isinstance(query, RelatedQuery):
            return related_answer(live.engine, self.subject_id, query, reasons, language)
        return live.engine.recommend(
            replace(recommendations_request(self.subject_id, query, language), reasons=reasons)
        )


@dataclass(frozen=True, slots=True)
class AskedInFull:
    """Recommendations asked for by a body."""

    request: EngineRequest
    include: frozenset[str]

    @property
    def kind(self) -> str:
        return "recommendations"

    def rows_read(self, live: Live) -> int | None:
        request = self.request
        is_plain = request.steering is NO_STEERING and not request.interests and not self.include
        if not is_plain or request.n > _PLAIN_ITEMS:
            return None
        known = 0 if request.user_id is None else num_events(live.view, request.user_id)
        return known + len(request.events) + len(request.items) + len(request.exclude)

    def answer(self, live: Live) -> Answer:
        return live.engine.recommend(self.request)


async def read_in_full(request: Request) -> AskedInFull:
    """The recommendations a body asks for; raises what the route raises."""
    return AskedInFull(*await posted_request(request))


def read_list(route: Template, scope: Scope, accepted: str | None) -> AskedList | None:
    """The request, checked; ``None`` when anything about it is not right."""
    start, end = (ITEMS, OF_ITEM) if route is RELATED else (USERS, OF_USER)
    try:
        query, include, is_plain = _query(route, scope["query_string"])
        return AskedList(checked_id(scope["path"][len(start) : -len(end)], "id"), query, include, accepted, is_plain)
    except (ValidationError, InputError, ValueError):
        return None


def _query(route: Template, text: bytes) -> tuple[RelatedQuery | RecommendationsQuery, frozenset[str], bool]:
    """The parameters, what to include, and whether no other than those of a list are given; raises for a wrong one.

    Those of a short query that names nobody are kept.
    """
    kept = _queries.get((route, text))
    if kept is not None:
        return kept
    pairs = parse_qsl(text.decode("latin-1"), keep_blank_values=True)
    given: Mapping[str, Any] = dict(pairs)
    if len(given) != len(pairs):
        raise ValueError("a parameter is given twice")
    model: type[BaseModel] = RelatedQuery if route is RELATED else RecommendationsQuery
    query = model.model_validate(given)
    assert isinstance(query, RelatedQuery | RecommendationsQuery)
    if isinstance(query, RelatedQuery) and query.user_id is not None:
        checked_id(query.user_id, "user_id")
    include, names_nobody = parse_include(query.include), given.keys() <= _NAMING_NOBODY
    read = query, include, names_nobody and not include and query.n <= _PLAIN_ITEMS
    if names_nobody and len(text) <= _SHORT_QUERY:
        if len(_queries) >= _MOST_QUERIES:
            _queries.clear()
        _queries[route, text] = read
    return read
