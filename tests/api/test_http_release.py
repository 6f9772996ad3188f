"""The real thing: a release on disk, the real engine, the embedded store, over HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2

from api.app import create_app
from api.engine import Request
from api.settings import Settings
from graph.records import DeleteEdges, UpsertEdges
from graph.release import rollback
from tests.api.corner_shop import HAS_BRAND, Shop
from tests.api.http_release import publish


@asynccontextmanager
async def served(shop: Shop, folder: Path) -> AsyncIterator[tuple[Any, httpx2.AsyncClient]]:
    """The application as ``kindred serve`` builds it, from settings alone."""
    settings = Settings(
        store=f"sqlite:{folder / 'graph.db'}",
        releases=folder / "releases",
        work_dir=folder / "work",
        poll_interval_s=0.05,
        read_deadline_s=20,
        write_deadline_s=20,
    )
    app = create_app(settings)
    transport = httpx2.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx2.AsyncClient(transport=transport, base_url="http://s") as client:
        yield app, client


async def until(reached: Any) -> None:
    ends = time.monotonic() + 30
    while not await reached():
        assert time.monotonic() < ends, "it did not happen in time"
        await asyncio.sleep(0.02)


async def release_of(client: httpx2.AsyncClient) -> str | None:
    return (await client.get("/ready")).json().get("release")


def test_http_gives_the_ids_the_engine_gives(shop: Shop, tmp_path: Path) -> None:
    async def scenario() -> None:
        release_id = publish(shop, tmp_path / "releases", 1)
        async with served(shop, tmp_path) as (_, client):
            await until(lambda: _is(client, release_id))
            for user_id in ("t00", "t07", "b03", "both", "nobody"):
                document = (await client.get(f"/v1/users/{user_id}/recommendations?n=8&include=reasons")).json()
                expected = shop.engine.recommend(Request(user_id, n=8, reasons=True))
                assert [item["item_id"] for item in document["items"]] == expected.item_ids
                assert [item["reasons"] for item in document["items"]] == [
                    [reason.to_json() for reason in item.reasons] for item in expected.items
                ]
            for kind in ("similar", "bought_together"):
                document = (await client.get(f"/v1/items/tea/related?kind={kind}&n=4")).json()
                assert [item["item_id"] for item in document["items"]] == shop.engine.related("tea", kind, 4).item_ids
            document = (await client.get("/v1/trending?window=4w&n=4")).json()
            assert [item["item_id"] for item in document["items"]] == shop.engine.trending("4w", 4).item_ids
            models = (await client.get("/v1/models")).json()
            assert models["models"][0]["gate"]["promoted"] is True
            assert models["serving"] == release_id

    asyncio.run(scenario())


def test_an_event_and_a_curators_edit_count_in_the_next_answer(shop: Shop, tmp_path: Path) -> None:
    async def scenario() -> None:
        publish(shop, tmp_path / "releases", 1)
        async with served(shop, tmp_path) as (_, client):
            await until(lambda: _ready(client))
            newcomer = (await client.get("/v1/users/new/recommendations?n=4")).json()
            assert newcomer["fallback_used"] == "popularity"
            event = {"user_id": "new", "item_id": "soap", "kind": "purchase"}
            assert (await client.post("/v1/events", json=event)).json()["accepted"] == 1
            after = (await client.get("/v1/users/new/recommendations?n=4&include=reasons")).json()
            listed = [item["item_id"] for item in after["items"]]
            assert "soap" not in listed
            assert set(listed) & {"shampoo", "towel", "sponge", "duck", "cream"}
            assert all(item["reasons"] for item in after["items"])
            shop.store.apply([UpsertEdges(HAS_BRAND, ["lonely"], ["nivea"])], batch_id="c", actor="curator")

            async def beside() -> bool:
                page = (await client.get("/v1/graph/nodes/Brand/nivea/neighbors")).json()["neighbors"]
                return "lonely" in {entry["node"][1] for entry in page}

            await until(beside)
            shop.store.apply([DeleteEdges(HAS_BRAND, ["lonely"], ["nivea"])], batch_id="d", actor="curator")
            await until(lambda: _not(beside))

    asyncio.run(scenario())


def test_releases_swap_roll_back_and_damaged_ones_stay_out(shop: Shop, tmp_path: Path) -> None:
    async def scenario() -> None:
        root = tmp_path / "releases"
        first = publish(shop, root, 1)
        async with served(shop, tmp_path) as (app, client):
            await until(lambda: _is(client, first))
            second = publish(shop, root, 2)
            await until(lambda: _is(client, second))
            rollback(root)
            await until(lambda: _is(client, first))
            third = publish(shop, root, 3)
            await until(lambda: _is(client, third))
            rollback(root)
            await until(lambda: _is(client, first))
            fourth = publish(shop, root, 4)
            await until(lambda: _is(client, fourth))
            bad = next(path for path in (root / second).rglob("*.npy") if path.stat().st_size > 200)
            content = bytearray(bad.read_bytes())
            content[-3] ^= 1
            bad.chmod(0o644)
            bad.write_bytes(content)
            (root / "CURRENT").write_text(f"{second}\n")

            async def refused() -> bool:
                return second in app.state.parts.serving.refused

            await until(refused)
            assert await release_of(client) == fourth
            assert (await client.get("/v1/users/t00/recommendations")).status_code == 200

    asyncio.run(scenario())


async def _is(client: httpx2.AsyncClient, release_id: str) -> bool:
    return await release_of(client) == release_id


async def _ready(client: httpx2.AsyncClient) -> bool:
    return (await client.get("/ready")).status_code == 200


async def _not(reached: Any) -> bool:
    return not await reached()
