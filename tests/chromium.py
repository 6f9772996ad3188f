"""A headless Chromium that reaches this machine only, and what went wrong in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
_START_MS = 120_000
"""A browser on a busy machine takes its time."""
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def chromium_path() -> str | None:
    """The installed Chromium, or none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def chromium(*more_flags: str) -> Iterator[Any]:
    """A browser; several contexts can be opened in it. Skips the test, loudly, where there is none."""
    found = chromium_path()
    if found is None:
        pytest.skip("no Chromium; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=[*FLAGS, *more_flags], timeout=_START_MS)
        try:
            yield browser
        finally:
            browser.close()


def watched(context: BrowserContext) -> tuple[Page, list[str]]:
    """A new page, and everything that must not happen in it: dialogs, errors, refused content, requests elsewhere."""
    page, troubles = context.new_page(), list[str]()

    def dismiss(dialog: Any) -> None:
        troubles.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def overhear(message: Any) -> None:
        if message.type in ("error", "warning"):
            troubles.append(f"console: {message.text}")

    def notice(request: Any) -> None:
        if not request.url.startswith(("http://127.0.0.1:", "data:")):
            troubles.append(f"request: {request.url}")

    page.on("dialog", dismiss)
    page.on("console", overhear)
    page.on("pageerror", lambda error: troubles.append(f"error: {error}"))
    page.on("request", notice)
    return page, troubles
