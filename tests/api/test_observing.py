"""The log: a line per request is what structlog would write, and levels hold."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from api.http.ids import new_id

_SCRIPT = """
import structlog
from api.observing.logs import configure_logging, log_request
configure_logging({level!r})
log_request("abc", "GET", '/v1/items/{{item_id}}/"related', 200, 1.25)
structlog.get_logger("x").info("http.request", request_id="abc", method="GET", route='/v1/items/{{item_id}}/"related', status=200, took_ms=1.25)
"""  # noqa: E501


def lines(level: str) -> list[dict[str, object]]:
    printed = subprocess.run(
        [sys.executable, "-c", _SCRIPT.format(level=level)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    ).stderr
    return [json.loads(line) for line in printed.splitlines()]


def test_a_request_s_line_is_what_structlog_writes() -> None:
    quick, plain = lines("info")
    assert quick.keys() == plain.keys()
    for line in (quick, plain):
        assert str(line.pop("timestamp")).endswith("Z")
    assert quick == plain


def test_no_line_below_the_level() -> None:
    assert lines("warning") == []


def test_ids_are_new_in_every_thread_and_process() -> None:
    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(lambda _: new_id(), range(5_000)))
    assert len(set(ids)) == 5_000
    assert {len(one) for one in ids} == {32}
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, new_id().encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(reading, 32).decode()
    mine = {new_id() for _ in range(300)}
    assert len(theirs) == 32
    assert theirs not in mine
