"""A TCP line to a server that fails on demand: cuts before the reply, swallows, refuses."""

from __future__ import annotations

import random
import socket
import threading
from contextlib import suppress
from typing import Literal, Self

from tests.free_ports import free_port

Mood = Literal["passing", "swallowing", "refusing"]


class FailingLine:
    """A port on this machine that leads to another one.

    ``cut_share`` of the exchanges lose their reply: the server has done what it was asked, and nobody hears of it.
    ``swallowing`` takes connections and bytes and passes nothing on; ``refusing`` has nobody listen.
    """

    def __init__(self, target_port: int, *, cut_share: float = 0.0, seed: int = 8) -> None:
        self.port = free_port()
        self.cut_share = cut_share
        self.exchanges = 0
        self.cuts = 0
        self.connections = 0
        self._target_port = target_port
        self._dice = random.Random(seed)
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._passing = threading.Event()
        self._listener: socket.socket | None = None
        self.set("passing")

    def set(self, mood: Mood) -> None:
        """Nothing; connections that are open feel it as well."""
        if mood == "passing":
            self._passing.set()
        else:
            self._passing.clear()
        if mood == "refusing":
            self._stop_listening()
            self.cut_all()
        elif self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut_all(self) -> None:
        """Nothing; every connection ends, in the middle of whatever it was."""
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._stop_listening()
        self._passing.set()
        self.cut_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _stop_listening(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._join, args=(client,), daemon=True).start()

    def _join(self, client: socket.socket) -> None:
        self.connections += 1
        self._passing.wait()
        try:
            server = socket.create_connection(("127.0.0.1", self._target_port), 5)
            server.settimeout(None)
        except OSError:
            client.close()
            return
        with self._lock:
            self._open |= {client, server}
            refused = self._listener is None  # since it was accepted: cut_all may not have seen it
        if refused:
            self.cut_all()
        asked = threading.Event()
        back = threading.Thread(target=self._pump, args=(server, client, asked, True), daemon=True)
        back.start()
        self._pump(client, server, asked, False)
        back.join()
        with self._lock:
            self._open -= {client, server}
        client.close()
        server.close()

    def _pump(self, source: socket.socket, sink: socket.socket, asked: threading.Event, replies: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._passing.wait()
                if not replies:
                    asked.set()
                elif asked.is_set():
                    asked.clear()
                    if self._cut():
                        break
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _cut(self) -> bool:
        with self._lock:
            self.exchanges += 1
            cut = self._dice.random() < self.cut_share
            self.cuts += cut
            return cut
