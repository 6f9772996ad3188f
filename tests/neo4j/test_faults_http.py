"""The API over a Neo4j that fails: reads go on from the release, writes say when to come back, and it heals."""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path
from typing import Any

import pytest

from graph.store import open_store
from tests.api.http_world import World, fill, run, running
from tests.neo4j.failing_line import FailingLine
from tests.neo4j.faults import CAP_S, DEADLINE_S, FAULTS, HEALED_S, MARGIN_S, Fault, serve_a_newcomer
from tests.neo4j_servers import TestServer

READS = 40
WRITES = 3


def event(event_id: str) -> dict[str, str]:
    return {"user_id": "u1", "item_id": "i5", "kind": "purchase", "event_id": event_id}


async def posted_until_accepted(world: World, event_id: str) -> None:
    """Nothing; the event is acknowledged, sent as often as a client does that is told to come back."""
    for _ in range(100):
        if (await world.post("/v1/events", event(event_id))).status_code == 200:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the event was never accepted")


class Clocked:
    """Requests and how long each took."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.seconds: list[float] = []

    async def get(self, path: str) -> Any:
        return await self._timed(self.world.get(path))

    async def post(self, document: Any) -> Any:
        return await self._timed(self.world.post("/v1/events", document))

    async def _timed(self, request: Any) -> Any:
        began = time.monotonic()
        try:
            return await request
        finally:
            self.seconds.append(time.monotonic() - began)

    def in_time(self) -> bool:
        return statistics.median(self.seconds) < DEADLINE_S + MARGIN_S and max(self.seconds) < DEADLINE_S + CAP_S


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_reads_go_on_stale_writes_wait_and_it_heals(empty_neo4j: TestServer, tmp_path: Path, fault: Fault) -> None:
    async def scenario(world: World, line: FailingLine) -> None:
        reads, writes = Clocked(world), Clocked(world)
        await asyncio.to_thread(serve_a_newcomer, empty_neo4j)
        await posted_until_accepted(world, "before")
        assert (await world.get("/v1/users/u1/recommendations")).json()["stale"] is False
        await asyncio.to_thread(fault.breaking, empty_neo4j, line)
        try:
            refused = [await writes.post(event(f"during-{number}")) for number in range(WRITES)]
            await world.until(lambda: world.parts.serving.stale)
            answers = [await reads.get("/v1/users/u1/recommendations") for _ in range(READS)]
        finally:
            await asyncio.to_thread(fault.mending, empty_neo4j, line)
        await asyncio.to_thread(serve_a_newcomer, empty_neo4j)
        mended = time.monotonic()
        assert {reply.status_code for reply in refused} == {503}
        assert all(int(reply.headers["retry-after"]) >= 1 for reply in refused)
        assert writes.in_time(), writes.seconds
        assert {reply.status_code for reply in answers} == {200}
        assert all(reply.json()["stale"] and reply.json()["items"] for reply in answers)
        assert reads.in_time(), reads.seconds
        await posted_until_accepted(world, "after")
        assert time.monotonic() - mended < HEALED_S + CAP_S
        answer = (await world.get("/v1/users/u1/recommendations")).json()
        assert answer["stale"] is False
        assert "i5" not in {item["item_id"] for item in answer["items"]}
        for number in range(WRITES):  # a client sends again what was refused: it is there once
            await posted_until_accepted(world, f"during-{number}")

    with open_store(empty_neo4j.patient_url) as store:
        fill(store)

    async def body() -> None:
        with FailingLine(empty_neo4j.connection.bolt_port) as line:
            url = empty_neo4j.url("bolt", port=line.port)
            async with running(
                tmp_path, url=url, filled=False, write_deadline_s=DEADLINE_S, stale_after_s=1.0
            ) as world:
                await scenario(world, line)

    run(body())
    with empty_neo4j.driver() as driver:
        query = "MATCH (:User {id: 'u1'})-[r:PURCHASED]->(:Item {id: 'i5'}) RETURN count(r) AS n"
        assert driver.execute_query(query, database_="neo4j").records[0]["n"] == WRITES + 2
