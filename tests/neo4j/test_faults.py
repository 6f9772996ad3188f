"""The Neo4j store when the line or the server fails: writes are there once, errors come in time, and it heals."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from graph.errors import KindredError, StoreUnavailable
from graph.records import UpsertEdges
from graph.store import GraphStore, open_store
from tests.graph.store_contract_model import WORLD
from tests.neo4j.failing_line import FailingLine
from tests.neo4j.faults import DEADLINE_S, FAULTS, HEALED_S, MARGIN_S, PURCHASED, Fault, serve_a_newcomer
from tests.neo4j_servers import TestServer

WRITES = 400
CUT_PERCENT = 8
ATTEMPTS = 5


def purchase(number: int) -> UpsertEdges:
    return UpsertEdges(
        PURCHASED, [f"u{number % 7}"], [f"i{number % 11}"], float(number + 1), [number], [f"e{number}"],
        create_missing=True,
    )  # fmt: skip


def written_until_acknowledged(store: GraphStore, number: int) -> int:
    """How often a client had to send a write until it was acknowledged."""
    for attempt in range(1, 30):
        try:
            store.apply([purchase(number)], batch_id=f"b{number}", actor="client")
        except StoreUnavailable:
            continue
        return attempt
    raise AssertionError("the write never passed")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_writes_whose_replies_are_lost_are_there_once(empty_neo4j: TestServer) -> None:
    with FailingLine(empty_neo4j.connection.bolt_port) as line:
        with open_store(empty_neo4j.url("bolt", port=line.port)) as store:
            store.ensure_schema(WORLD)
            line.cut_share = CUT_PERCENT / 100
            attempts = [written_until_acknowledged(store, number) for number in range(WRITES)]
            line.cut_share = 0.0
        assert line.cuts > line.exchanges * CUT_PERCENT / 200
        assert line.cuts > WRITES * CUT_PERCENT / 200
        assert len(attempts) == WRITES
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


@contextmanager
def timed(seconds: list[float]) -> Iterator[None]:
    began = time.monotonic()
    try:
        yield
    finally:
        seconds.append(time.monotonic() - began)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_one_clear_error_in_time_and_then_heals(empty_neo4j: TestServer, fault: Fault) -> None:
    seconds: list[float] = []
    with (
        FailingLine(empty_neo4j.connection.bolt_port) as line,
        open_store(empty_neo4j.url("bolt", port=line.port)) as patient,
    ):
        patient.ensure_schema(WORLD)  # makes indexes, which may take longer than one event
        patient.apply([purchase(0)], batch_id="first", actor="test")  # the server plans these once
        assert patient.node("Item", "i0") is not None
        with open_store(f"{empty_neo4j.url('bolt', port=line.port)}?timeout_s={DEADLINE_S}") as store:
            written_until_acknowledged(store, 0)
            fault.breaking(empty_neo4j, line)
            try:
                for number in range(ATTEMPTS):
                    for ask in (
                        lambda: store.node("Item", "i0"),
                        lambda number=number: store.apply([purchase(number + 1)], batch_id=f"b{number}", actor="test"),
                    ):
                        with timed(seconds), pytest.raises(StoreUnavailable) as caught:
                            ask()
                        assert caught.value.remedy
                        assert "\n" not in str(caught.value)
                        assert empty_neo4j.connection.password not in str(caught.value)
            finally:
                fault.mending(empty_neo4j, line)
            serve_a_newcomer(empty_neo4j)
            mended = time.monotonic()
            written_until_acknowledged(patient, 99)
            assert patient.node("Item", "i0") is not None
            assert time.monotonic() - mended < HEALED_S
    assert statistics.median(seconds) < DEADLINE_S + MARGIN_S, seconds
    assert max(seconds) < DEADLINE_S + 10 * MARGIN_S, "far beyond what a busy machine explains"


WRONG = [
    ("password", {"password": "not-the-password"}, "password"),
    ("database", {"database": "elsewhere"}, "elsewhere"),
]


@pytest.mark.parametrize(("name", "change", "says"), WRONG, ids=[row[0] for row in WRONG])
def test_what_is_set_wrong_is_one_clear_error_in_time(
    neo4j_server, name: str, change: dict[str, str], says: str
) -> None:
    seconds: list[float] = []
    url = f"{neo4j_server.url('neo4j', **change)}?timeout_s={DEADLINE_S}"
    with timed(seconds), pytest.raises(KindredError) as caught, open_store(url) as store:
        store.watermark()
    assert isinstance(caught.value, StoreUnavailable), "so that writes get 503 and may be sent again"
    assert says in str(caught.value)
    assert caught.value.remedy
    assert neo4j_server.connection.password not in str(caught.value)
    assert "not-the-password" not in str(caught.value)
    assert seconds[0] < DEADLINE_S + MARGIN_S
