"""The Neo4j store when the line or the server fails: writes are there once, errors come in time, and it heals."""

from __future__ import annotations

import statistics
import time

import pytest

from graph.errors import KindredError, StoreUnavailable
from graph.store import open_store
from tests.neo4j.faults import CAP_S, DEADLINE_S, FAULTS, HEALED_S, MARGIN_S, PURCHASED, Fault
from tests.neo4j.weathering import ATTEMPTS, weathered, write_over_a_cutting_line
from tests.neo4j_servers import TestServer

WRITES = 400
CUT_PERCENT = 8
PATIENT_S = 5.0
"""Long enough that a server on a crowded machine says what is wrong itself."""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_writes_whose_replies_are_lost_are_there_once(empty_neo4j: TestServer) -> None:
    line = write_over_a_cutting_line(empty_neo4j, WRITES, CUT_PERCENT)
    assert line.cuts > line.exchanges * CUT_PERCENT / 200
    assert line.cuts > WRITES * CUT_PERCENT / 200
    with open_store(empty_neo4j.store_url) as store:
        rows = [row for batch in store.export_edges(PURCHASED) for row in batch.to_pylist()]
        assert sorted(row["qualifier"] for row in rows) == sorted(f"e{number}" for number in range(WRITES))
        assert sorted(row["weight"] for row in rows) == [float(number + 1) for number in range(WRITES)]
        changes = [change.record for change in store.changes_since("0")]
        versions = [record.version for record in changes if getattr(record, "qualifier", "")]
        assert versions == [1] * WRITES, "a write that was sent again was made again"
    with empty_neo4j.driver() as driver:
        counted = driver.execute_query("MATCH (:User)-[r:PURCHASED]->(:Item) RETURN count(r) AS n", database_="neo4j")
        assert counted.records[0]["n"] == WRITES


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_one_clear_error_in_time_and_then_heals(empty_neo4j: TestServer, fault: Fault) -> None:
    found = weathered(empty_neo4j, fault)
    assert len(found.errors) == 2 * ATTEMPTS
    for error in found.errors:
        assert error.remedy
        assert "\n" not in str(error)
        assert empty_neo4j.connection.password not in str(error)
    assert found.healed_s < HEALED_S + CAP_S
    assert statistics.median(found.seconds) < DEADLINE_S + MARGIN_S, found.seconds
    assert max(found.seconds) < DEADLINE_S + CAP_S, "far beyond what a busy machine explains"


WRONG = [
    ("password", {"password": "not-the-password"}, "password"),
    ("database", {"database": "elsewhere"}, "elsewhere"),
]


@pytest.mark.parametrize(("name", "change", "says"), WRONG, ids=[row[0] for row in WRONG])
def test_what_is_set_wrong_is_one_clear_error_in_time(
    neo4j_server, name: str, change: dict[str, str], says: str
) -> None:
    url = f"{neo4j_server.url('neo4j', **change)}?timeout_s={PATIENT_S}"
    seconds: list[float] = []
    for _ in range(3):
        began = time.monotonic()
        with pytest.raises(KindredError) as caught, open_store(url) as store:
            store.watermark()
        seconds.append(time.monotonic() - began)
    assert isinstance(caught.value, StoreUnavailable), "so that writes get 503 and may be sent again"
    assert says in str(caught.value)
    assert caught.value.remedy
    assert neo4j_server.connection.password not in str(caught.value)
    assert "not-the-password" not in str(caught.value)
    assert statistics.median(seconds) < PATIENT_S + MARGIN_S, seconds
    assert max(seconds) < PATIENT_S + CAP_S, seconds
