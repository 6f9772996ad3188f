"""The line that fails on demand, against a server that says everything back."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.neo4j.failing_line import FailingLine


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that sends back what it gets."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    threading.Thread(target=answer, args=(connection,), daemon=True).start()

        def answer(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                while data := connection.recv(100):
                    connection.sendall(data)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def said_back(port: int, times: int = 1, *, within_s: float = 30.0) -> bytes:
    with socket.create_connection(("127.0.0.1", port), within_s) as connection:
        heard = b""
        for _ in range(times):
            connection.sendall(b"hello")
            if not (reply := connection.recv(100)):
                break
            heard += reply
        return heard


def test_a_line_in_its_best_mood_passes_everything(echo: int) -> None:
    with FailingLine(echo) as line:
        assert said_back(line.port, 3) == b"hello" * 3
        assert (line.exchanges, line.cuts) == (3, 0)


def test_a_share_of_replies_is_cut(echo: int) -> None:
    with FailingLine(echo, cut_share=0.5) as line:
        heard = [said_back(line.port) for _ in range(60)]
        assert 10 < heard.count(b"") == line.cuts < 50
        assert set(heard) == {b"", b"hello"}


def test_a_swallowing_line_takes_and_gives_nothing_until_it_passes_again(echo: int) -> None:
    with FailingLine(echo) as line:
        line.set("swallowing")
        with pytest.raises(TimeoutError):
            said_back(line.port, within_s=0.3)
        line.set("passing")
        assert said_back(line.port) == b"hello"


def test_a_refusing_line_cuts_and_refuses_until_it_passes_again(echo: int) -> None:
    with FailingLine(echo) as line, socket.create_connection(("127.0.0.1", line.port), 30) as connection:
        connection.sendall(b"hello")
        assert connection.recv(100) == b"hello"
        line.set("refusing")
        with suppress(ConnectionResetError):
            assert connection.recv(100) == b""
        with pytest.raises(ConnectionRefusedError):
            said_back(line.port)
        line.set("passing")
        assert said_back(line.port) == b"hello"
