"""The tools that change the catalogue, curated relations, rules and histories. Only offered when asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from msgspec.structs import replace
from pydantic import Field

from api.client import ApiProblem, AsyncKindred
from api.engine.steering.rules import MAX_RANK, Hide, Pin, Rules
from api.mcp.asking import Document, Id, Tool, plain

BY = "assistant"
"""The name of the rules that these tools write; they leave all others alone."""
CHANGED_MEANWHILE = 412
TRIES = 3
Name = Annotated[str, Field(min_length=1, max_length=64)]
End = Annotated[tuple[str, str], Field(description='Type and id, e.g. ["Item", "50"].')]


def editing_tools(shop: AsyncKindred) -> list[Tool]:
    """Tools that write. The API refuses them unless the key has the scope curator, or events for ``post_event``."""

    async def put_item(item_id: Id, properties: Document, relations: Document | None = None) -> Document:
        """Put an item, new or in place of what was there: e.g. properties {"title": "Mug"}, relations {"HAS_BRAND": ["acme"]}."""  # noqa: E501
        return plain(await shop.put_item(item_id, properties, relations))

    async def change_item(item_id: Id, properties: Document, relations: Document | None = None) -> Document:
        """Change the named properties and relations of an item; null removes a property."""
        return plain(await shop.change_item(item_id, properties, relations))

    async def delete_item(item_id: Id) -> Document:
        """Delete an item and its edges. It cannot be undone; hide_item can."""
        return plain(await shop.delete_item(item_id))

    async def put_edge(source: End, relation: Name, target: End) -> Document:
        """Put a curated edge between two nodes, e.g. COMPLEMENTS or HAS_BRAND."""
        return plain(await shop.put_edges({"source": source, "relation": relation, "target": target}))

    async def delete_edge(source: End, relation: Name, target: End) -> Document:
        """Delete a curated edge."""
        return plain(await shop.delete_edges({"source": source, "relation": relation, "target": target}))

    async def hide_item(item_id: Id, hidden: bool = True) -> Document:
        """Hide an item from every list, or show again one that was hidden by this tool."""
        return await _with_rules(shop, lambda rules: _hiding(rules, item_id, hidden))

    async def pin_item(
        item_id: Id, rank: Annotated[int, Field(ge=1, le=MAX_RANK)] = 1, pinned: bool = True
    ) -> Document:
        """Pin an item to a rank of every list, or take away its pin."""
        return await _with_rules(shop, lambda rules: _pinning(rules, item_id, rank if pinned else None))

    async def post_event(
        user_id: Id, item_id: Id, kind: Name, value: float | None = None, event_id: Id | None = None
    ) -> Document:
        """Store what a user did with an item, e.g. kind purchase; the same event_id twice is stored once."""
        event = {"user_id": user_id, "item_id": item_id, "kind": kind, "value": value, "event_id": event_id}
        return plain(await shop.post_events({name: given for name, given in event.items() if given is not None}))

    return [put_item, change_item, delete_item, put_edge, delete_edge, hide_item, pin_item, post_event]


async def _with_rules(shop: AsyncKindred, change: Callable[[Rules], Rules]) -> Document:
    """The rules, changed and in force; read again where somebody else changed them meanwhile."""
    for attempt in range(1, TRIES + 1):
        read = await shop.rules()
        try:
            written = await shop.put_rules(msgspec.to_builtins(change(read.rules)), etag=read.etag)
        except ApiProblem as refused:
            if refused.status != CHANGED_MEANWHILE or attempt == TRIES:
                raise
        else:
            return plain(written)
    raise AssertionError("the last attempt raises")


def _hiding(rules: Rules, item_id: str, hidden: bool) -> Rules:
    ours = {item for rule in rules.hidden if _ours(rule) for item in rule.items}
    ours = ours | {item_id} if hidden else ours - {item_id}
    others = tuple(rule for rule in rules.hidden if not _ours(rule))
    return replace(rules, hidden=(*others, Hide(items=tuple(sorted(ours)), name=BY)) if ours else others)


def _pinning(rules: Rules, item_id: str, rank: int | None) -> Rules:
    others = tuple(pin for pin in rules.pins if not (_ours(pin) and pin.item_id == item_id))
    return replace(rules, pins=others if rank is None else (Pin(item_id=item_id, rank=rank, name=BY), *others))


def _ours(rule: Any) -> bool:
    return bool(rule.name == BY and rule.when is None)
