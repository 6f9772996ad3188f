"""What is set up wrong: the doctor says it in a line with the fix, and nobody storms the server's door."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from neo4j.exceptions import AuthError

from api.app import create_app
from api.parts import StoreHolder
from api.settings import Settings
from graph.neo4j.wire.address import Address
from graph.neo4j.wire.refusals import LONGEST_PAUSE_S, Refusals
from graph.store import open_store
from tests.api.http_world import FakeReleases, fill
from tests.command.small_shop import kindred_in
from tests.neo4j.failing_line import FailingLine
from tests.neo4j_servers import TestServer


def doctor(folder: Path, url: str) -> tuple[int, dict[str, Any]]:
    """The exit code, and what is said of the store."""
    ran = kindred_in(folder, "doctor", "--json", "--store", url)
    [check] = [check for check in ran.json if check["check"] == "graph store"]
    return ran.code, check


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"password": "mistyped"}, "KINDRED_NEO4J_PASSWORD"),
        ({"database": "elsewhere"}, "Name an existing one in KINDRED_STORE"),
    ],
    ids=["wrong password", "missing database"],
)
def test_the_doctor_says_in_a_line_what_to_set(
    neo4j_server: TestServer, tmp_path: Path, change: dict[str, str], says: str
) -> None:
    with FailingLine(neo4j_server.connection.bolt_port) as line:
        code, check = doctor(tmp_path, neo4j_server.url("bolt", port=line.port, **change))
        assert line.connections == 1, "asked once, refused once"
    assert code == 1
    assert not check["ok"]
    assert says in check["says"]
    assert "\n" not in check["says"]
    assert "mistyped" not in check["says"]


def test_the_doctor_says_that_nobody_is_there(tmp_path: Path) -> None:
    with FailingLine(1) as line:
        line.set("refusing")
        code, check = doctor(tmp_path, f"bolt://neo4j:secret-password@127.0.0.1:{line.port}/neo4j")
    assert (code, check["ok"]) == (1, False)
    assert "make neo4j" in check["says"]
    assert "secret-password" not in check["says"]


def test_the_doctor_finds_what_a_hand_dropped_and_names_the_repair(empty_neo4j: TestServer, tmp_path: Path) -> None:
    with open_store(empty_neo4j.patient_url) as store:
        fill(store)
    assert doctor(tmp_path, empty_neo4j.patient_url)[1]["ok"]
    with empty_neo4j.driver() as driver:
        shown = "SHOW CONSTRAINTS YIELD name, labelsOrTypes WHERE 'Item' IN labelsOrTypes"
        [record] = driver.execute_query(shown, database_="neo4j").records
        driver.execute_query(f"DROP CONSTRAINT `{record['name']}`", database_="neo4j")
    _, check = doctor(tmp_path, empty_neo4j.patient_url)
    assert not check["ok"]
    assert "Item" in check["says"]
    assert "kindred graph repair" in check["says"]
    assert kindred_in(tmp_path, "graph", "repair", "--store", empty_neo4j.patient_url).code == 0
    assert doctor(tmp_path, empty_neo4j.patient_url)[1]["ok"]


def test_an_api_with_a_wrong_password_does_not_storm_the_door(empty_neo4j: TestServer, tmp_path: Path) -> None:
    async def body(line: FailingLine) -> None:
        with open_store(empty_neo4j.patient_url) as inside:
            fill(inside)
            url = empty_neo4j.url("bolt", port=line.port, password="mistyped")
            app = create_app(
                Settings(poll_interval_s=0.02, stale_after_s=0.1),
                releases=FakeReleases(tmp_path, inside),
                store=StoreHolder(url),
            )
            async with app.router.lifespan_context(app):
                serving = app.state.parts.serving
                ends = time.monotonic() + 60
                while serving.found is None or not serving.stale or not line.connections:
                    assert time.monotonic() < ends, "the API did not become ready, or never tried to log in"
                    await asyncio.sleep(0.02)
                assert serving.live.release_id == "r1", "answers need no log-in"
                await asyncio.sleep(1.5)  # time for a storm
                assert serving.stale

    with FailingLine(empty_neo4j.connection.bolt_port) as line:
        asyncio.run(body(line))
        assert 1 <= line.connections <= 5, "75 polls, a few attempts"


def test_pauses_between_refused_log_ins_double_and_end_when_one_is_let_in() -> None:
    now = [0.0]
    refusals = Refusals(lambda: now[0])
    wrong = Address("bolt://h:1", "neo4j", "wrong", "neo4j")
    right = Address("bolt://h:1", "neo4j", "right", "neo4j")
    error = AuthError("no")
    pauses = []
    for _ in range(8):
        refusals.add(wrong, error)
        assert refusals.standing(wrong) is error
        assert refusals.standing(right) is None
        began = now[0]
        while refusals.standing(wrong) is not None:
            now[0] += 0.5
        pauses.append(now[0] - began)
    assert pauses == [2, 4, 8, 16, 32, LONGEST_PAUSE_S, LONGEST_PAUSE_S, LONGEST_PAUSE_S]
    refusals.clear(wrong)
    refusals.add(wrong, error)
    now[0] += 2
    assert refusals.standing(wrong) is None
