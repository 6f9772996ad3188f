"""The corner shop in a real Neo4j, served over HTTP, and a hand that edits it past Kindred."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import neo4j

from api.app import create_app
from api.settings import Settings
from graph.neo4j import CuratedStore
from tests.api.corner_shop import Shop, open_shop
from tests.api.http_release import publish
from tests.free_ports import free_port
from tests.neo4j_servers import TestServer

ROOT = Path(__file__).parents[2]
MODELS = ("popularity", "itemknn", "rp3beta", "next_item", "attributes", "relations", "als")
"""As the corner shop's, and one that embeds."""
BOUND_S = 2.0
"""An edit is in the next answer within this time: the promise."""


class Hand:
    """A curator in Neo4j Browser: writes what the driver is told, and stamps nothing."""

    def __init__(self, server: TestServer) -> None:
        self._driver = server.driver()

    def __call__(self, statement: str, **parameters: Any) -> list[neo4j.Record]:
        return self._driver.execute_query(statement, parameters, database_="neo4j").records

    def close(self) -> None:
        self._driver.close()


def shop_in(server: TestServer, folder: Path) -> Shop:
    """The corner shop in the server's database, with its release in ``folder/releases``."""
    folder.mkdir(exist_ok=True)
    shop = open_shop(folder, models=MODELS, url=slow_url(server))
    curated(shop).reconcile()
    publish(shop, folder / "releases")
    return shop


def curated(shop: Shop) -> CuratedStore:
    """The shop's store, as people edit it."""
    assert isinstance(shop.store, CuratedStore)
    return shop.store


def slow_url(server: TestServer) -> str:
    """The store's URL with a deadline that a loaded machine keeps."""
    return f"{server.store_url}?timeout_s=60"


@dataclass
class Served:
    """The shop's API."""

    client: httpx2.AsyncClient
    parts: Any

    async def get(self, path: str) -> Any:
        reply = await self.client.get(path)
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def seconds_until(self, reached: Any, path: str, within_s: float = 20.0) -> float:
        """How long it takes until an answer is as expected."""
        began = time.monotonic()
        while not reached(await self.get(path)):
            assert time.monotonic() - began < within_s, f"{path} did not change"
            await asyncio.sleep(0.02)
        return time.monotonic() - began


@asynccontextmanager
async def serving(server: TestServer, folder: Path) -> AsyncIterator[Served]:
    """The API over the shop, in this process, with the settings of a real one."""
    settings = Settings(
        store=slow_url(server), releases=folder / "releases", read_deadline_s=10.0, write_deadline_s=10.0, auth="off"
    )
    app = create_app(settings)
    transport = httpx2.ASGITransport(app, raise_app_exceptions=True)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://shop") as client,
    ):
        served = Served(client, app.state.parts)
        ends = time.monotonic() + 60
        while served.parts.serving.found is None or served.parts.serving.stale:
            assert time.monotonic() < ends, "the API did not become ready"
            await asyncio.sleep(0.05)
        yield served


def asked(port: int, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=120) as reply:
        return json.loads(reply.read())


@contextmanager
def kindred_serve(folder: Path, store_url: str, ready_s: float = 240.0) -> Iterator[int]:
    """The port of ``kindred serve`` over the folder's releases, without keys; it is ready."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KINDRED_")}
    environment |= {
        "KINDRED_STORE": store_url,
        "KINDRED_RELEASES": str(folder / "releases"),
        "KINDRED_AUTH": "off",
        "KINDRED_READ_DEADLINE_S": "20",
        "KINDRED_WRITE_DEADLINE_S": "20",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, str(ROOT / "kindred.py"), "serve", "--port", str(port)]
    with (folder / "serve.log").open("wb") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        ends = time.monotonic() + ready_s
        while True:
            try:
                if not asked(port, "/ready")["stale"]:
                    break
            except OSError:
                pass
            assert server.poll() is None, (folder / "serve.log").read_text()[-2000:]
            assert time.monotonic() < ends, (folder / "serve.log").read_text()[-2000:]
            time.sleep(0.2)
        yield port
    finally:
        server.terminate()
        server.wait(120)
