"""The workbench in the real Neo4j Browser: guide, style, every query, and an edit that the API answers with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from api.curator import examples_from, saved_queries
from tests.api.corner_shop import SCHEMA
from tests.free_ports import free_port
from tests.neo4j.browser_window import BrowserWindow, window
from tests.neo4j.curated_shop import shop_in, slow_url
from tests.neo4j_servers import TestServer

ROOT = Path(__file__).parents[2]
RELATED = "/v1/items/tea/related?n=12&include=properties"
PICTURES = os.environ.get("KINDRED_SCREENSHOTS")
"""A folder for pictures of what the test sees: ``make screenshots-curators``."""


NEIGHBOURHOOD = (
    'MATCH path = (:Product {id: "tea"})-[:HAS_BRAND|IN_CATEGORY|MADE_BY|COMPLEMENTS]-(near) '
    "OPTIONAL MATCH more = (near)--(:Product) RETURN path, more"
)


def take(browser: BrowserWindow, name: str) -> None:
    """Nothing; a picture, where pictures are asked for."""
    if PICTURES is not None:
        browser.picture(Path(PICTURES) / name)


def asked(port: int, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as reply:
        return json.loads(reply.read())


@contextmanager
def kindred_serve(folder: Path, store_url: str) -> Iterator[int]:
    """The port of ``kindred serve`` over the folder's releases, without keys."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KINDRED_")}
    environment |= {
        "KINDRED_STORE": store_url,
        "KINDRED_RELEASES": str(folder / "releases"),
        "KINDRED_AUTH": "off",
        "KINDRED_READ_DEADLINE_S": "20",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, str(ROOT / "kindred.py"), "serve", "--port", str(port)]
    with (folder / "serve.log").open("wb") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        ends = time.monotonic() + 120
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
        server.wait(30)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_curator_logs_in_follows_the_guide_and_sees_the_answer_change(
    empty_neo4j: TestServer, tmp_path: Path
) -> None:
    shop = shop_in(empty_neo4j, tmp_path)
    queries = {query.text for query in saved_queries(SCHEMA, examples_from(shop.view))}
    shop.store.close()
    shop.snapshot.close()
    with kindred_serve(tmp_path, slow_url(empty_neo4j)) as port, window(empty_neo4j, port) as browser:
        browser.log_in(empty_neo4j)
        browser.wait_for("Kindred: the curator's workbench")  # opened by the server's configuration
        take(browser, "browser-guide.png")
        run: list[str] = []
        for texts in browser.guide():
            for at, text in enumerate(texts):
                shown = browser.click_runnable(at)
                assert "ERROR" not in shown, f"{text}\n{shown[:500]}"
                assert "Neo.ClientError" not in shown, f"{text}\n{shown[:500]}"
                run.append(text)
        assert run[0].startswith(":style http://")
        assert "#2563eb" in browser.run(":style")  # the style that was loaded
        assert set(run[1:]) == queries
        assert "ERROR" not in browser.run(NEIGHBOURHOOD, keep=True)
        take(browser, "browser-neighbourhood.png")
        before = asked(port, RELATED)
        assert "Porcelain cup" not in str(before)
        shown = browser.run("MATCH (p:Product {id: 'cup'}) SET p.title = 'Porcelain cup' RETURN p")
        assert "ERROR" not in shown
        ends = time.monotonic() + 20
        while "Porcelain cup" not in str(after := asked(port, RELATED)):
            assert time.monotonic() < ends, "the answer did not change"
            time.sleep(0.1)
        assert after["graph_watermark"] != before["graph_watermark"]
