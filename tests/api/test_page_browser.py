"""The page in a real browser: what a person clicks, drags and types, and titles that try to run."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from api.security import KeyFile, Scope
from tests.api.corner_shop import PRODUCTS
from tests.api.http_server import serving
from tests.api.stored_scripts import SCRIPTS
from tests.chromium import chromium, watched

AXE = os.environ.get("KINDRED_AXE")
"""A copy of axe-core's axe.min.js; without it the accessibility test fetches one through npm."""
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
VIEWS = (
    "/",
    "/?item=tea",
    "/?user=t03",
    "/?user=nobody",
    "/?user=b03&why=lonely",
    "/?node=Category:Care",
    "/?q=tea",
    "/?item=nope",
    "/docs",
)


@dataclass
class Window:
    """A browser and the site it looks at."""

    browser: Any
    site: str

    def open(self, address: str, **screen: Any) -> tuple[Any, list[str]]:
        """A page at the address, and the list of what went wrong on it so far."""
        page, troubles = watched(self.browser.new_context(**(screen or DESKTOP)))
        page.goto(self.site + address)
        return page, troubles


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Window]:
    """A browser before a corner shop's server."""
    with chromium() as browser, serving(tmp_path_factory.mktemp("page") / "shop") as port:
        yield Window(browser, f"http://127.0.0.1:{port}")


def test_no_view_makes_trouble_or_reaches_elsewhere(window: Window) -> None:
    page, troubles = window.open(VIEWS[0])
    for address in VIEWS:
        page.goto(window.site + address)
        expected = ["404"] if address == "/?item=nope" else []
        assert [part for part in troubles if not any(code in part for code in expected)] == [], address
        assert page.locator("h1").count() == 1, address
        troubles.clear()
    page.context.close()


def test_no_view_is_wider_than_a_phone(window: Window) -> None:
    page, _ = window.open(VIEWS[0], **PHONE)
    for address in VIEWS:
        page.goto(window.site + address)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["viewport"]["width"], address
    page.context.close()


def test_cutting_an_edge_shows_both_lists_and_undo_takes_it_back(window: Window) -> None:
    page, troubles = window.open("/?user=t03")
    page.locator(".cut").first.click()
    page.wait_for_selector(".outcome .columns")
    assert page.locator(".line.gone").count() == 1
    assert page.locator(".cut").first.get_attribute("aria-pressed") == "true"
    assert page.locator(".outcome h4").all_text_contents() == ["Before", "After"]
    shown = [page.locator(f".outcome .columns > div:nth-child({at}) li").all_inner_texts() for at in (1, 2)]
    assert shown[0] != shown[1]
    page.get_by_role("button", name="Undo").click()
    page.wait_for_function("!document.querySelector('.outcome').childElementCount")
    assert page.locator(".line.gone").count() == 0
    assert troubles == []


def test_an_edge_is_dragged_away(window: Window) -> None:
    page, troubles = window.open("/?user=t03")
    line = page.locator(".line.cuttable").first
    line.scroll_into_view_if_needed()
    x, y = line.evaluate(
        "line => { const path = line.querySelector('.grip');"
        " const middle = path.getPointAtLength(path.getTotalLength() / 2);"
        " const at = middle.matrixTransform(path.getScreenCTM()); return [at.x, at.y] }"
    )
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 10, y + 120, steps=4)
    page.mouse.up()
    page.wait_for_selector(".outcome .columns")
    assert line.get_attribute("class") == "line cuttable gone"
    assert page.locator(".edits li").count() == 1
    assert troubles == []


def test_an_edge_is_added_in_imagination_only(window: Window) -> None:
    page, troubles = window.open("/?user=t03")
    before = httpx2.get(window.site + "/v1/graph/nodes/Customer/t03/neighbors").json()
    page.get_by_label("Relation of the new edge").select_option(label="purchased → Product")
    page.get_by_label("Id of the node at its other end").fill("soap")
    page.get_by_role("button", name="Add edge").click()
    page.wait_for_selector(".outcome .columns")
    after = page.locator(".outcome .columns > div:nth-child(2) li").all_inner_texts()
    assert any("Shampoo" in row or "Bath towel" in row for row in after)
    assert httpx2.get(window.site + "/v1/graph/nodes/Customer/t03/neighbors").json() == before
    page.get_by_label("Id of the node at its other end").fill("no such item")
    page.get_by_role("button", name="Add edge").click()
    page.wait_for_selector(".outcome .warn")
    assert [part for part in troubles if "status of 4" not in part] == []


def test_suggestions_are_chosen_by_keyboard(window: Window) -> None:
    page, troubles = window.open("/")
    box = page.locator("#q")
    with page.expect_response(lambda response: response.url.endswith("q=tea+p&n=8")):
        box.press_sequentially("tea p")  # on a busy machine parts of it are asked for before
    page.locator("#offers [role=option]").first.filter(has_text="Tea pot").wait_for()
    assert box.get_attribute("aria-expanded") == "true"
    box.press("ArrowDown")
    assert page.locator("#offers [role=option]").first.get_attribute("aria-selected") == "true"
    box.press("Enter")
    page.wait_for_url("**/?item=pot")
    assert page.locator("h1").inner_text() == "Tea pot"
    assert troubles == []


