"""The page as it is sent: what it says, what it allows, what it costs to change a file."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from html.parser import HTMLParser
from pathlib import Path

import httpx2
import pytest

from api.engine import Request
from api.engine.answer import Hop, Reason, ReasonPath
from api.observing.metrics import Metrics
from api.observing.pulse import WINDOW_S, Pulse
from api.page.drawing import BOX_HEIGHT, BOX_WIDTH, Box, drawing_of, told, told_title
from api.page.rendering import STATIC, static_version
from api.page.start import evaluation_table, verdict
from graph.records import UpsertNodes
from tests.api.corner_shop import COMPLEMENTS, IN_CATEGORY, PURCHASED, Shop
from tests.api.http_release import publish
from tests.api.stored_scripts import SCRIPTS
from tests.api.test_http_release import release_of, served, until

Scenario = Callable[[httpx2.AsyncClient], Awaitable[None]]


def in_shop(shop: Shop, folder: Path, scenario: Scenario) -> None:
    """Runs the scenario against the shop's release, served from settings."""

    async def run() -> None:
        release_id = publish(shop, folder / "releases", 1)
        async with served(shop, folder) as (_, client):

            async def is_live() -> bool:
                return await release_of(client) == release_id

            await until(is_live)
            await scenario(client)

    asyncio.run(run())


class Written(HTMLParser):
    """The elements of a page, as a browser's parser would see them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))


def test_the_page_allows_its_own_files_and_nothing_else(shop: Shop, tmp_path: Path) -> None:
    async def scenario(client: httpx2.AsyncClient) -> None:
        for address in ("/", "/?item=tea", "/docs"):
            page = await client.get(address)
            policy = page.headers["content-security-policy"]
            assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
            assert "unsafe" not in policy
            elements = Written(page.text).elements
            assert not [tag for tag, attributes in elements if "style" in attributes or tag == "style"]
            assert all(attributes.get("src", "").startswith(STATIC) for tag, attributes in elements if tag == "script")
            for _, attributes in elements:
                assert not [name for name in attributes if name.startswith("on")]
        for address in {
            attributes["src" if tag == "script" else "href"]
            for tag, attributes in Written((await client.get("/?item=tea")).text).elements
            if tag in ("script", "link")
        }:
            assert address is not None
            file = await client.get(address)
            assert file.status_code == 200
            assert file.headers["x-content-type-options"] == "nosniff"
            assert "immutable" in file.headers["cache-control"]
            assert not re.search(rb"https?://(?!www\.w3\.org/2000/svg)", file.content)
        assert (await client.get(f"{STATIC}0123456789ab/page.css")).status_code == 404
        assert (await client.get(f"{STATIC}{static_version()}/..%2Fpage.html")).status_code == 404

    in_shop(shop, tmp_path, scenario)


def test_four_kinds_stand_side_by_side_and_the_picked_reason_is_told(shop: Shop, tmp_path: Path) -> None:
    async def scenario(client: httpx2.AsyncClient) -> None:
        page = (await client.get("/?item=tea&kind=bought_together")).text
        for heading in ("Similar", "Complementary", "Bought together", "Cross-category"):
            assert f">{heading}</a>" in page
        related = (await client.get("/v1/items/tea/related?kind=bought_together&include=reasons,properties")).json()
        first, second = related["items"][:2]
        assert f'dir="auto">{first["properties"]["title"]}</a>?' in page
        assert first["reasons"][0]["text"] in page
        asked = (await client.get(f"/?item=tea&kind=bought_together&why={second['item_id']}")).text
        assert f'dir="auto">{second["properties"]["title"]}</a>?' in asked

    in_shop(shop, tmp_path, scenario)


def test_an_item_that_is_not_listed_is_told_with_what_would_bring_it_in(shop: Shop, tmp_path: Path) -> None:
    async def scenario(client: httpx2.AsyncClient) -> None:
        page = (await client.get("/?user=t03&why=tea")).text
        explained = (await client.get("/v1/explanations?user_id=t03&item_id=tea&n=12")).json()
        assert explained["removed_by"][0]["by"] == "seen"
        assert '<li class="warn">seen: ' in page
        listed = (await client.get("/v1/users/t03/recommendations?n=12")).json()["items"][0]["item_id"]
        assert "Why not <a" not in (await client.get(f"/?user=t03&why={listed}")).text
        assert (await client.get("/?user=t03&why=no-such")).status_code == 404

    in_shop(shop, tmp_path, scenario)


def test_what_is_not_there_is_said_in_words(shop: Shop, tmp_path: Path) -> None:
    async def scenario(client: httpx2.AsyncClient) -> None:
        for address, status in (
            ("/?item=no-such", 404), ("/?node=Brand:no-such", 404), ("/?node=NoSuchType:x", 422), ("/?node=x", 422),
        ):  # fmt: skip
            page = await client.get(address)
            assert page.status_code == status, address
            assert page.headers["content-type"].startswith("text/html")
            assert 'class="warn"' in page.text
        newcomer = await client.get("/?user=nobody-yet")
        assert newcomer.status_code == 200
        assert "A newcomer" in newcomer.text
        assert (await client.get("/?kind=no-such")).status_code == 422

    in_shop(shop, tmp_path, scenario)


def test_titles_are_written_as_text_wherever_they_stand(shop: Shop, tmp_path: Path) -> None:
    async def scenario(client: httpx2.AsyncClient) -> None:
        plain = {address: _shape((await client.get(address)).text) for address in addresses}
        for script in SCRIPTS:
            changed = [{"title": script} for _ in ("pot", "cup", "tea")]
            shop.write(UpsertNodes("Product", ["pot", "cup", "tea"], changed))
            shop.write(UpsertNodes("Brand", ["acme"], [{"name": script}]))
            watermark = shop.view.watermark

            async def is_seen(watermark: str = watermark) -> bool:
                return watermark in (await client.get("/page/pulse")).text

            await until(is_seen)
            for address in addresses:
                assert _shape((await client.get(address)).text) == plain[address], script

    addresses = ("/?item=tea", "/?user=t03", "/?node=Brand:acme")
    in_shop(shop, tmp_path, scenario)


def _shape(page: str) -> list[tuple[str, tuple[str, ...]]]:
    """The tags of a page with the names of their attributes: what no title may change, but for a box's second line."""
    return [(tag, tuple(attributes)) for tag, attributes in Written(page).elements if tag != "text"]


