"""The tools that only ask."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from pydantic import Field

from api.client import AsyncKindred
from api.engine.request import RelatedKind

Document: TypeAlias = dict[str, Any]
Tool: TypeAlias = Callable[..., Awaitable[Document]]
Id = Annotated[str, Field(min_length=1, max_length=512)]
Count = Annotated[int, Field(ge=1, le=100)]
Filter = Annotated[str | None, Field(max_length=4_000, description='E.g. brand in ("Nivea","Dove") and price < 20')]
Lang = Literal["en", "zh"]
TOLD = ("reasons", "properties")


def asking_tools(shop: AsyncKindred) -> list[Tool]:
    """Tools that read. None of them takes an address, a query language or a file name."""

    async def related(
        item_id: Id, kind: RelatedKind = "similar", n: Count = 10, where: Filter = None, lang: Lang = "en"
    ) -> Document:
        """Items related to an item: similar, complementary, bought_together or cross_category, with reasons."""
        return plain(await shop.related(item_id, kind=kind, n=n, filter=where, lang=lang, include=TOLD))

    async def recommend(
        user_id: Id | None = None,
        cart: Annotated[list[Id] | None, Field(max_length=100, description="Items chosen so far.")] = None,
        n: Count = 10,
        where: Filter = None,
        lang: Lang = "en",
    ) -> Document:
        """Recommendations for a user, a cart of items, or both, with reasons."""
        asked = shop.recommend(user_id=user_id, items=cart or (), n=n, include=TOLD, filter=where, lang=lang)
        return plain(await asked)

    async def search(
        q: Annotated[str, Field(min_length=1, max_length=200)],
        user_id: Id | None = None,
        n: Count = 10,
        where: Filter = None,
        lang: Lang = "en",
    ) -> Document:
        """Items for words, by the words and by their meaning; a user's taste settles near draws."""
        return plain(await shop.search(q, n=n, filter=where, user_id=user_id, lang=lang, include=TOLD))

    async def trending(window: Annotated[str, Field(max_length=10)] = "7d", n: Count = 10) -> Document:
        """What is chosen most just now; the window is e.g. 24h, 7d or 4w."""
        return plain(await shop.trending(window=window, n=n, include=("properties",)))

    async def explain(item_id: Id, user_id: Id, n: Count = 10, lang: Lang = "en") -> Document:
        """Why an item is in a user's list of n, or why not: its rank, what removed it, what would bring it in."""
        return plain(await shop.explain(item_id, user_id, n=n, lang=lang))

    async def what_if(
        edits: Annotated[list[Document], Field(min_length=1, max_length=50)], request: Document
    ) -> Document:
        """A list before and after edits of the graph that are only imagined; nothing is written.

        An edit has `do`: add_node, remove_node, add_edge, remove_edge or set_property. The request has `ask`:
        recommendations (with user_id, items, n) or related (with item_id, kind, n).
        """
        return plain(await shop.what_if(edits, request))

    async def profile(user_id: Id) -> Document:
        """What a user is interested in, with the evidence."""
        return plain(await shop.profile(user_id))

    async def neighbors(
        node_type: Annotated[str, Field(max_length=64)],
        node_id: Id,
        edge: Annotated[str | None, Field(max_length=64)] = None,
        limit: Count = 20,
        cursor: Annotated[str | None, Field(max_length=4_000)] = None,
    ) -> Document:
        """The nodes one edge away in the graph, page by page."""
        return plain(await shop.neighbors(node_type, node_id, edge=edge, limit=limit, cursor=cursor))

    async def paths(source: Id, target: Id, limit: Count = 5) -> Document:
        """How two nodes hang together; each is written Type:id, e.g. Item:50."""
        return plain(await shop.paths(source, target, limit=limit))

    async def evaluations() -> Document:
        """How good the releases are: tables with baselines, and the gate's verdicts."""
        return plain(await shop.evaluations())

    return [related, recommend, search, trending, explain, what_if, profile, neighbors, paths, evaluations]


def plain(reply: object) -> Document:
    """A reply of the API as the document it is."""
    document = msgspec.to_builtins(reply)
    assert isinstance(document, dict)  # every reply is a struct
    return document
