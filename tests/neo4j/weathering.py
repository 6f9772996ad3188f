"""A store while something goes wrong: what its calls then take and say, and how soon all is well again."""

from __future__ import annotations

import time
from dataclasses import dataclass

from graph.errors import StoreUnavailable
from graph.records import UpsertEdges
from graph.store import GraphStore, open_store
from tests.graph.store_contract_model import WORLD
from tests.neo4j.failing_line import FailingLine
from tests.neo4j.faults import DEADLINE_S, PURCHASED, Fault, serve_a_newcomer
from tests.neo4j_servers import TestServer

ATTEMPTS = 5


def purchase(number: int) -> UpsertEdges:
    """Its number is in its qualifier, its weight and its time."""
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


def write_over_a_cutting_line(server: TestServer, writes: int, cut_percent: int) -> FailingLine:
    """The line, which has cut exchanges before their reply while that many writes were made and acknowledged."""
    with FailingLine(server.connection.bolt_port) as line:
        with open_store(server.url("bolt", port=line.port)) as store:
            store.ensure_schema(WORLD)
            line.cut_share = cut_percent / 100
            for number in range(writes):
                written_until_acknowledged(store, number)
            line.cut_share = 0.0
        return line


@dataclass(frozen=True)
class Weathered:
    """What one fault did to a store that worked."""

    errors: list[StoreUnavailable]
    """Of each call made meanwhile; one that succeeds raises instead."""
    seconds: list[float]
    """Until each of them was raised."""
    healed_s: float
    """From the moment the server serves a newcomer again until the store, open all the time, writes and reads."""


def weathered(server: TestServer, fault: Fault) -> Weathered:
    """A read and a write, :data:`ATTEMPTS` times, while the fault lasts, then the store's recovery."""
    errors: list[StoreUnavailable] = []
    seconds: list[float] = []
    with (
        FailingLine(server.connection.bolt_port) as line,
        open_store(server.url("bolt", port=line.port)) as patient,
    ):
        patient.ensure_schema(WORLD)  # makes indexes, which may take longer than one event
        patient.apply([purchase(0)], batch_id="first", actor="test")  # the server plans these once
        assert patient.node("Item", "i0") is not None
        with open_store(f"{server.url('bolt', port=line.port)}?timeout_s={DEADLINE_S}") as store:
            written_until_acknowledged(store, 0)
            fault.breaking(server, line)
            try:
                for number in range(ATTEMPTS):
                    for ask in (
                        lambda: store.node("Item", "i0"),
                        lambda number=number: store.apply([purchase(number + 1)], batch_id=f"b{number}", actor="test"),
                    ):
                        began = time.monotonic()
                        try:
                            ask()
                        except StoreUnavailable as error:
                            errors.append(error)
                            seconds.append(time.monotonic() - began)
                        else:
                            raise AssertionError(f"call {len(errors) + 1} went through in spite of: {fault.name}")
            finally:
                fault.mending(server, line)
            serve_a_newcomer(server)
            mended = time.monotonic()
            written_until_acknowledged(patient, 99)
            assert patient.node("Item", "i0") is not None
            return Weathered(errors, seconds, time.monotonic() - mended)
