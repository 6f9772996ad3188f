"""The MCP server with the SDK's own client: what it offers, what it answers, and that it cannot write or reach out."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
from mcp import Client

from api.client import AsyncKindred, Retries
from api.mcp import mcp_server
from api.security import KeyFile, Scope
from graph.digest import graph_hash
from tests.api.http_world import World, running

HOSTILE = [
    "'; DROP TABLE nodes; --",
    "x'}) DETACH DELETE (n) //",
    "../../v1/events",
    "..%2f..%2fmodels/rollback",
    "http://127.0.0.1:9/steal",
    "file:///etc/passwd",
    "i0/related?kind=similar#",
    "i0\r\nDELETE /v1/items/i0 HTTP/1.1\r\n\r\n",
    "$(touch owned)",
    "{{7*7}}",
    "\x00",
    "袋" * 500,
]
PLACES = ["item_id", "user_id", "node_type", "node_id", "source", "target", "window", "where", "q"]
WRITING = ["post_events", "put_item", "delete_item", "put_edge", "run_cypher", "query", "shell", "put_rules"]


class Watched(httpx2.ASGITransport):
    """The application, with every request that reached it."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self.asked: list[tuple[str, str, str]] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append((request.method, request.url.host, request.url.path))
        return await super().handle_async_request(request)


def in_world(
    folder: Path,
    scenario: Callable[[World, Client, Watched], Awaitable[None]],
    *,
    edit: bool = False,
    api_key: str | None = None,
    **settings: Any,
) -> None:
    async def play() -> None:
        async with running(folder, rules=folder / "rules.json", **settings) as world:
            transport = Watched(world.app)
            async with (
                AsyncKindred("http://shop", api_key=api_key, transport=transport, retries=Retries(attempts=1)) as shop,
                Client(mcp_server(shop, edit=edit)) as client,
            ):
                await scenario(world, client, transport)

    asyncio.run(play())


def test_it_offers_typed_tools_that_only_read(tmp_path: Path) -> None:
    async def scenario(_: World, client: Client, __: Watched) -> None:
        tools = (await client.list_tools()).tools
        assert {"related", "recommend", "explain", "what_if", "neighbors", "paths"} <= {tool.name for tool in tools}
        for tool in tools:
            assert tool.description
            assert tool.annotations is not None
            assert tool.annotations.read_only_hint
            assert not {"url", "cypher", "query", "path", "file"} & tool.input_schema["properties"].keys()

    in_world(tmp_path, scenario)


def test_it_answers_with_the_apis_documents_and_its_words(tmp_path: Path) -> None:
    async def scenario(world: World, client: Client, _: Watched) -> None:
        answer = await client.call_tool("related", {"item_id": "i0", "n": 2})
        direct = (await world.get("/v1/items/i0/related?n=2&include=reasons,properties&lang=en")).json()
        assert answer.structured_content is not None
        assert answer.structured_content["items"] == direct["items"]
        refused = await client.call_tool("related", {"item_id": "nothing"})
        assert refused.is_error
        assert "no such item" in refused.content[0].text  # type: ignore[union-attr]
        assert (await client.call_tool("related", {"item_id": "i0", "n": 10_000})).is_error

    in_world(tmp_path, scenario)


def test_two_hundred_attacks_write_nothing_and_reach_nothing_else(tmp_path: Path) -> None:
    attacks = [
        *itertools.product(["related", "explain", "neighbors", "paths", "profile"], HOSTILE),
        *itertools.product(["recommend", "what_if", "trending"], HOSTILE),
        *itertools.product(WRITING, [*HOSTILE, "i0"]),
    ]
    assert len(attacks) >= 200

    async def scenario(world: World, client: Client, transport: Watched) -> None:
        before = graph_hash(world.store.inside), world.store.inside.watermark()
        for tool, text in attacks:
            arguments = dict.fromkeys(
                ("item_id", "user_id", "node_type", "node_id", "source", "target", "window", "filter", "q"), text
            ) | {
                "edits": [{"do": "remove_node", "type": "Item", "id": text}, {"do": text}],
                "request": {"ask": "related", "item_id": text},
                "items": [text],
            }
            reply = await client.call_tool(tool, arguments)
            if tool in WRITING:
                assert reply.is_error, tool
        assert (graph_hash(world.store.inside), world.store.inside.watermark()) == before
        assert not world.store.applied
        assert {host for _, host, _ in transport.asked} == {"shop"}
        assert {path for method, _, path in transport.asked if method != "GET"} <= {
            "/v1/what-if",
            "/v1/recommendations",
        }

    in_world(tmp_path, scenario)