def test_a_shown_path_names_the_edit_that_cuts_it(shop: Shop) -> None:
    tea, pot, food = ("Product", "tea"), ("Product", "pot"), ("Category", "Food")
    by_category = (Hop(IN_CATEGORY, "out"), Hop(IN_CATEGORY, "in"))
    reasons = [
        Reason("by way of", ReasonPath((tea, pot), (Hop(PURCHASED, None, 12),)), 0.6, "co_interaction"),
        Reason("same", ReasonPath((tea, food, pot), by_category), 0.3, "attribute"),
        Reason("goes", ReasonPath((tea, pot), (Hop(COMPLEMENTS, "in"),)), 0.1, "relation"),
    ]
    people, category, relation = told(shop.view, reasons, None)
    assert [step.cut for step in people.steps] == [None]
    assert [step.cut for step in category.steps] == [
        {"do": "remove_edge", "edge": "IN_CATEGORY", "from": ["Product", "tea"], "to": ["Category", "Food"]},
        {"do": "remove_edge", "edge": "IN_CATEGORY", "from": ["Product", "pot"], "to": ["Category", "Food"]},
    ]
    assert relation.steps[0].cut == {
        "do": "remove_edge", "edge": "COMPLEMENTS", "from": ["Product", "pot"], "to": ["Product", "tea"],
    }  # fmt: skip
    own = told(shop.view, reasons[:1], "t00")[0]
    assert own.nodes[0] == (("Customer", "t00"), "Customer t00")
    assert own.steps[0].cut == {
        "do": "remove_edge", "edge": "PURCHASED", "from": ["Customer", "t00"], "to": ["Product", "tea"],
    }  # fmt: skip


