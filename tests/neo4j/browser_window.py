"""Neo4j Browser in a headless Chromium, used as a curator uses it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Error, Page

from graph.neo4j.server.conf import read_conf
from tests.chromium import chromium
from tests.neo4j_servers import TestServer

PATIENCE_MS = 180_000
_RUN = "[data-testid=editor-Run]"
_EDITOR = "[data-testid=activeEditor] .monaco-editor"
_FRAME = "[data-testid=frame]"
_DONE = "[data-testid=frameStatusbar], [data-testid=frame-loaded-contents], [data-testid=frameContents]"
_RUNNABLE = "[data-testid=carousel] ~ * pre.runnable, .slide pre.runnable"
_TITLE = ".slide h3"


class BrowserWindow:
    """One window of Neo4j Browser."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.set_default_timeout(PATIENCE_MS)

    def log_in(self, server: TestServer) -> None:
        """Nothing; Browser is connected."""
        self.page.goto(server.connection.browser, timeout=PATIENCE_MS)
        self.page.wait_for_selector("[data-testid=password]", timeout=PATIENCE_MS)
        self.page.fill("[data-testid=username]", server.connection.user)
        self.page.fill("[data-testid=password]", server.connection.password)
        self.page.click("[data-testid=connect]")
        self.page.wait_for_selector(_EDITOR, timeout=PATIENCE_MS)

    def tidy(self) -> None:
        """Nothing; what Browser shows of itself is gone: its notice about usage data, and the frame it starts with."""
        box = self.page.locator("text=To help make Neo4j Browser better").first.bounding_box()
        size = self.page.viewport_size
        if box is not None and size is not None:  # its cross is a drawing without a name, at the right end
            self.page.mouse.click(size["width"] - 43, box["y"] + box["height"] / 2)
        for shown in (":play start", ":server connect"):
            own = self.page.locator(_FRAME).filter(has_text=shown)
            for _ in range(own.count()):
                own.first.locator("button[title=Close]").first.click()

    def wait_for(self, text: str) -> None:
        """Nothing; the text is on the page."""
        self.page.wait_for_selector(f"text={text}", timeout=PATIENCE_MS, state="attached")

    def guide(self) -> Iterator[list[str]]:
        """The guide slide by slide: the texts that a click puts into the editor."""
        while True:
            yield [str(text).strip() for text in self.page.locator(_RUNNABLE).all_text_contents()]
            following = self.page.locator("[data-testid=nextSlide]")
            if not following.count() or following.is_disabled():
                return
            title = self.page.locator(_TITLE).first.inner_text()
            following.click()
            self.page.wait_for_function(
                "([title, was]) => document.querySelector(title)?.innerText !== was", arg=[_TITLE, title]
            )

    def click_runnable(self, at: int) -> str:
        """What the answer says after text number ``at`` of the slide was clicked and run."""
        self.page.locator(_RUNNABLE).nth(at).click()
        return self._run()

    def run(self, command: str, *, keep: bool = False) -> str:
        """What the answer says after the command was typed and run; its frame is closed unless it is to be kept."""
        self.page.click(_EDITOR)
        self.page.keyboard.press("Control+A")
        self.page.keyboard.insert_text(command)
        return self._run(keep=keep)

    def _run(self, *, keep: bool = False) -> str:
        frames = self.page.locator(_FRAME)
        before = frames.count()
        self.page.click(_RUN)
        self.page.wait_for_function(
            "([frame, before]) => document.querySelectorAll(frame).length > before",
            arg=[_FRAME, before],
            timeout=PATIENCE_MS,
        )
        newest = frames.first
        try:
            newest.locator(_DONE).first.wait_for(state="attached", timeout=PATIENCE_MS)
        except Error as error:
            raise AssertionError(f"nothing came back: {newest.inner_text()[:500]}") from error
        self.page.wait_for_timeout(200)
        shown = str(newest.inner_text())
        if not keep:
            newest.locator("button[title=Close]").first.click()
            self.page.wait_for_function(
                "([frame, before]) => document.querySelectorAll(frame).length <= before", arg=[_FRAME, before]
            )
        return shown

    def newest(self) -> str:
        """What the newest answer says once its query has ended."""
        self.page.wait_for_function(
            "([frame, ended]) => new RegExp(ended).test(document.querySelector(frame)?.innerText)",
            arg=[_FRAME, "Displaying|Completed after|Started streaming|ERROR"],
            timeout=PATIENCE_MS,
        )
        return str(self.page.locator(_FRAME).first.inner_text())

    def picture(self, file: Path, settle_s: float = 3.0) -> None:
        """Nothing; the window is in the file as a small PNG, once what moves has come to rest."""
        self.page.wait_for_timeout(settle_s * 1000)
        self.page.screenshot(path=str(file))


def guide_address(server: TestServer) -> str:
    """Host and port where the server's configuration says that the guide is."""
    settings = read_conf((server.home / "conf" / "neo4j.conf").read_text())
    return urlsplit(settings["browser.post_connect_cmd"].removeprefix("play ")).netloc


@contextmanager
def window(server: TestServer, api_port: int, width: int = 1280, height: int = 900) -> Iterator[BrowserWindow]:
    """A window in which the address of the server's guide leads to the API at ``api_port``."""
    rules = f"--host-resolver-rules=MAP {guide_address(server)} 127.0.0.1:{api_port}"
    with chromium(rules) as browser:
        yield BrowserWindow(browser.new_page(viewport={"width": width, "height": height}))
