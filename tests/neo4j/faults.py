"""What goes wrong between Kindred and a Neo4j server, and how it is put right."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass

from tests.neo4j.failing_line import FailingLine
from tests.neo4j_servers import TestServer

DEADLINE_S = 0.8
"""The deadline of a call; what it may take beyond, and how soon all is well again, are promises."""
MARGIN_S = 0.1
HEALED_S = 5.0


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
