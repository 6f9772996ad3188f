"""What goes wrong between Kindred and a Neo4j server, and how it is put right."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass

from graph.errors import StoreUnavailable
from graph.records import UpsertEdges
from graph.schema import EdgeType
from graph.store import open_store
from tests.neo4j.failing_line import FailingLine
from tests.neo4j_servers import TestServer

DEADLINE_S = 0.8
"""The deadline of a call; what it may take beyond, and how soon all is well again, are promises."""
MARGIN_S = 0.1
HEALED_S = 5.0
PURCHASED: EdgeType = ("User", "PURCHASED", "Item")


def serve_a_newcomer(server: TestServer) -> None:
    """Nothing; the server is really back: it has planned everything anew and serves someone new."""
    visit = UpsertEdges(PURCHASED, ["u0"], ["i0"], qualifiers=["newcomer"], create_missing=True)
    with open_store(server.store_url) as store:
        for _ in range(30):
            try:
                store.apply([visit], batch_id="newcomer", actor="newcomer")
                assert store.node("Item", "i0") is not None
                assert store.schema.edges
                list(store.changes_since(store.watermark()))
            except StoreUnavailable:
                continue
            return
    raise AssertionError("the server did not come back")


@dataclass(frozen=True)
class Fault:
    """What goes wrong with a store that worked, and what its error says."""

    name: str
    breaking: Callable[[TestServer, FailingLine], object]
    mending: Callable[[TestServer, FailingLine], object]


FAULTS = [
    Fault("refused port", lambda _, line: line.set("refusing"), lambda _, line: line.set("passing")),
    Fault("swallowing line", lambda _, line: line.set("swallowing"), lambda _, line: line.set("passing")),
    Fault(
        "frozen server",
        lambda server, _: os.kill(server.pid or 0, signal.SIGSTOP),
        lambda server, _: os.kill(server.pid or 0, signal.SIGCONT),
    ),
    Fault(
        "killed server",
        lambda server, _: os.kill(server.pid or 0, signal.SIGKILL),
        lambda server, _: server.start(),
    ),
]
