"""Writes and swaps releases where there is no room left, and tells what happened.

Usage: ``python -m tests.graph.fill_the_disk ROOT SNAPSHOT disk|limit``; the outcome is printed as JSON. With ``disk``
ROOT lies on a small file system that is filled up; with ``limit`` the process may not write files beyond a size.
"""

from __future__ import annotations

import errno
import json
import resource
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from graph.release import activate, current_release, list_releases, write_release

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def no_room(root: Path, how: str) -> None:
    """Leave not one byte to write."""
    if how == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        return
    with (root / "filler").open("wb", buffering=0) as filler:
        block = 1 << 16
        while block:
            try:
                filler.write(b"\0" * block)
            except OSError:  # full at this block size
                block //= 2


def main(root: Path, snapshot: Path, how: str) -> dict[str, object]:
    def write(minute: int, size: int) -> str:
        arrays = {"x": np.random.default_rng(minute).random(size)}
        now = NOON + timedelta(minutes=minute)
        return write_release(root, snapshot=snapshot, arrays=arrays, documents={}, now=now).id

    good, other = write(1, 10), write(2, 10)
    activate(root, good)
    errors = []
    if how == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 18, resource.RLIM_INFINITY))
    try:
        write(3, 1 << 20)
    except OSError as error:
        errors.append(errno.errorcode[error.errno or 0])
    no_room(root, how)
    try:
        activate(root, other)
    except OSError as error:
        errors.append(errno.errorcode[error.errno or 0])
    live = current_release(root)
    return {
        "errors": errors,
        "live_is_good": live.id == good,
        "releases": len(list_releases(root)),
        "leftovers": sorted(path.name for path in root.iterdir() if path.name.startswith(".tmp-")),
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])))
