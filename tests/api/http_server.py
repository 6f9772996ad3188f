"""The corner shop behind the real server in a process of its own, and raw connections to it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from api.app import create_app
from api.observing.logs import configure_logging
from api.server import granian_for
from api.settings import Settings
from graph.store import STORES
from tests.api.corner_shop import open_shop
from tests.api.http_release import publish
from tests.free_ports import free_port


def application(settings: Settings) -> Any:
    """What the worker loads: what ``serve`` loads, with a quiet log."""
    configure_logging("error")
    return create_app(settings)


def start(folder: Path, port: int) -> subprocess.Popen[bytes]:
    """The server's process group; not ready yet."""
    command = [sys.executable, "-m", "tests.api.http_server", str(folder), str(port)]
    with (folder / "server.log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, cwd=Path(__file__).parents[2])


def stop(server: subprocess.Popen[bytes], how: signal.Signals = signal.SIGTERM) -> None:
    os.killpg(server.pid, how)
    server.wait(30)


def status_of(port: int, path: str) -> int:
    """The status of a GET; 0 when nobody answers."""
    try:
        reply = exchange(port, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode(), timeout_s=5)
    except OSError:
        return 0
    return int(reply[9:12] or 0)


def until_ready(port: int, server: subprocess.Popen[bytes], path: str = "/ready", timeout_s: float = 60.0) -> None:
    ends = time.monotonic() + timeout_s
    while status_of(port, path) != 200:
        assert server.poll() is None, "the server ended"
        assert time.monotonic() < ends, "the server did not become ready"
        time.sleep(0.05)


@contextmanager
def serving(folder: Path) -> Iterator[int]:
    """The port of a running server."""
    folder.mkdir(exist_ok=True)
    port = free_port()
    server = start(folder, port)
    try:
        until_ready(port, server)
        yield port
    finally:
        stop(server)


def exchange(port: int, request: bytes, timeout_s: float = 20.0) -> bytes:
    """Everything the server sends for these bytes, up to the end of the connection."""
    reply = bytearray()
    with socket.create_connection(("127.0.0.1", port), timeout_s) as connection:
        try:
            connection.sendall(request)
            while chunk := connection.recv(65536):
                reply += chunk
        except (ConnectionResetError, BrokenPipeError):
            pass
    return bytes(reply)


STORE_URL = "KINDRED_TEST_STORE"
"""Tells a server's process the URL of its store, where that is not the embedded one."""


def store_url(folder: Path) -> str:
    return os.environ.get(STORE_URL, f"sqlite:{folder / 'graph.db'}")


class Launcher:
    """A process that has everything imported and forks a server per line it reads: a start costs no imports."""

    def __init__(self, folder: Path, url: str | None = None) -> None:
        self._log = (folder / "server.log").open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.api.http_server", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            cwd=Path(__file__).parents[2],
            env=os.environ | ({} if url is None else {STORE_URL: url}),
            text=True,
        )

    def start(self, port: int) -> int:
        """The process group of a new server."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{port}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate(timeout=30)
        self._log.close()


def settings_for(folder: Path, port: int) -> Settings:
    """Generous deadlines for a busy machine, short timeouts for slow clients."""
    return Settings(
        store=store_url(folder),
        releases=folder / "releases",
        work_dir=folder / "work",
        port=port,
        read_deadline_s=20,
        write_deadline_s=20,
        header_timeout_s=1,
        body_timeout_s=1,
    )


def open_for_business(folder: Path, url: str | None = None) -> None:
    """A corner shop's store, at ``url`` or embedded, and its current release."""
    shop = open_shop(folder, url=url)
    publish(shop, folder / "releases")
    shop.store.close()
    shop.snapshot.close()


def _serve(folder: Path, port: int) -> None:
    settings = settings_for(folder, port)
    granian_for(settings).serve(target_loader=partial(application, settings), wrap_loader=False)


def _launch(folder: Path) -> None:
    import_module(STORES[store_url(folder).partition(":")[0]].partition(":")[0])  # a server would, each time
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os.setsid()
            os.dup2(2, 1)
            _serve(folder, int(line))
            os._exit(0)
        while os.getpgid(child) != child:  # the group is there before it is named
            time.sleep(0.001)
        print(child, flush=True)


if __name__ == "__main__":
    where = Path(sys.argv[1])
    if len(sys.argv) == 2:
        _launch(where)
    else:
        open_for_business(where)
        _serve(where, int(sys.argv[2]))