def test_what_is_called_by_an_opaque_id_is_told_by_its_type_too(still_shop: Shop) -> None:
    nodes = [("Product", "tea"), ("Category", "Food"), ("Maker", "m.0x7"), ("Customer", "t05"), ("Maker", "gone")]
    titles = ["Green tea", "Food", "Maker m.0x7", "Customer t05", "Maker gone"]
    assert [told_title(still_shop.view, node) for node in nodes] == titles


def test_no_two_boxes_of_a_drawing_touch_and_all_are_inside(shop: Shop) -> None:
    for user_id in ("t00", "t07", "b03", "both", "mugger"):
        for item in shop.engine.recommend(Request(user_id, n=8, reasons=True)).items:
            drawing = drawing_of(shop.view, told(shop.view, item.reasons, user_id))
            assert drawing is not None
            boxes = drawing.boxes
            for at, box in enumerate(boxes):
                assert BOX_WIDTH / 2 <= box.x <= drawing.width - BOX_WIDTH / 2
                assert BOX_HEIGHT / 2 <= box.y <= drawing.height - BOX_HEIGHT / 2
                for other in boxes[:at]:
                    assert abs(box.x - other.x) >= BOX_WIDTH or abs(box.y - other.y) >= BOX_HEIGHT, item.item_id


@pytest.mark.parametrize(
    ("title", "words"),
    [
        ("green tea", ["green tea"]),
        ("a tin of green tea for two people and more", ["a tin of green tea", "for two people an…"]),
        ("EDWARDIAN PARASOL BLACK", ["EDWARDIAN", "PARASOL BLACK"]),
        ("复古圣诞纸链套装礼盒", ["复古圣诞纸链套装礼…"]),
        ("", [""]),
    ],
)
def test_a_box_holds_two_lines_of_a_title(title: str, words: list[str]) -> None:
    assert Box(("Item", "1"), title, "item", 0).words == words


def test_the_pulse_counts_the_last_minute_only() -> None:
    metrics, now = Metrics(), [100.0]
    pulse = Pulse(lambda: now[0])
    metrics.events.labels("accepted").inc(30)
    metrics.events.labels("duplicate").inc(1000)
    for _ in range(99):
        metrics.seconds.labels("/v1/trending").observe(0.004)
    metrics.seconds.labels("/v1/trending").observe(0.3)
    metrics.seconds.labels("/").observe(2.0)
    now[0] += 10
    first = pulse.read(metrics)
    assert (first.window_s, first.events_per_s, first.answers_per_s, first.p99_ms) == (10, 3, 10, 5.0)
    now[0] += WINDOW_S + 1
    pulse.read(metrics)
    now[0] += WINDOW_S
    idle = pulse.read(metrics)
    assert (idle.events_per_s, idle.answers_per_s, idle.p99_ms) == (0, 0, None)


def test_the_evaluation_table_shows_what_training_measured() -> None:
    row = {"model": "ease", "recall@20": 0.25, "ndcg@20": 0.125, "served": True, "measured_on": "test"}
    table = evaluation_table({"protocol": "temporal", "table": [row, {**row, "model": "text", "recall@20": 0.125}]})
    assert table is not None
    assert table.rows[0] == ("ease", "test", True, [("0.2500", 100), ("0.1250", 100), None])
    assert table.rows[1][3][0] == ("0.1250", 50)
    assert evaluation_table(None) is None
    assert evaluation_table({"table": []}) is None
    assert verdict({"sentence": "ease wins"}) == "ease wins"
    assert verdict(None) == ""
