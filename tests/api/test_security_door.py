"""The door over HTTP: every route and every scope, rates, and what a refusal tells."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import structlog

from api.security import KeyFile, Scope, required_scope
from tests.api.http_world import World, running

Scenario = Callable[[World, dict[str, str]], Awaitable[None]]


def in_closed_world(folder: Path, scenario: Scenario, **settings: Any) -> None:
    """A world that asks for keys, and one key of each scope by the scope's name."""
    file = KeyFile(folder / "keys.json")
    texts = {scope.value: file.create(scope.value, frozenset({scope}))[1] for scope in Scope}
    texts["both"] = file.create("both", frozenset({Scope.READER, Scope.OPERATOR}))[1]

    async def play() -> None:
        async with running(folder, auth="on", keys=folder / "keys.json", **settings) as world:
            await scenario(world, texts)

    asyncio.run(play())


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


UNDESCRIBED = [("GET", "/"), ("GET", "/docs"), ("GET", "/metrics"), ("GET", "/openapi.json")]


def routes_of(world: World) -> list[tuple[str, str]]:
    """Every route, with ids put in."""
    paths = world.app.openapi()["paths"]
    described = [(method.upper(), path) for path, operations in paths.items() for method in operations]
    assert len(described) >= 10
    asked = [(method, re.sub(r"\{[a-z_]+\}", "i0", path)) for method, path in described]
    return [*asked, *UNDESCRIBED]


def test_every_route_lets_in_the_scope_it_needs_and_no_other(tmp_path: Path) -> None:
    async def scenario(world: World, texts: dict[str, str]) -> None:
        for (method, path), scope in itertools.product(routes_of(world), Scope):
            needed = required_scope(method, path)
            reply = await world.client.request(method, path, headers=bearer(texts[scope]))
            if needed is None or needed is scope:
                assert reply.status_code not in (401, 403), (method, path, scope)
            else:
                assert reply.status_code == 403, (method, path, scope)
                assert needed in reply.json()["detail"]

    in_closed_world(tmp_path, scenario)


def test_without_a_key_only_what_holds_no_data_is_answered(tmp_path: Path) -> None:
    async def scenario(world: World, _: dict[str, str]) -> None:
        for method, path in routes_of(world):
            reply = await world.client.request(method, path)
            if required_scope(method, path) is None:
                assert reply.status_code not in (401, 403), path
            else:
                assert reply.status_code == 401, path
                assert reply.headers["www-authenticate"]

    in_closed_world(tmp_path, scenario)


def test_only_an_operator_learns_which_users_there_are(tmp_path: Path) -> None:
    async def scenario(world: World, texts: dict[str, str]) -> None:
        item = "/v1/graph/nodes/Item/i0/neighbors"
        for scope in (Scope.READER, Scope.OPERATOR):
            assert (await world.client.get("/v1/items/i0/audience", headers=bearer(texts[scope]))).status_code == (
                403 if scope is Scope.READER else 200
            )
        reader = await world.client.get(item, headers=bearer(texts["reader"]))
        assert {entry["node"][0] for entry in reader.json()["neighbors"]} == {"Brand"}
        refused = await world.client.get(item, params={"edge": "PURCHASED"}, headers=bearer(texts["reader"]))
        assert refused.status_code == 403
        assert "operator" in refused.json()["detail"]
        assert "u0" not in refused.text
        own = await world.client.get("/v1/graph/nodes/User/u0/neighbors", headers=bearer(texts["reader"]))
        assert [entry["node"] for entry in own.json()["neighbors"]] == [["Item", "i0"], ["Item", "i1"]]
        told = await world.client.get(item, params={"edge": "PURCHASED"}, headers=bearer(texts["both"]))
        assert {entry["node"][1] for entry in told.json()["neighbors"]} == {"u0", "u1"}
        for address in ("/", "/?node=Item:i0"):
            page = await world.client.get(address, headers=bearer(texts["reader"]))
            assert page.status_code == 200
            assert "u0" not in page.text, address
            assert "u0" in (await world.client.get(address, headers=bearer(texts["both"]))).text, address

    in_closed_world(tmp_path, scenario)


