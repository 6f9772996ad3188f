"""A shop behind the real server in processes of its own, as a deployment runs it: keys asked for, requests logged."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from api.security import KeyFile, Scope
from api.server import serve
from api.settings import Settings
from tests.api.http_server import until_ready
from tests.benchmarks.shops import Shop
from tests.free_ports import free_port

_GENEROUS = {"rate_limit": "10000000/second", "read_deadline_s": 10, "write_deadline_s": 10, "backpressure": 512}

_ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}
"""Answers are computed side by side; a product of matrices that takes both cores holds up the other answer."""


@contextmanager
def serving(shop: Shop, **settings: Any) -> Iterator[tuple[int, str]]:
    """The port of a running server, and a key that opens everything."""
    port = free_port()
    keys = shop.folder / "keys.json"
    _, key = KeyFile(keys).create("bench", frozenset(Scope))
    chosen = {
        **_GENEROUS,
        "store": shop.store_url,
        "releases": str(shop.releases),
        "work_dir": str(shop.folder / "work"),
        "keys": str(keys),
        "port": port,
        **settings,
    }
    with running([sys.executable, "-m", "tests.benchmarks.served", json.dumps(chosen)], shop.folder, port):
        yield port, key


@contextmanager
def running(command: list[str], folder: Path, port: int, path: str = "/ready") -> Iterator[None]:
    """A server that is ready; ended afterwards."""
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            command, stdout=log, stderr=log, start_new_session=True, cwd=Path(__file__).parents[2], env=_ENVIRONMENT
        )
    try:
        until_ready(port, server, path, timeout_s=180)
        yield
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


if __name__ == "__main__":
    serve(Settings(**json.loads(sys.argv[1])))
