"""What goes wrong between Kindred and a Neo4j server, and how it is put right."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

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
CAP_S = 5.0
"""What a single call or recovery may take beyond its promise where others crowd the machine: a call that hangs is told
from that. The promises are asserted on medians, and measured by the benchmark alone on the machine."""
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


def signalled(server: TestServer, signal_number: int, has_worked: Callable[[int], bool]) -> None:
    """Nothing; the server got the signal and it has worked: the kernel may deliver it after :func:`os.kill` returned.

    On a busy machine a server was seen to answer after it had been "stopped".
    """
    pid = server.pid
    assert pid, f"no server runs in {server.home}"
    os.kill(pid, signal_number)
    until = time.monotonic() + 10
    while not has_worked(pid):
        assert time.monotonic() < until, f"signal {signal_number} did nothing to process {pid} in 10 s"
        time.sleep(0.005)


def is_frozen(pid: int) -> bool:
    """Whether no thread of the process runs any more."""
    try:
        states = [
            (task / "stat").read_text().rpartition(")")[2].split()[0] for task in Path(f"/proc/{pid}/task").iterdir()
        ]
    except (FileNotFoundError, ProcessLookupError):  # a thread ended while it was looked at: some still run
        return False
    return set(states) == {"T"}


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
        lambda server, _: signalled(server, signal.SIGSTOP, is_frozen),
        lambda server, _: signalled(server, signal.SIGCONT, lambda pid: not is_frozen(pid)),
    ),
    Fault(
        "killed server",
        lambda server, _: signalled(server, signal.SIGKILL, lambda _: server.pid is None),
        lambda server, _: server.start(),
    ),
]
