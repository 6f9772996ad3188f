"""Events: durable, idempotent, counted in the next answer, shared transactions, honest failure."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from api.events.interactions import Event, edge_spec_of, read_interaction
from api.http.problems import InvalidField
from graph.overlay import Overlay
from graph.records import UpsertEdges
from tests.api.http_world import PURCHASED, SHOP, World, run, running

NOW_MS = 1_800_000_000_000


def in_world(folder: Path, scenario, **settings) -> None:
    async def body() -> None:
        async with running(folder, **settings) as world:
            await scenario(world)

    run(body())


def purchase(user_id: str, item_id: str, event_id: str | None = None, **more: object) -> dict[str, object]:
    event = {"user_id": user_id, "item_id": item_id, "kind": "purchase", **more}
    return event if event_id is None else {**event, "event_id": event_id}


async def interactions(world: World, user_id: str) -> list[tuple[str, str]]:
    page = (await world.get(f"/v1/graph/nodes/User/{user_id}/neighbors")).json()["neighbors"]
    return [(entry["node"][1], entry["edge"]) for entry in page]


def test_an_event_counts_in_the_next_answer(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        before = (await world.get("/v1/users/u1/recommendations?n=50")).json()
        assert "i5" in {item["item_id"] for item in before["items"]}
        reply = await world.post("/v1/events", purchase("u1", "i5"))
        assert reply.status_code == 200
        after = (await world.get("/v1/users/u1/recommendations?n=50")).json()
        assert "i5" not in {item["item_id"] for item in after["items"]}
        assert after["graph_watermark"] == reply.json()["graph_watermark"] != before["graph_watermark"]

    in_world(tmp_path, scenario)


def test_an_event_makes_an_unknown_user_known(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        assert (await world.get("/v1/users/new/recommendations")).json()["fallback_used"] == "popularity"
        await world.post("/v1/events", purchase("new", "i0"))
        after = (await world.get("/v1/users/new/recommendations")).json()
        assert after["fallback_used"] is None
        assert "i0" not in {item["item_id"] for item in after["items"]}

    in_world(tmp_path, scenario)


def test_an_event_with_an_unknown_item_is_not_stored_and_named(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        reply = (await world.post("/v1/events", [purchase("u1", "gone", "a"), purchase("u1", "i4", "b")])).json()
        assert (reply["accepted"], reply["duplicates"], reply["unknown_ids"]) == (1, 0, ["gone"])
        assert reply["event_ids"] == ["a", "b"]
        assert world.store.node("Item", "gone") is None

    in_world(tmp_path, scenario)


def test_a_repeated_event_changes_nothing(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        first = (await world.post("/v1/events", purchase("u1", "i4", "once"))).json()
        again = (await world.post("/v1/events", [purchase("u1", "i4", "once"), purchase("u1", "i4", "once")])).json()
        assert (first["accepted"], first["duplicates"]) == (1, 0)
        assert (again["accepted"], again["duplicates"]) == (0, 2)
        assert again["graph_watermark"] == first["graph_watermark"]
        assert world.store.inside.stats().edges[PURCHASED] == 5

    in_world(tmp_path, scenario)


def test_a_repeated_event_is_known_after_a_restart(tmp_path: Path) -> None:
    async def once() -> dict[str, object]:
        async with running(tmp_path) as world:
            reply = (await world.post("/v1/events", purchase("u1", "i4", "once", timestamp=1_700_000_000))).json()
            return {**reply, "edges": world.store.inside.stats().edges[PURCHASED]}

    first = asyncio.run(once())
    (tmp_path / "r1").rename(tmp_path / "old")
    again = asyncio.run(once())
    assert first["edges"] == again["edges"] == 5
    assert first["graph_watermark"] == again["graph_watermark"]


def test_events_without_an_id_get_one(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        reply = (await world.post("/v1/events", [purchase("u1", "i4"), purchase("u1", "i4")])).json()
        assert reply["accepted"] == 2
        assert len(set(reply["event_ids"])) == 2
        assert world.store.inside.stats().edges[PURCHASED] == 6

    in_world(tmp_path, scenario)


def test_the_overlay_holds_what_the_feed_says_without_reading_it(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.until(lambda: not world.parts.serving.stale)
        overlay = world.parts.serving.live.overlay
        read = world.store.feeds_read
        for events in ([purchase("u1", "i5", "a"), purchase("new", "i0", "b")], purchase("u1", "i5", "c", value=3)):
            reply = (await world.post("/v1/events", events)).json()
        assert world.store.feeds_read == read
        apart = Overlay(overlay.snapshot)
        apart.apply(world.store.inside.changes_since(overlay.snapshot.watermark))
        assert overlay.state.watermark == apart.state.watermark == reply["graph_watermark"]
        for edge_type, changes in apart.state.edges.items():
            ours = overlay.state.edges[edge_type]
            for side, same in ((ours.out, changes.out), (ours.into, changes.into)):
                assert {row: dict(side.get(row)) for row in side} == {row: dict(same.get(row)) for row in same}
        world.store.inside.apply([UpsertEdges(PURCHASED, ["u2"], ["i5"])], batch_id="else", actor="else")
        await world.post("/v1/events", purchase("u1", "i4"))
        assert world.store.feeds_read > read, "somebody else wrote in between"
        live = world.parts.serving.live.view
        assert live.has_edge(PURCHASED, live.index_of("User", "u2"), live.index_of("Item", "i5"))

    in_world(tmp_path, scenario, poll_interval_s=60.0)


def test_requests_at_once_share_a_transaction(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.store.delay_s = 0.05
        replies = await asyncio.gather(
            *(world.post("/v1/events", purchase(f"u{at % 3}", "i5", f"e{at}")) for at in range(40))
        )
        assert {reply.status_code for reply in replies} == {200}
        assert sum(reply.json()["accepted"] for reply in replies) == 40
        assert sum(world.store.applied) == 40
        assert len(world.store.applied) < 20

    in_world(tmp_path, scenario)


def test_one_bad_request_does_not_cost_the_others_theirs(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.store.delay_s = 0.05
        event = Event(user_id="u1", item_id="i3", kind="purchase")
        good = [read_interaction(event, SHOP, NOW_MS) for _ in range(3)]
        bad = replace(good[0], event_id="nul\x00")  # as if the door had let it through
        futures = [world.parts.writer.submit([event]) for event in (good[0], bad, *good[1:])]
        replies = await asyncio.gather(*futures, return_exceptions=True)
        assert [isinstance(reply, Exception) for reply in replies] == [False, True, False, False]

    in_world(tmp_path, scenario)


def test_with_the_store_down_events_are_refused_and_reads_go_on_stale(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.store.down = True
        reply = await world.post("/v1/events", purchase("u1", "i5", "e"))
        assert reply.status_code == 503
        assert reply.json()["type"] == "/problems/store-unavailable"
        assert reply.headers["retry-after"]
        await world.until(lambda: world.parts.serving.stale)
        answer = await world.get("/v1/users/u1/recommendations")
        assert answer.status_code == 200
        assert answer.json()["stale"] is True
        world.store.down = False
        assert (await world.post("/v1/events", purchase("u1", "i5", "e"))).json()["accepted"] == 1
        assert (await world.get("/v1/users/u1/recommendations")).json()["stale"] is False

    in_world(tmp_path, scenario, stale_after_s=0.3)


def test_a_slow_store_is_a_503_with_the_ids_to_send_again(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.store.delay_s = 0.6
        began = time.monotonic()
        reply = await world.post("/v1/events", purchase("u1", "i5"))
        assert reply.status_code == 503
        assert time.monotonic() - began < 5
        event_ids = reply.json()["event_ids"]
        world.store.delay_s = 0.0
        await world.until(lambda: world.store.inside.stats().edges[PURCHASED] == 5)  # it was under way
        again = await world.post("/v1/events", purchase("u1", "i5", event_ids[0]))
        assert again.json()["duplicates"] == 1
        assert world.store.inside.stats().edges[PURCHASED] == 5

    in_world(tmp_path, scenario, write_deadline_s=0.3)


def test_a_store_that_hangs_costs_reads_nothing(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.store.delay_s = 1.5
        new_kind = {"user_id": "u1", "item_id": "i5", "kind": "stare"}
        writes = [world.post("/v1/events", event) for event in (purchase("u1", "i5"), new_kind) for _ in range(4)]
        refused = asyncio.gather(*writes)
        await asyncio.sleep(0.05)
        reads = await asyncio.gather(*(world.get("/v1/users/u1/recommendations") for _ in range(8)))
        assert not refused.done()
        assert {reply.status_code for reply in reads} == {200}
        assert {reply.status_code for reply in await refused} == {503}

    in_world(tmp_path, scenario, write_deadline_s=1.0, engine_threads=1)


def test_a_full_queue_sheds(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.store.delay_s = 0.3
        replies = await asyncio.gather(*(world.post("/v1/events", purchase("u1", "i5")) for _ in range(12)))
        statuses = [reply.status_code for reply in replies]
        assert 503 in statuses
        assert 200 in statuses
        shed = next(reply for reply in replies if reply.status_code == 503)
        assert shed.json()["type"] == "/problems/overloaded"

    in_world(tmp_path, scenario, events_waiting=2)


def test_events_are_taken_before_the_first_release(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        assert (await world.post("/v1/events", purchase("u1", "i5"))).json()["accepted"] == 1

    async def body() -> None:
        async with running(tmp_path, ready=False) as world:
            await scenario(world)

    run(body())


def test_an_empty_store_says_to_ingest_first(tmp_path: Path) -> None:
    async def body() -> None:
        async with running(tmp_path, ready=False, filled=False) as world:
            reply = await world.post("/v1/events", purchase("u1", "i5"))
            assert reply.status_code == 503
            assert "kindred ingest" in reply.json()["detail"]

    run(body())


BAD_EVENTS = [
    (purchase("", "i0"), "user_id"),
    (purchase("u", "i" * 513), "item_id"),
    (purchase("u", "i0", "e" * 513), "event_id"),
    (purchase("u", "i0", kind="stare"), "kind"),
    (purchase("u", "i0", kind="rating"), "value"),
    (purchase("u", "i0", value=0), "value"),
    (purchase("u", "i0", value=-2), "value"),
    (purchase("u", "i0", value=1e10), "value"),
    (purchase("u", "i0", timestamp=-1), "timestamp"),
    (purchase("u", "i0", timestamp=9e18), "timestamp"),
    (purchase("u", "i0", timestamp="yesterday"), "timestamp"),
    (purchase("u", "i0", timestamp="2026-01-01T00:00:00"), "timestamp"),
    (purchase("u", "i0", timestamp="2300-01-01T00:00:00Z"), "timestamp"),
    ([], "body"),
    ([purchase("u", "i0"), purchase("u", "i0", value=-1)], "[1].value"),
]


def test_a_bad_event_is_refused_by_field_and_stores_nothing(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        before = world.store.watermark()
        for event, field in BAD_EVENTS:
            reply = await world.post("/v1/events", event)
            assert reply.status_code == 422, event
            assert reply.json()["field"] == field, event
        assert world.store.watermark() == before

    in_world(tmp_path, scenario)


def test_milliseconds_are_noticed() -> None:
    event = Event(user_id="u", item_id="i", kind="purchase", timestamp=1_790_000_000_000)
    with pytest.raises(InvalidField, match="send seconds"):
        read_interaction(event, SHOP, NOW_MS)


@pytest.mark.parametrize(
    ("stamp", "milliseconds"),
    [
        (1_700_000_000, 1_700_000_000_000),
        (1_700_000_000.25, 1_700_000_000_250),
        ("2023-11-14T22:13:20Z", 1_700_000_000_000),
        ("2023-11-15T00:13:20+02:00", 1_700_000_000_000),
    ],
)
def test_timestamps_are_seconds_or_iso_with_a_zone(stamp: float | str, milliseconds: int) -> None:
    event = Event(user_id="u", item_id="i", kind="purchase", timestamp=stamp)
    assert read_interaction(event, SHOP, NOW_MS).timestamp_ms == milliseconds


@pytest.mark.parametrize(("value", "relation"), [(5, "LIKED"), (4, "LIKED"), (3.5, "RATED"), (1, "RATED")])
def test_a_rating_speaks_for_an_item_from_four_on(value: float, relation: str) -> None:
    assert edge_spec_of("rating", value, SHOP).relation == relation
