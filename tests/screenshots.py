"""Pictures of the page over the demo's release, into docs/images: ``make screenshots``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2

from tests.api.http_server import until_ready
from tests.chromium import chromium, watched
from tests.free_ports import free_port

FOLDER = Path(__file__).parents[1] / "docs" / "images"
BUSY = 200
ITEM = "/?item=50"
USER = "/?user=1"
PICTURES: tuple[tuple[str, str, dict[str, Any], str], ...] = (
    ("page-light", ITEM, {"viewport": {"width": 1360, "height": 1190}, "color_scheme": "light"}, ""),
    ("page-dark", USER, {"viewport": {"width": 1360, "height": 1900}, "color_scheme": "dark"}, "what-if"),
    (
        "page-phone",
        ITEM,
        {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True},
        "top",
    ),
)
"""Name, address, what kind of screen, and what to do on it."""


def main() -> None:
    port = free_port()
    command = [sys.executable, "-m", "kindred", "serve", "--port", str(port)]
    server = subprocess.Popen(
        command, env=os.environ | {"KINDRED_AUTH": "off"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until_ready(port, server)
        take_pictures(f"http://127.0.0.1:{port}", FOLDER)
    finally:
        server.terminate()
        server.wait(30)


def take_pictures(site: str, folder: Path) -> None:
    """Nothing; the pictures are in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for user_id in range(1, BUSY + 1):  # a server that nobody asks has nothing to show in its strip
        httpx2.get(f"{site}/v1/users/{user_id}/recommendations?include=reasons")
    with chromium() as browser:
        for name, address, screen, action in PICTURES:
            context = browser.new_context(**screen)
            page, troubles = watched(context)
            page.goto(site + address)
            if action == "what-if":
                page.locator(".cut").first.click()
                page.wait_for_selector(".outcome .columns")
            page.wait_for_timeout(200)
            page.screenshot(path=str(folder / f"{name}.png"))
            context.close()
            if troubles:
                raise SystemExit(f"{name}: {troubles}")
            print(f"{folder / name}.png")


if __name__ == "__main__":
    main()
