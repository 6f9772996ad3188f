"""Processes that write to a store until they are killed, and say what was acknowledged."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import connection, get_context

from graph.records import UpsertEdges, UpsertNodes
from graph.store import BulkLoad, open_store

PURCHASED = ("User", "PURCHASED", "Item")
EDGES_PER_BATCH = 5
LOADED_EDGES = 60_000
LOADED_USERS = 97


class Writing:
    """A process that is writing. ``lines`` are what it said before it died, whole lines only."""

    def __init__(self, writer: str, *arguments: object) -> None:
        context = get_context("forkserver")
        context.set_forkserver_preload([__name__])
        self._said, said_by_child = context.Pipe(duplex=False)
        target = {"batches": write_batches, "load": write_load}[writer]
        self._process = context.Process(target=target, args=(said_by_child, *arguments))
        self._process.start()
        said_by_child.close()

    def wait_for_a_word(self) -> None:
        self._said.poll(60)

    def kill(self) -> list[str]:
        self._process.kill()
        self._process.join()
        return self.lines()

    def lines(self) -> list[str]:
        text = b""
        while piece := os.read(self._said.fileno(), 65_536):
            text += piece
        self._said.close()
        self._process.join()
        self._process.close()
        return text.decode().split("\n")[:-1]


@contextmanager
def _saying(to: connection.Connection) -> Iterator[int]:
    yield to.fileno()
    to.close()


def write_batches(to: connection.Connection, url: str, first: int) -> None:
    """Numbered batches, one after the other, each number said once it is acknowledged."""
    with _saying(to) as channel:
        store = open_store(url)
        for batch in range(first, 1_000_000):
            items = [f"item {batch} {number}" for number in range(EDGES_PER_BATCH)]
            edges = UpsertEdges(
                PURCHASED,
                ["user"] * EDGES_PER_BATCH,
                items,
                qualifiers=[str(batch)] * EDGES_PER_BATCH,
                create_missing=True,
            )
            counter = UpsertNodes("Brand", ["counter"], [{"name": str(batch)}])
            store.apply([edges, counter], batch_id=str(batch), actor="writer")
            os.write(channel, f"{batch}\n".encode())


def write_load(to: connection.Connection, url: str, options: dict[str, int]) -> None:
    """A bulk load in many transactions."""
    with _saying(to) as channel:
        store = open_store(url)
        assert isinstance(store, BulkLoad)
        os.write(channel, b"started\n")
        store.bulk_load(load(), batch_id="load", actor="loader", **options)
        os.write(channel, b"done\n")


def load() -> list[UpsertEdges]:
    rows = 1_000
    return [
        UpsertEdges(
            PURCHASED,
            [f"u{number % LOADED_USERS}" for number in range(start, start + rows)],
            [f"i{number}" for number in range(start, start + rows)],
            create_missing=True,
        )
        for start in range(0, LOADED_EDGES, rows)
    ]
