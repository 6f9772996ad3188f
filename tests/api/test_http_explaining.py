"""Explanations, what-if, paths and releases over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.api.http_world import World, run, running


async def _get(world: World, path: str, status: int = 200) -> Any:
    reply = await world.get(path)
    assert reply.status_code == status, reply.text
    return reply.json()


async def _post(world: World, path: str, document: Any, status: int = 200) -> Any:
    reply = await world.post(path, document)
    assert reply.status_code == status, reply.text
    return reply.json()


def test_why_and_why_not(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as world:
            explained = await _get(world, "/v1/explanations?item_id=i2&user_id=u0&n=3")
            assert explained["listed"]
            assert explained["rank"] == 1
            assert explained["reasons"]
            assert explained["removed_by"] == []
            seen = await _get(world, "/v1/explanations?item_id=i0&user_id=u0")
            assert [removal["by"] for removal in seen["removed_by"]] == ["seen"]
            assert not seen["listed"]
            await _get(world, "/v1/explanations?item_id=ghost&user_id=u0", 404)
            await _get(world, "/v1/explanations?item_id=i0", 422)

    run(scenario())


def test_what_if_answers_both_ways_and_writes_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as world:
            watermark = world.store.inside.watermark()
            body = {
                "edits": [
                    {"do": "add_node", "node": ["User", "u9"], "properties": {}},
                    {"do": "add_edge", "edge": "PURCHASED", "from": ["User", "u9"], "to": ["Item", "i5"]},
                    {"do": "remove_edge", "edge": "PURCHASED", "from": ["User", "u2"], "to": ["Item", "i2"]},
                    {"do": "set_property", "node": ["Item", "i5"], "name": "title", "value": "Lamp"},
                ],
                "request": {"ask": "recommendations", "user_id": "u0", "n": 1, "include": ["properties"]},
            }
            found = await _post(world, "/v1/what-if", body)
            assert [item["item_id"] for item in found["before"]["items"]] == ["i2"]
            assert [item["item_id"] for item in found["after"]["items"]] == ["i5"]
            assert found["moved"] == [
                {"item_id": "i5", "before": None, "after": 1},
                {"item_id": "i2", "before": 1, "after": None},
            ]
            related = {"edits": body["edits"][:1], "request": {"ask": "related", "item_id": "i0", "n": 2}}
            assert (await _post(world, "/v1/what-if", related))["moved"] == []
            assert world.store.inside.watermark() == watermark
            assert (await _get(world, "/v1/users/u0/recommendations?n=1"))["items"][0]["item_id"] == "i2"

    run(scenario())


def test_edits_that_cannot_be_are_named(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as world:
            request = {"ask": "recommendations", "user_id": "u0"}
            edge = {"do": "add_edge", "edge": "HAS_BRAND", "from": ["Item", "i0"], "to": ["User", "u0"]}
            refused = await _post(world, "/v1/what-if", {"edits": [edge], "request": request}, 422)
            assert refused["field"] == "edits[0].edge"
            assert "Item-HAS_BRAND-Brand" in refused["detail"]
            ghost = {"do": "remove_node", "node": ["Item", "ghost"]}
            await _post(world, "/v1/what-if", {"edits": [ghost], "request": request}, 404)
            unknown = {"do": "paint", "node": ["Item", "i0"]}
            await _post(world, "/v1/what-if", {"edits": [unknown], "request": request}, 422)
            await _post(world, "/v1/what-if", {"edits": [], "request": request}, 422)

    run(scenario())


def test_paths_name_nobody_in_between(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as world:
            found = await _get(world, "/v1/graph/paths?from=Item:i0&to=Item:i1")
            assert [path["hops"] for path in found["paths"]] == [1]
            assert found["paths"][0]["path"] == [
                {"node": ["Item", "i0"]},
                {"edge": "PURCHASED"},
                {"node": ["Item", "i1"]},
            ]
            brands = await _get(world, "/v1/graph/paths?from=Item:i0&to=Item:i2")
            assert ["Brand", "nivea"] in [step.get("node") for step in brands["paths"][0]["path"]]
            own = await _get(world, "/v1/graph/paths?from=User:u0&to=Brand:dove&max_hops=2")
            assert own["paths"][0]["hops"] == 2
            for answer in (found, brands, own):
                named = {tuple(step["node"]) for path in answer["paths"] for step in path["path"] if "node" in step}
                assert {node for node in named if node[0] == "User"} <= {("User", "u0")}
            await _get(world, "/v1/graph/paths?from=Item:ghost&to=Item:i1", 404)
            await _get(world, "/v1/graph/paths?from=Ghost:i0&to=Item:i1", 422)
            await _get(world, "/v1/graph/paths?from=i0&to=Item:i1", 422)

    run(scenario())


def test_releases_are_activated_and_rolled_back(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as world:
            assert await _post(world, "/v1/models/r2/activate", {}) == {"current": "r2", "serving": "r2"}
            assert (await _get(world, "/v1/users/u0/recommendations"))["release"]["id"] == "r2"
            assert await _post(world, "/v1/models/rollback", {}) == {"current": "r1", "serving": "r1"}
            await _post(world, "/v1/models/ghost/activate", {}, 404)
            world.releases.broken.add("r2")
            await _post(world, "/v1/models/r2/activate", {}, 500)
            evaluations = (await _get(world, "/v1/evaluations"))["evaluations"]
            assert evaluations[0]["evaluation"] == {"ndcg@20": 0.1}

    run(scenario())
