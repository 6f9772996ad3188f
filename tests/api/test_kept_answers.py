"""Answers kept as bytes: never stale, each given under an id of its own, bounded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import api.events.given as given_module
import api.http.asked as asked_module
from api.events.given import Given, read_given
from api.http.envelope import Envelope, ListedItem, ReleaseName
from api.http.kept import AnswerCache, KeptAnswer
from tests.api.http_world import World, run, running

PATH = "/v1/items/i0/related?n=3"


def in_world(folder: Path, scenario: Any, **settings: Any) -> None:
    async def body() -> None:
        async with running(folder, **{"stale_after_s": 3600, "rules": folder / "rules.json", **settings}) as world:
            await world.until(lambda: not world.parts.serving.stale)
            await scenario(world)

    run(body())


async def hits(world: World) -> float:
    lines = (await world.get("/metrics")).text.splitlines()
    line = next(line for line in lines if line.startswith('kindred_answer_cache_total{outcome="hit"}'))
    return float(line.split()[-1])


def without_own(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in ("recommendation_id", "took_ms")}


def test_the_same_question_is_answered_from_what_is_kept_under_a_new_id(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        first, second = (await world.get(PATH)).json(), (await world.get(PATH)).json()
        assert without_own(first) == without_own(second)
        assert first["recommendation_id"] != second["recommendation_id"]
        assert second["took_ms"] >= 0
        assert await hits(world) == 1

    in_world(tmp_path, scenario)


def test_language_and_every_parameter_make_another_question(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        for path in (PATH, PATH.replace("3", "2"), PATH + "&kind=bought_together", "/v1/items/i1/related?n=3"):
            await world.get(path)
        await world.client.get(PATH, headers={"accept-language": "zh"})
        assert await hits(world) == 0

    in_world(tmp_path, scenario)


def test_an_event_counts_in_the_next_answer(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        path = "/v1/users/u2/recommendations?n=50"
        before = (await world.get(path)).json()
        assert "i3" in {item["item_id"] for item in before["items"]}
        await world.post("/v1/events", {"user_id": "u2", "item_id": "i3", "kind": "purchase"})
        after = (await world.get(path)).json()
        assert "i3" not in {item["item_id"] for item in after["items"]}
        assert after["graph_watermark"] != before["graph_watermark"]

    in_world(tmp_path, scenario)


def test_rules_a_swap_and_a_store_that_falls_silent_end_what_is_kept(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.get(PATH)
        rules = {"boosts": [{"filter": "price < 2", "factor": 2}]}
        reply = await world.client.put("/v1/rules", json=rules, headers={"if-match": "*"})
        assert reply.status_code == 200, reply.text
        await world.get(PATH)
        world.releases.current = "r2"
        await world.until(lambda: world.parts.serving.live.release_id == "r2")
        assert (await world.get(PATH)).json()["release"]["id"] == "r2"
        world.store.down = True
        await world.until(lambda: world.parts.serving.stale)
        assert (await world.get(PATH)).json()["stale"] is True
        assert await hits(world) == 0

    in_world(tmp_path, scenario, stale_after_s=0.3)


def test_nothing_is_kept_while_a_rule_depends_on_the_time(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        rules = {"boosts": [{"filter": "price < 2", "factor": 2, "when": {"since": soon}}]}
        assert (await world.client.put("/v1/rules", json=rules, headers={"if-match": "*"})).status_code == 200
        for _ in range(3):
            await world.get(PATH)
        assert await hits(world) == 0

    in_world(tmp_path, scenario)


def test_it_can_be_turned_off(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        for _ in range(3):
            await world.get(PATH)
        assert await hits(world) == 0

    in_world(tmp_path, scenario, answer_cache_megabytes=0)


def test_a_list_that_is_given_again_is_kept_for_attribution_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(given_module, "FLUSH_S", 0.01)
    ids: list[str] = []

    async def scenario(world: World) -> None:
        ids.extend([(await world.get(PATH)).json()["recommendation_id"] for _ in range(3)])

    in_world(tmp_path, scenario)
    records = [record for record in read_given(tmp_path / "work" / "given") if isinstance(record, Given)]
    assert [record.id for record in records] == ids
    assert {record.kind for record in records} == {"related:similar"}
    assert len({record.items for record in records}) == 1


def kept(name: str, items: int = 1) -> KeptAnswer:
    listed = [ListedItem(f"item-{at}", 1.0, at + 1, ("walk",)) for at in range(items)]
    return KeptAnswer.of(Envelope(name, listed, None, (), ReleaseName("r1", "now"), "1", False, None, 1.0), "related")


def test_what_came_too_late_is_not_kept() -> None:
    cache = AnswerCache(1 << 20)
    assert cache.get(("before",), "a") is None
    assert cache.get(("after",), "a") is None
    cache.put(("before",), "a", kept("x"))
    assert cache.get(("after",), "a") is None
    cache.put(("after",), "a", kept("x"))
    assert cache.get(("after",), "a") is not None
    assert cache.get(("later",), "a") is None
    assert len(cache) == 0


def test_it_holds_no_more_than_its_bytes() -> None:
    cache = AnswerCache(64 << 10)
    cache.get((), "")
    for number in range(1_000):
        cache.put((), number, kept(str(number)))
    assert 10 < len(cache) < 128
    assert cache.get((), 999) is not None
    assert cache.get((), 0) is None
    cache.put((), "large", kept("large", items=500))
    assert cache.get((), "large") is None


def test_a_query_that_names_somebody_is_checked_each_time_and_never_kept(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        before = set(asked_module._queries)
        for query in ("n=4", "n=4&user_id=u1", "n=4&exclude=i1", f"n=4&include={'reasons,' * 30}reasons"):
            for _ in range(2):
                await world.get(f"/v1/items/i0/related?{query}")
        assert {text for _, text in set(asked_module._queries) - before} <= {b"n=4"}

    in_world(tmp_path, scenario, answer_cache_megabytes=0)


def test_kept_queries_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked_module, "_MOST_QUERIES", 5)

    async def scenario(world: World) -> None:
        for n in range(1, 20):
            reply = await world.get(f"/v1/items/i0/related?n={n}")
            assert reply.status_code == 200
            assert len(asked_module._queries) <= 5

    asked_module._queries.clear()
    in_world(tmp_path, scenario)
