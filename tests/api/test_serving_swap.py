"""Releases in service: swapped without losing a request, damaged ones refused, the store followed."""

from __future__ import annotations

import asyncio
from pathlib import Path

from graph.records import DeleteEdges, DeleteNodes, UpsertNodes
from tests.api.http_world import PURCHASED, World, run, running

SWAPS = 20


def in_world(folder: Path, scenario, **settings) -> None:
    async def body() -> None:
        async with running(folder, **settings) as world:
            await scenario(world)

    run(body())


def test_writes_of_others_arrive_by_themselves(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.store.inside.apply(
            [UpsertNodes("Item", ["late"], [{"title": "Late"}]), DeleteNodes("Item", ["i5"])],
            batch_id="b",
            actor="curator",
        )
        serving = world.parts.serving
        await world.until(lambda: serving.knows_item("late") and not serving.knows_item("i5"))
        assert (await world.get("/v1/items/late/related")).status_code == 200
        assert (await world.get("/v1/items/i5/related")).status_code == 404
        assert (await world.get("/ready")).json()["stale"] is False

    in_world(tmp_path, scenario)


def test_a_release_is_taken_beside_answers_with_courtesy_and_the_first_without(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.releases.current = "r2"
        await world.until(lambda: world.parts.serving.live.release_id == "r2")
        assert world.releases.beside_answers == {"r1": False, "r2": True}

    in_world(tmp_path, scenario)


def test_a_swap_loses_no_request_and_no_answer_mixes_two_releases(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        stop = asyncio.Event()
        seen: list[tuple[int, str]] = []

        async def ask() -> None:
            while not stop.is_set():
                reply = await world.get("/v1/users/u1/recommendations?n=3")
                seen.append((reply.status_code, reply.json()["release"]["id"]))
                await asyncio.sleep(0.001)  # an answer from the cache never waits, and this process is the server too

        askers = [asyncio.create_task(ask()) for _ in range(3)]
        for at in range(2, 2 + SWAPS):
            world.releases.current = f"r{at}"
            await world.until(lambda at=at: world.parts.serving.live.release_id == f"r{at}")
        stop.set()
        await asyncio.gather(*askers)
        assert {status for status, _ in seen} == {200}
        order = [release for _, release in seen]
        assert set(order) <= {f"r{at}" for at in range(1, 2 + SWAPS)}
        assert len(set(order)) > 2

    in_world(tmp_path, scenario)


def test_a_request_ends_with_the_release_it_began_with(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.parts.serving.live.engine.delay_s = 0.5
        slow = asyncio.create_task(world.get("/v1/users/u1/recommendations"))
        await asyncio.sleep(0.1)
        world.releases.current = "r2"
        await world.until(lambda: world.parts.serving.live.release_id == "r2")
        assert (await world.get("/v1/users/u1/recommendations")).json()["release"]["id"] == "r2"
        assert (await slow).json()["release"]["id"] == "r1"

    in_world(tmp_path, scenario)


def test_an_event_acknowledged_during_a_swap_counts_in_the_new_release(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        for at in range(2, 8):
            world.releases.current = f"r{at}"
            event = {"user_id": f"new{at}", "item_id": "i0", "kind": "purchase"}
            reply = await world.post("/v1/events", event)
            assert reply.json()["accepted"] == 1
            await world.until(lambda at=at: world.parts.serving.live.release_id == f"r{at}")
            answer = (await world.get(f"/v1/users/new{at}/recommendations")).json()
            assert answer["fallback_used"] is None

    in_world(tmp_path, scenario)


def test_a_damaged_release_never_goes_live(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.releases.broken.add("bad")
        world.releases.current = "bad"
        await world.until(lambda: "bad" in world.parts.serving.refused)
        await asyncio.sleep(0.3)
        assert world.releases.taken.count("bad") == 1  # refused once, not again each second
        assert (await world.get("/v1/trending")).json()["release"]["id"] == "r1"
        document = (await world.get("/v1/models")).json()
        assert "damaged" in document["refused"]["bad"]
        assert "kindred_releases_refused_total 1.0" in (await world.get("/metrics")).text

    in_world(tmp_path, scenario)


def test_a_new_release_starts_without_what_its_snapshot_holds_already(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        for at in range(5):
            await world.post("/v1/events", {"user_id": "u1", "item_id": f"i{at}", "kind": "purchase"})
        assert world.parts.serving.live.fed_rows > 0
        world.releases.current = "r2"
        await world.until(lambda: world.parts.serving.live.release_id == "r2")
        assert world.parts.serving.live.fed_rows == 0
        page = (await world.get("/v1/graph/nodes/User/u1/neighbors")).json()["neighbors"]
        assert len(page) == 5

    in_world(tmp_path, scenario)


def test_a_deleted_edge_goes_from_the_answers(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.store.inside.apply([DeleteEdges(PURCHASED, ["u1"], ["i0"])], batch_id="b", actor="curator")
        answered = asyncio.get_running_loop().time() + 10
        while True:
            items = (await world.get("/v1/users/u1/recommendations?n=50")).json()["items"]
            if "i0" in {item["item_id"] for item in items}:
                break
            assert asyncio.get_running_loop().time() < answered
            await asyncio.sleep(0.05)

    in_world(tmp_path, scenario)


def test_when_the_store_is_down_at_start_it_is_followed_later(tmp_path: Path) -> None:
    async def body() -> None:
        async with running(tmp_path, ready=False, stale_after_s=0.3) as world:
            world.store.down = True
            world.releases.current = "r1"
            await world.until(lambda: world.parts.serving.found is not None)
            assert (await world.get("/v1/trending")).json()["stale"] is True
            world.store.down = False
            await world.until(lambda: not world.parts.serving.stale)
            assert (await world.get("/v1/trending")).json()["stale"] is False

    run(body())
