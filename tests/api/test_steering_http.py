"""Steering over HTTP: filters, the full form of a request, and rules that a curator puts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from api.engine.steering import NO_RULES, Hide, Rules
from api.knowledge.rules import RulesFile
from graph.errors import Conflict
from graph.records import UpsertNodes
from tests.api.corner_shop import BRANDS, CATEGORIES, Shop
from tests.api.http_release import publish
from tests.api.test_http_release import release_of, served, until

CARE = {name for name, category in CATEGORIES.items() if category == "Care"}


@asynccontextmanager
async def open_shop(shop: Shop, folder: Path) -> AsyncIterator[Any]:
    release_id = publish(shop, folder / "releases")

    async def ready() -> bool:
        return await release_of(client) == release_id

    async with served(shop, folder) as (_, client):
        await until(ready)
        yield client


def in_the_shop(shop: Shop, folder: Path, scenario: Callable[[Any], Awaitable[None]]) -> None:
    async def run() -> None:
        async with open_shop(shop, folder) as client:
            await scenario(client)

    asyncio.run(run())


def listed(reply: Any) -> list[str]:
    assert reply.status_code == 200, reply.text
    return [item["item_id"] for item in reply.json()["items"]]


def test_every_list_takes_a_filter(shop: Shop, tmp_path: Path) -> None:
    async def scenario(client: Any) -> None:
        query = {"filter": 'category = "Care"', "n": 13}
        for path in (
            "/v1/users/t05/recommendations",
            "/v1/users/nobody/recommendations",
            "/v1/items/tea/related",
            "/v1/items/tea/related?kind=complementary",
            "/v1/items/tea/related?kind=cross_category",
            "/v1/trending",
        ):
            address, _, given = path.partition("?")
            reply = await client.get(
                address, params={**query, **dict(pair.split("=") for pair in given.split("&") if pair)}
            )
            assert set(listed(reply)) == CARE, path
        posted = await client.post("/v1/recommendations", json={"user_id": "t05", **query})
        assert set(listed(posted)) == CARE
        strict = await client.get("/v1/users/nobody/recommendations", params={**query, "strict": "true"})
        assert listed(strict) == []
        varied = await client.get(
            "/v1/users/t05/recommendations", params={"n": 5, "diversity": 0.9, "scenario": "home"}
        )
        assert len(listed(varied)) == 5

    in_the_shop(shop, tmp_path, scenario)


UNUSABLE: list[tuple[Any, str, int | None]] = [
    ({"filter": "price <"}, "filter", 8),
    ({"boosts": [{"filter": 'brand = "a"', "factor": 2}, {"filter": "x = 1", "factor": 2}]}, "boosts[1].filter", 1),
    ({"promotions": [{"name": "p", "filter": "price < 'x'"}]}, "promotions[0].filter", 9),
    ({"caps": [{"by": "colour", "at_most": 1}]}, "caps[0].by", 1),
    ({"calibration": {"by": "colour"}, "user_id": "t05"}, "calibration.by", 1),
    ({"freshness": {"by": "price"}}, "freshness.by", 1),
    ({"freshness": {"half_life": "soon"}}, "freshness.half_life", None),
    ({"interests": [{"item_id": "tea", "type": "Brand"}]}, "interests[0]", None),
    ({"interests": [{"type": "Colour", "id": "red"}]}, "interests[0].type", 1),
    ({"diversity": 2}, "diversity", None),
    ({"promotions": [{"name": "nothing"}]}, "promotions[0]", 1),
    ({"boosts": [{"filter": 'brand = "a"', "factor": 0}]}, "boosts[0].factor", None),
    ({"context": {"time": "yesterday"}}, "context.time", None),
    ({"pins": [{"item_id": "tea", "rank": 0}]}, "pins[0].rank", None),
]


def test_what_cannot_be_used_is_named(shop: Shop, tmp_path: Path) -> None:
    async def scenario(client: Any) -> None:
        for body, field, column in UNUSABLE:
            reply = await client.post("/v1/recommendations", json=body)
            problem = reply.json()
            assert (reply.status_code, problem["field"], problem.get("column")) == (422, field, column), problem

    in_the_shop(shop, tmp_path, scenario)


def test_the_full_form_steers_the_list(shop: Shop, tmp_path: Path) -> None:
    body = {
        "user_id": "t05",
        "n": 6,
        "boosts": [{"filter": 'brand = "nivea"', "factor": 5, "name": "house brand"}],
        "promotions": [{"name": "lamp week", "items": ["lonely"], "positions": [3]}],
        "pins": [{"item_id": "duck", "rank": 1, "name": "hero"}, {"item_id": "none", "rank": 2}],
        "caps": [{"by": "category", "at_most": 1}],
        "diversity": 0.2,
        "calibration": {"by": "category", "strength": 0.1},
        "rotation": {"shown": ["biscuit"], "strength": 0.9},
        "freshness": {"by": "added_at", "half_life": "30d", "strength": 0.1},
        "scenario": "home",
        "context": {"channel": "app", "location": "DE", "time": 1_700_000_000},
        "exclude": ["mug"],
    }

    async def scenario(client: Any) -> None:
        document = (await client.post("/v1/recommendations", json=body)).json()
        items = {item["rank"]: item for item in document["items"]}
        assert (items[1]["item_id"], items[1]["promotion"]) == ("duck", "hero")
        assert (items[3]["item_id"], items[3]["promotion"]) == ("lonely", "lamp week")
        assert document["unknown_ids"] == ["none"]
        names = [item["item_id"] for item in document["items"]]
        assert "mug" not in names
        groups = [CATEGORIES[name] for name in names if name in CATEGORIES]
        assert len(groups) == len(set(groups))
        newcomer = {"interests": [{"type": "Brand", "id": "Nivea"}], "n": 3, "filter": "exists brand"}
        assert set(listed(await client.post("/v1/recommendations", json=newcomer))) <= set(BRANDS)

    in_the_shop(shop, tmp_path, scenario)


def test_rules_are_put_by_those_who_have_read_them_and_hold_in_the_next_answer(shop: Shop, tmp_path: Path) -> None:
    async def scenario(client: Any) -> None:
        nothing = await client.get("/v1/rules")
        assert nothing.json()["rules"] == {}
        before = listed(await client.get("/v1/users/t05/recommendations?n=3"))
        rules = {
            "hidden": [{"items": [before[0], "gone"], "name": "recall"}],
            "pins": [{"item_id": "duck", "rank": 1, "when": {"scenario": ["home"]}}],
        }
        refused = await client.put("/v1/rules", json=rules)
        assert refused.status_code == 428
        put = await client.put("/v1/rules", json=rules, headers={"If-Match": nothing.headers["etag"]})
        assert put.status_code == 200
        assert put.json()["unknown_ids"] == ["gone"]
        after = listed(await client.get("/v1/users/t05/recommendations?n=3&scenario=home"))
        assert after[0] == "duck"
        assert before[0] not in after
        assert listed(await client.get("/v1/users/t05/recommendations?n=1")) != ["duck"]
        late = await client.put("/v1/rules", json={}, headers={"If-Match": nothing.headers["etag"]})
        assert (late.status_code, late.json()["type"]) == (412, "/problems/conflict")
        read = await client.get("/v1/rules")
        assert read.headers["etag"] == put.headers["etag"] == read.json()["etag"]
        gone = await client.put("/v1/rules", json={}, headers={"If-Match": "*"})
        assert gone.json()["rules"] == {}
        assert listed(await client.get("/v1/users/t05/recommendations?n=3")) == before

    in_the_shop(shop, tmp_path, scenario)


UNFIT: list[tuple[Any, str]] = [
    ({"boosts": [{"filter": "brand = ", "factor": 2}]}, "boosts[0].filter"),
    ({"hidden": [{"filter": "colour = 1"}]}, "hidden[0].filter"),
    ({"caps": [{"by": "colour", "at_most": 1}]}, "caps[0].by"),
    ({"scenarios": {"home": {"filter": "x"}}}, "scenarios.home.filter"),
    ({"boosts": [{"filter": 'brand = "a"', "factor": 1000}]}, "boosts[0].factor"),
    ({"banner": []}, "banner"),
    ({"hidden": [{"name": "nothing"}]}, "hidden[0]"),
    ({"promotions": [{"name": "nothing"}]}, "promotions[0]"),
    ({"pins": [{"item_id": "tea", "rank": 1, "when": {"since": "2026-01-01T00:00:00"}}]}, "pins[0].when.since"),
]


def test_rules_that_do_not_fit_are_refused_and_nothing_changes(shop: Shop, tmp_path: Path) -> None:
    async def scenario(client: Any) -> None:
        for rules, field in UNFIT:
            reply = await client.put("/v1/rules", json=rules, headers={"If-Match": "*"})
            assert (reply.status_code, reply.json()["field"]) == (422, field)
            assert (await client.get("/v1/rules")).json()["rules"] == {}

    in_the_shop(shop, tmp_path, scenario)


def test_a_hand_edit_of_the_rules_file_counts_and_a_broken_one_costs_no_answer(shop: Shop, tmp_path: Path) -> None:
    async def scenario(client: Any) -> None:
        (tmp_path / "rules.json").write_text(json.dumps({"hidden": [{"filter": "price <"}, {"items": ["tea"]}]}))
        assert "tea" not in listed(await client.get("/v1/users/nobody/recommendations"))
        assert (await client.get("/v1/rules")).json()["problems"][0]["field"] == "hidden[0].filter"
        (tmp_path / "rules.json").write_text("{not json")
        assert "tea" not in listed(await client.get("/v1/users/nobody/recommendations"))
        assert (await client.get("/v1/rules")).json()["damage"]

    in_the_shop(shop, tmp_path, scenario)


def test_an_item_hidden_by_a_hand_edit_of_the_graph_is_in_no_list(shop: Shop, tmp_path: Path) -> None:
    async def scenario(client: Any) -> None:
        assert "tea" in listed(await client.get("/v1/users/nobody/recommendations"))
        shop.store.apply([UpsertNodes("Product", ["tea"], [{"hidden": True}])], batch_id="hand", actor="curator")

        async def gone() -> bool:
            return "tea" not in listed(await client.get("/v1/users/nobody/recommendations"))

        await until(gone)

    in_the_shop(shop, tmp_path, scenario)


def test_two_writers_of_rules_do_not_overwrite_each_other(tmp_path: Path) -> None:
    one, other = RulesFile(tmp_path / "rules.json"), RulesFile(tmp_path / "rules.json")
    tag = one.current().etag
    assert other().hidden == NO_RULES.hidden
    first = one.put(Rules(hidden=(Hide(items=("a",)),)), tag)
    with pytest.raises(Conflict, match="changed meanwhile"):
        other.put(Rules(), tag)
    assert other.current() == first
    assert other.put(Rules(), first.etag).rules == Rules()
    assert one().hidden == ()