def test_a_refusal_says_the_same_for_ids_that_exist_and_ids_that_do_not(tmp_path: Path) -> None:
    async def scenario(world: World, texts: dict[str, str]) -> None:
        def without_id(reply: Any) -> dict[str, Any]:
            return reply.json() | {"request_id": None}

        for headers in ({}, bearer("kindred_0_0"), bearer(texts["events"])):
            there = await world.client.get("/v1/items/i0/related", headers=headers)
            nowhere = await world.client.get("/v1/items/none/related", headers=headers)
            assert there.status_code == nowhere.status_code
            assert without_id(there) == without_id(nowhere)
        wrong = [
            without_id(await world.client.get("/", headers=bearer(text)))
            for text in ("x", "kindred_0_0", texts["reader"][:-2])
        ]
        assert wrong[0] == wrong[1] == wrong[2]

    in_closed_world(tmp_path, scenario)


def test_a_key_may_come_in_three_places(tmp_path: Path) -> None:
    async def scenario(world: World, texts: dict[str, str]) -> None:
        text = texts["reader"]
        basic = base64.b64encode(f"anybody:{text}".encode()).decode()
        for headers in (bearer(text), {"X-API-Key": text}, {"Authorization": f"Basic {basic}"}):
            assert (await world.client.get("/v1/trending", headers=headers)).status_code == 200
        for headers in (
            {"Authorization": "Basic ?"},
            {"Authorization": "Bearer "},
            {"Authorization": f"Digest {text}"},
        ):
            assert (await world.client.get("/v1/trending", headers=headers)).status_code == 401

    in_closed_world(tmp_path, scenario)


def test_a_key_that_asks_too_often_waits_and_the_others_do_not(tmp_path: Path) -> None:
    async def scenario(world: World, texts: dict[str, str]) -> None:
        for _ in range(5):
            assert (await world.client.get("/v1/trending", headers=bearer(texts["reader"]))).status_code == 200
        late = await world.client.get("/v1/trending", headers=bearer(texts["reader"]))
        assert late.status_code == 429
        assert 1 <= int(late.headers["retry-after"]) <= 3600
        assert (await world.client.get("/metrics", headers=bearer(texts["operator"]))).status_code == 200

    in_closed_world(tmp_path, scenario, rate_limit="5/hour")


def test_guessing_keys_is_slowed_down(tmp_path: Path) -> None:
    async def scenario(world: World, texts: dict[str, str]) -> None:
        statuses = [
            (await world.client.get("/v1/trending", headers=bearer(f"kindred_0_{at}"))).status_code for at in range(25)
        ]
        assert statuses[:20] == [401] * 20
        assert statuses[-1] == 429
        unseen = await world.client.get("/v1/trending", headers=bearer(texts["reader"]))
        assert unseen.status_code == 429, "an address that guesses waits, whatever it sends next"

    in_closed_world(tmp_path, scenario)


def test_no_key_is_written_to_the_log_or_the_metrics(tmp_path: Path) -> None:
    async def scenario(world: World, texts: dict[str, str]) -> None:
        with structlog.testing.capture_logs() as lines:
            await world.client.get("/v1/trending", headers=bearer(texts["reader"]))
            await world.client.get("/v1/trending", headers=bearer("kindred_canary_secret"))
        metrics = (await world.client.get("/metrics", headers=bearer(texts["operator"]))).text
        assert len(lines) == 2
        for secret in (texts["reader"], "canary"):
            assert secret not in json.dumps(lines)
            assert secret not in metrics
        assert 'kindred_turned_away_total{reason="no_key"} 1.0' in metrics

    in_closed_world(tmp_path, scenario)


@pytest.mark.parametrize(("origin", "allowed"), [("https://shop.example", True), ("https://evil.example", False)])
def test_browsers_of_named_origins_may_ask(tmp_path: Path, origin: str, allowed: bool) -> None:
    async def scenario(world: World, texts: dict[str, str]) -> None:
        asks = {"Origin": origin, "Access-Control-Request-Method": "GET"}
        preflight = await world.client.options("/v1/trending", headers=asks)
        assert (preflight.status_code == 200) is allowed
        reply = await world.client.get("/v1/trending", headers=bearer(texts["reader"]) | {"Origin": origin})
        assert (reply.headers.get("access-control-allow-origin") == origin) is allowed

    in_closed_world(tmp_path, scenario, cors_origins=("https://shop.example",))
