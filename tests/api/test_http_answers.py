"""The lists: envelope, ids, parameters, unknown things."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import quote

from tests.api.http_world import ODD_ITEMS, World, run, running

ENVELOPE = {
    "recommendation_id",
    "items",
    "fallback_used",
    "unknown_ids",
    "release",
    "graph_watermark",
    "stale",
    "variant",
    "took_ms",
}


def in_world(folder: Path, scenario, **settings) -> None:
    async def body() -> None:
        async with running(folder, **settings) as world:
            await scenario(world)

    run(body())


def test_the_envelope_is_the_contracts(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        reply = await world.get("/v1/users/u1/recommendations?n=2")
        document = reply.json()
        assert reply.status_code == 200
        assert set(document) == ENVELOPE
        assert document["release"] == {"id": "r1", "trained_at": "2026-11-22T00:00:00+00:00"}
        assert [item["rank"] for item in document["items"]] == [1, 2]
        assert set(document["items"][0]) == {"item_id", "score", "rank", "sources", "promotion"}
        assert document["graph_watermark"] == world.store.watermark()
        assert reply.headers["x-request-id"]

    in_world(tmp_path, scenario)


def test_reasons_and_properties_come_when_asked_for(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        item = (await world.get("/v1/trending?n=1&include=reasons,properties,score")).json()["items"][0]
        assert item["reasons"][0]["path"] == [{"node": ["Item", item["item_id"]]}]
        assert item["properties"] == {"title": "Title of i0", "price": 1.5}
        posted = (await world.post("/v1/recommendations", {"include": ["reasons"]})).json()["items"][0]
        assert "reasons" in posted
        assert "properties" not in posted

    in_world(tmp_path, scenario)


def test_an_unknown_user_is_answered_as_a_newcomer(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        reply = await world.get("/v1/users/nobody/recommendations")
        assert reply.status_code == 200
        assert reply.json()["fallback_used"] == "popularity"

    in_world(tmp_path, scenario)


def test_an_unknown_item_has_no_related_items(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        reply = await world.get("/v1/items/nothing/related")
        assert reply.status_code == 404
        assert reply.headers["content-type"] == "application/problem+json"
        assert reply.json()["type"] == "/problems/not-found"

    in_world(tmp_path, scenario)


def test_unknown_ids_in_lists_are_dropped_and_named(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        asked = {"items": ["i0", "gone"], "exclude": ["i1", "away"], "events": [{"item_id": "lost"}]}
        document = (await world.post("/v1/recommendations", asked)).json()
        assert document["unknown_ids"] == ["away", "gone", "lost"]
        assert not {"i0", "i1"} & {item["item_id"] for item in document["items"]}

    in_world(tmp_path, scenario)


def test_any_id_can_stand_in_a_path(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        for item_id in ODD_ITEMS:
            path = quote(item_id, safe="")
            reply = await world.get(f"/v1/items/{path}/related?n=50")
            assert reply.status_code == 200, item_id
            assert item_id not in {item["item_id"] for item in reply.json()["items"]}
            neighbors = await world.get(f"/v1/graph/nodes/Item/{path}/neighbors")
            assert neighbors.json()["neighbors"][0]["edge"] == "HAS_BRAND", item_id

    in_world(tmp_path, scenario)


REFUSED = [
    ("/v1/items/i0/related?filter=", "filter"),
    ("/v1/items/i0/related?user_id=", "user_id"),
    ("/v1/items/i0/related?kind=opposite", "kind"),
    ("/v1/items/i0/related?n=0", "n"),
    ("/v1/items/i0/related?n=501", "n"),
    ("/v1/items/i0/related?n=ten", "n"),
    ("/v1/items/i0/related?include=price", "include"),
    ("/v1/users/u1/recommendations?diversity=1.5", "diversity"),
    ("/v1/users/u1/recommendations?boosts=x", "boosts"),
    ("/v1/users/" + "u" * 513 + "/recommendations", "user_id"),
    ("/v1/users/u%00/recommendations", "user_id"),
    ("/v1/trending?strict=x", "strict"),
    ("/v1/graph/nodes/Item/i0/neighbors?edge=NO", "edge"),
    ("/v1/graph/nodes/Item/i0/neighbors?cursor=!!", "cursor"),
    ("/v1/graph/nodes/Item/i0/neighbors?limit=0", "limit"),
]


def test_what_is_not_served_is_refused_by_name(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        for path, field in REFUSED:
            reply = await world.get(path)
            assert reply.status_code == 422, path
            assert reply.json()["field"] == field, path
            assert reply.json()["detail"].endswith("."), path

    in_world(tmp_path, scenario)


def test_a_parameter_of_a_later_version_is_told_what_is_served(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        problem = (await world.get("/v1/items/i0/related?colour=x")).json()
        assert problem["type"] == "/problems/unknown-field"
        assert "one of filter, strict, diversity, scenario" in problem["detail"]

    in_world(tmp_path, scenario)


def test_a_field_of_a_later_version_is_refused(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        for field in ("banner", "user", "boost", "Filter"):
            reply = await world.post("/v1/recommendations", {"user_id": "u1", field: 1})
            assert reply.status_code == 422
            assert reply.json()["type"] == "/problems/unknown-field"
            assert reply.json()["field"] == field

    in_world(tmp_path, scenario)


def test_neighbors_page_through_every_edge_once(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        for at in range(3):
            event = {"user_id": "u0", "item_id": f"i{at}", "kind": "rating", "value": 5, "event_id": f"e{at}"}
            await world.post("/v1/events", event)
        whole = (await world.get("/v1/graph/nodes/User/u0/neighbors")).json()
        assert whole["next_cursor"] is None
        paged, cursor = [], ""
        while cursor is not None:
            document = (
                await world.get(f"/v1/graph/nodes/User/u0/neighbors?limit=1{cursor and '&cursor=' + cursor}")
            ).json()
            paged += document["neighbors"]
            cursor = document["next_cursor"]
        assert paged == whole["neighbors"]
        assert [(entry["node"][1], entry["edge"]) for entry in paged] == [
            ("i0", "PURCHASED"),
            ("i1", "PURCHASED"),
            ("i0", "LIKED"),
            ("i1", "LIKED"),
            ("i2", "LIKED"),
        ]

    in_world(tmp_path, scenario)


def test_neighbors_follow_edge_and_direction(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        buyers = (await world.get("/v1/graph/nodes/Item/i0/neighbors?direction=in")).json()["neighbors"]
        assert [entry["node"] for entry in buyers] == [["User", "u0"], ["User", "u1"]]
        assert buyers[0]["properties"] == {"weight": 1.0, "timestamp": "1970-01-01T00:00:01+00:00"}
        brand = (await world.get("/v1/graph/nodes/Item/i0/neighbors?edge=HAS_BRAND")).json()["neighbors"]
        assert [(entry["node"], entry["title"], entry["direction"]) for entry in brand] == [
            (["Brand", "nivea"], "Nivea", "out")
        ]
        assert (await world.get("/v1/graph/nodes/Item/nothing/neighbors")).status_code == 404
        assert (await world.get("/v1/graph/nodes/Nothing/i0/neighbors")).status_code == 422

    in_world(tmp_path, scenario)


def test_an_answer_past_its_deadline_is_a_503(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.parts.serving.live.engine.delay_s = 0.5
        reply = await world.get("/v1/users/u1/recommendations")
        assert reply.status_code == 503
        assert reply.json()["type"] == "/problems/deadline-exceeded"
        assert reply.headers["retry-after"]

    in_world(tmp_path, scenario, read_deadline_s=0.1)


def test_a_burst_is_shed_and_not_queued_without_end(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.parts.serving.live.engine.delay_s = 0.2
        replies = await asyncio.gather(*(world.get(f"/v1/users/u{at}/recommendations") for at in range(20)))
        statuses = [reply.status_code for reply in replies]
        assert statuses.count(200) == 3
        assert statuses.count(503) == 17
        assert (await world.get("/v1/users/u1/recommendations")).status_code == 200

    in_world(tmp_path, scenario, engine_threads=1, engine_waiting=2)