def test_without_scripts_everything_is_still_there(window: Window) -> None:
    page = window.browser.new_context(java_script_enabled=False).new_page()
    page.goto(window.site + "/")
    page.get_by_label("Search items").fill("green tea")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="Green tea", exact=True).first.click()
    assert page.locator("h1").inner_text() == "Green tea"
    assert page.locator(".list h2").count() == 4
    page.get_by_role("link", name="why").nth(1).click()
    assert page.locator(".reasons li").count() >= 1
    assert page.locator(".box").count() >= 2


def test_with_a_key_as_password_the_page_and_its_scripts_work(
    window: Window, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, text = KeyFile(tmp_path / "keys.json").create("reader", frozenset({Scope.READER}))
    monkeypatch.setenv("KINDRED_AUTH", "on")
    monkeypatch.setenv("KINDRED_KEYS", str(tmp_path / "keys.json"))
    with serving(tmp_path / "closed") as port:
        closed = Window(window.browser, f"http://127.0.0.1:{port}")
        assert 'Basic realm="kindred"' in httpx2.get(closed.site + "/").headers.get_list("www-authenticate")
        page, troubles = closed.open(
            "/?user=t03", **DESKTOP, http_credentials={"username": "anybody", "password": text}
        )
        page.locator(".cut").first.click()
        page.wait_for_selector(".outcome .columns")
        page.locator("#q").press_sequentially("tea")
        page.wait_for_selector("#offers [role=option]")
        assert [part for part in troubles if "401" not in part] == []


@pytest.fixture
def booby_trapped(window: Window) -> Iterator[Window]:
    """The shop with scripts for titles: of its own products, of new ones, of brands; the titles come back after."""
    titled = {product: SCRIPTS[at] for at, product in enumerate(PRODUCTS)}
    new = {f"new-{at}{script[:20]}": script for at, script in enumerate(SCRIPTS)}
    kept = {
        product: httpx2.get(f"{window.site}/v1/items/{product}").json()["properties"]["title"] for product in PRODUCTS
    }
    brands = [{"id": script, "properties": {"name": script}} for script in SCRIPTS[:20]]
    batch = [{"item_id": item_id, "properties": {"title": title}} for item_id, title in {**titled, **new}.items()]
    batch[0]["relations"] = {"HAS_BRAND": brands}
    for item in batch[1:]:
        item["relations"] = {"HAS_BRAND": [SCRIPTS[2]]}
    reply = httpx2.post(f"{window.site}/v1/items:batch", json={"items": batch}, timeout=60)
    assert reply.status_code == 200, reply.text
    yield window
    back = [{"item_id": product, "properties": {"title": title}} for product, title in kept.items()]
    httpx2.post(f"{window.site}/v1/items:batch", json={"items": back}, timeout=60)


def test_stored_scripts_are_shown_and_never_run(booby_trapped: Window) -> None:
    hostile = SCRIPTS[2]
    addresses = ["/", "/?item=tea", "/?item=tea&kind=bought_together", "/?user=t03", "/?user=nobody"]
    addresses += [str(httpx2.URL("/", params={"q": script[:200]})) for script in SCRIPTS]
    addresses += [str(httpx2.URL("/", params={"user": script})) for script in SCRIPTS[::6]]
    addresses.append(str(httpx2.URL("/", params={"node": f"Brand:{hostile}"})))
    addresses.append(str(httpx2.URL("/", params={"item": "<b>" + hostile, "why": hostile})))
    page, troubles = booby_trapped.open("/")
    for address in addresses:
        page.goto(booby_trapped.site + address)
        assert [part for part in troubles if "404" not in part] == [], address
        assert page.locator("script:not([type=module][src^='/page/static/'])").count() == 0, address
        assert (
            page.evaluate(
                "[...document.querySelectorAll('*')].flatMap(e => [...e.attributes])"
                ".filter(a => a.name.startsWith('on')).length"
            )
            == 0
        ), address
    page.goto(booby_trapped.site + "/?item=tea")
    assert page.locator("h1").inner_text() == SCRIPTS[0]
    page.locator("#q").press_sequentially("<img src")
    page.wait_for_selector("#offers [role=option]")
    page.goto(booby_trapped.site + "/?user=t03")
    page.locator(".cut").first.click()
    page.wait_for_selector(".outcome .columns")
    page.wait_for_timeout(300)
    assert [part for part in troubles if "404" not in part] == []


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core."""
    if AXE is not None:
        return Path(AXE).read_text(encoding="utf-8")
    folder = tmp_path_factory.mktemp("axe")
    try:
        subprocess.run(["npm", "install", "--silent", "--no-save", "axe-core@4"], cwd=folder, check=True, timeout=120)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"axe-core cannot be fetched through npm: {error}; KINDRED_AXE names a copy of axe.min.js")
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_barrier(window: Window, axe: str, scheme: str) -> None:
    page, _ = window.open(VIEWS[0], **DESKTOP, color_scheme=scheme)
    inspector = page.context.new_cdp_session(page)
    for address in VIEWS:
        page.goto(window.site + address)
        if "user=t03" in address:
            page.locator(".cut").first.click()
            page.wait_for_selector(".outcome .columns")
        inspector.send("Runtime.evaluate", {"expression": axe})
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        said = [(one["id"], [node["html"][:150] for node in one["nodes"]][:3]) for one in found["violations"]]
        assert said == [], f"{address} {scheme} {json.dumps(said, indent=1)}"
    page.context.close()
