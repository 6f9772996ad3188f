"""gorse's shapes: what a gorse client sends and reads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.api.http_world import World, running


def in_world(folder: Path, scenario: Callable[[World], Awaitable[None]]) -> None:
    async def play() -> None:
        async with running(folder) as world:
            await scenario(world)

    asyncio.run(play())


def test_lists_have_gorses_shapes_and_our_order(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        ours = [item["item_id"] for item in (await world.get("/v1/users/u0/recommendations?n=4")).json()["items"]]
        assert (await world.get("/api/recommend/u0?n=4")).json() == ours
        assert (await world.get("/api/recommend/u0?n=2&offset=2")).json() == ours[2:]
        for path in ("/api/item/i0/neighbors?n=3", "/api/popular?n=3"):
            rows = (await world.get(path)).json()
            assert len(rows) == 3
            assert all(row.keys() == {"Id", "Score"} for row in rows)
        assert (await world.get("/api/item/nothing/neighbors")).status_code == 404
        session = [{"FeedbackType": "purchase", "UserId": "", "ItemId": "i0", "Timestamp": "2022-02-24", "Comment": ""}]
        rows = (await world.post("/api/session/recommend?n=3", session)).json()
        assert len(rows) == 3
        assert "i0" not in {row["Id"] for row in rows}

    in_world(tmp_path, scenario)


def test_feedback_is_stored_once_and_counts_in_the_next_answer(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        one = {"FeedbackType": "purchase", "UserId": "bob", "ItemId": "i0", "Timestamp": "2022-02-24"}
        later = one | {"ItemId": "i1", "Timestamp": "2022-02-24T10:00:00Z", "Value": 2}
        assert (await world.post("/api/feedback", [one, later])).json() == {"RowAffected": 2}
        assert (await world.client.put("/api/feedback", json=[one])).json() == {"RowAffected": 0}
        assert not {"i0", "i1"} & set((await world.get("/api/recommend/bob?n=20")).json())

    in_world(tmp_path, scenario)


def test_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        one = {"FeedbackType": "star", "UserId": "bob", "ItemId": "i0"}
        refused = await world.post("/api/feedback", [one])
        assert refused.status_code == 422
        assert "purchase" in refused.json()["detail"]
        for wrong in ([], [one | {"FeedbackType": "purchase", "Timestamp": "yesterday"}], [one | {"Stars": 5}], {}):
            assert (await world.post("/api/feedback", wrong)).status_code == 422
        assert (await world.get("/api/recommend/bob?n=0")).status_code == 422

    in_world(tmp_path, scenario)
