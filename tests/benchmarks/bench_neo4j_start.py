"""From the start of an API over Neo4j until its answers are not stale: 100,000 curated edges, edited or not meanwhile.

A start whose mark vouches that nobody has edited anything compares nothing; without the mark, as every start was once,
it compares the whole curated part, and so does one after edits by hand.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.bench_neo4j_edits import big_shop, server
from tests.neo4j.curated_shop import Hand, kindred_serve, slow_url
from tests.neo4j_servers import TestServer

MEANWHILE = {
    "nothing edited": None,
    "ten items edited by hand meanwhile": (
        "MATCH (p:Product) WITH p ORDER BY p.id LIMIT 10 SET p.title = p.title + ' again'"
    ),
    "no mark that vouches": "MATCH (m:KindredMeta) REMOVE m.vouched",
}
"""What happened while the API was down → what a hand did."""


BUDGET_S = 600.0
"""No round of starts begins later than that, however slow the machine; the first one always does."""


def measure(times: int = 3) -> list[dict[str, Any]]:
    """Rows of ``name, ours, peer, ratio, unit, goal, met``; the peer is the start without the mark."""
    with server() as neo4j, tempfile.TemporaryDirectory() as folder:
        big_shop(neo4j, Path(folder))
        seconds = starts(neo4j, Path(folder), times)
    middle = {name: statistics.median(taken) for name, taken in seconds.items()}
    peer = middle["no mark that vouches"]
    return [
        {
            "name": f"API's start until it is not stale, median of {len(seconds[name])}: {name}",
            "ours": round(ours, 1),
            "peer": round(peer, 1),
            "ratio": round(ours / peer, 2),
            "unit": "s",
            "goal": None,
            "met": True,
        }
        for name, ours in middle.items()
    ]


def starts(neo4j: TestServer, folder: Path, times: int) -> dict[str, list[float]]:
    """Seconds of each start, in turn; the first one of all, which has nothing to go by, is not counted."""
    hand = Hand(neo4j)
    seconds: dict[str, list[float]] = {name: [] for name in MEANWHILE}
    with kindred_serve(folder, slow_url(neo4j)):
        pass
    started = time.monotonic()
    for _ in range(times):
        if all(seconds.values()) and time.monotonic() - started > BUDGET_S:
            break
        for name, edit in MEANWHILE.items():
            if edit is not None:
                hand(edit)
            began = time.monotonic()
            with kindred_serve(folder, slow_url(neo4j)):
                seconds[name].append(time.monotonic() - began)
            print(f"{name}: {seconds[name][-1]:.1f} s", flush=True)
    hand.close()
    return seconds


if __name__ == "__main__":
    for figure in measure():
        print(figure)
