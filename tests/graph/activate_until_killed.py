"""Kills a process that swaps releases, again and again, and looks at what is left each time.

Usage: ``python -m tests.graph.activate_until_killed ROOT ROUNDS``; the outcome is printed as JSON.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from itertools import cycle
from pathlib import Path

from graph.release import activate, current_release, list_releases, rollback


def swap_for_ever(root: Path, first: int, ready: int) -> None:
    """Activates release after release, rolling back now and then, until killed."""
    ids = sorted(info.id for info in list_releases(root))
    ids = ids[first % len(ids) :] + ids[: first % len(ids)]
    os.write(ready, b".")
    for number, release_id in enumerate(cycle(ids)):
        activate(root, release_id)
        if number % 3 == 0:
            rollback(root)


def main(root: Path, rounds: int) -> dict[str, object]:
    chance = random.Random(3)
    known = {info.id for info in list_releases(root)}
    seen: list[str] = []
    for number in range(rounds):
        ready, signalled = os.pipe()
        child = os.fork()
        if child == 0:
            swap_for_ever(root, number, signalled)
        os.read(ready, 1)
        time.sleep(chance.random() * 0.06)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WTERMSIG(status) == signal.SIGKILL
        os.close(ready)
        os.close(signalled)
        seen.append(current_release(root).id)
    for release_id in sorted(known):
        activate(root, release_id)
    return {"rounds": len(seen), "all_known": set(seen) <= known, "different": len(set(seen)), "back": rollback(root)}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]))))
