"""The workbench in the real Neo4j Browser: guide, style, every query, and an edit that the API answers with."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from api.curator import Spelling, examples_from, saved_queries
from tests.api.corner_shop import SCHEMA
from tests.neo4j.browser_window import BrowserWindow, window
from tests.neo4j.curated_shop import asked, kindred_serve, shop_in, slow_url
from tests.neo4j_servers import TestServer

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


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_curator_logs_in_follows_the_guide_and_sees_the_answer_change(
    empty_neo4j: TestServer, tmp_path: Path
) -> None:
    shop = shop_in(empty_neo4j, tmp_path)
    queries = {query.text for query in saved_queries(Spelling(SCHEMA), examples_from(shop.view))}
    shop.store.close()
    shop.snapshot.close()
    with kindred_serve(tmp_path, slow_url(empty_neo4j)) as port, window(empty_neo4j, port) as browser:
        browser.log_in(empty_neo4j)
        browser.wait_for("Kindred: the curator's workbench")  # opened by the server's configuration
        browser.tidy()
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