EDITS: list[tuple[str, dict[str, Any]]] = [
    ("put_item", {"item_id": "new", "properties": {"title": "A new thing"}, "relations": {"HAS_BRAND": ["dove"]}}),
    ("change_item", {"item_id": "i0", "properties": {"price": 9.5}}),
    ("delete_item", {"item_id": "i5"}),
    ("put_edge", {"source": ["Item", "i0"], "relation": "HAS_BRAND", "target": ["Brand", "dove"]}),
    ("delete_edge", {"source": ["Item", "i0"], "relation": "HAS_BRAND", "target": ["Brand", "nivea"]}),
    ("hide_item", {"item_id": "i2"}),
    ("pin_item", {"item_id": "i4", "rank": 1}),
    ("post_event", {"user_id": "u9", "item_id": "i1", "kind": "purchase", "event_id": "e1"}),
]


def test_tools_that_edit_are_offered_only_when_asked_for_and_say_that_they_write(tmp_path: Path) -> None:
    async def scenario(_: World, client: Client, __: Watched) -> None:
        writing = [
            tool
            for tool in (await client.list_tools()).tools
            if not (tool.annotations and tool.annotations.read_only_hint)
        ]
        assert {tool.name for tool in writing} == {name for name, _ in EDITS}
        assert {tool.name for tool in writing if tool.annotations and tool.annotations.destructive_hint} == {
            "put_item",
            "delete_item",
            "delete_edge",
        }

    in_world(tmp_path, scenario, edit=True)


def test_an_edit_changes_what_it_names_and_leaves_the_rules_of_others(tmp_path: Path) -> None:
    async def scenario(world: World, client: Client, _: Watched) -> None:
        rules = {"pins": [{"item_id": "i3", "rank": 2, "name": "by hand"}], "hidden": [{"items": ["袋"]}]}
        assert (await world.client.put("/v1/rules", json=rules, headers={"If-Match": "*"})).status_code == 200
        for tool, arguments in EDITS:
            reply = await client.call_tool(tool, arguments)
            assert not reply.is_error, (tool, reply.content)
        assert (await world.get("/v1/items/new")).json()["properties"]["title"] == "A new thing"
        changed = (await world.get("/v1/items/i0")).json()
        assert changed["properties"]["price"] == 9.5
        assert changed["relations"]["HAS_BRAND"] == ["dove"]
        assert (await world.get("/v1/items/i5")).status_code == 404
        exported = (await world.get("/v1/users/u9/export")).json()
        assert [edge["node"] for edge in exported["edges"] if edge["relation"] == "PURCHASED"] == [["Item", "i1"]]
        now = (await world.get("/v1/rules")).json()["rules"]
        assert [(pin["item_id"], pin["rank"], pin["name"]) for pin in now["pins"]] == [
            ("i4", 1, "assistant"),
            ("i3", 2, "by hand"),
        ]
        assert [rule["items"] for rule in now["hidden"]] == [["袋"], ["i2"]]
        for tool, back in (("hide_item", {"hidden": False}), ("pin_item", {"pinned": False})):
            assert not (await client.call_tool(tool, dict(EDITS)[tool] | back)).is_error
        left = (await world.get("/v1/rules")).json()["rules"]
        assert [pin["name"] for pin in left["pins"]] == ["by hand"]
        assert [rule["items"] for rule in left["hidden"]] == [["袋"]]
        again = await client.call_tool(*EDITS[-1])
        assert again.structured_content is not None
        assert (again.structured_content["accepted"], again.structured_content["duplicates"]) == (0, 1)

    in_world(tmp_path, scenario, edit=True)


def test_a_key_without_the_scope_changes_nothing(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.json")
    _, text = file.create("assistant", frozenset({Scope.READER}))

    async def scenario(world: World, client: Client, _: Watched) -> None:
        before = graph_hash(world.store.inside), world.store.inside.watermark()
        assert not (await client.call_tool("related", {"item_id": "i0"})).is_error
        for tool, arguments in EDITS:
            reply = await client.call_tool(tool, arguments)
            assert reply.is_error, tool
            assert "scope" in reply.content[0].text  # type: ignore[union-attr]
        assert (graph_hash(world.store.inside), world.store.inside.watermark()) == before
        assert not world.parts.rules().pins

    in_world(tmp_path, scenario, edit=True, api_key=text, auth="on", keys=tmp_path / "keys.json")


def test_two_editors_of_the_rules_lose_nothing(tmp_path: Path) -> None:
    async def scenario(world: World, client: Client, _: Watched) -> None:
        pins = [client.call_tool("pin_item", {"item_id": f"i{at}", "rank": at + 1}) for at in range(2)]
        assert not [reply.content for reply in await asyncio.gather(*pins) if reply.is_error]
        assert {pin.item_id for pin in world.parts.rules().pins} == {"i0", "i1"}

    in_world(tmp_path, scenario, edit=True)
