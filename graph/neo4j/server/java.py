"""Where a JDK and Maven are on this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from graph.errors import MissingExtra

USUAL_FOLDERS = (
    "/usr/lib/jvm/*",
    "/opt/*",
    "/opt/java/*",
    "/usr/local/*",
    "/Library/Java/JavaVirtualMachines/*/Contents/Home",
    "/opt/homebrew/opt/openjdk*",
    "~/.sdkman/candidates/java/*",
    "~/.jdks/*",
)
"""Folders that hold a JDK's home, on Debian, in images, on macOS and under the usual installers."""


def find_java(oldest: int) -> Path:
    """The ``java`` of ``JAVA_HOME`` where that is new enough, otherwise of the oldest JDK that is.

    The oldest, because a server is tested longest on the JDK it was made for.

    Raises:
        MissingExtra: when there is none, with the command that installs one.
    """
    chosen = Path(os.environ.get("JAVA_HOME") or os.devnull) / "bin" / "java"
    if (_version(chosen) or 0) >= oldest:
        return chosen
    versions = {path: version for path in _candidates() if (version := _version(path)) is not None}
    fitting = [path for path, version in versions.items() if version >= oldest]
    if fitting:
        return min(fitting, key=lambda path: versions[path])
    found = ", ".join(f"{version} in {path}" for path, version in versions.items())
    raise MissingExtra(
        f"Neo4j needs a JDK {oldest} or newer",
        got=found or "no java at all",
        remedy=f"On Debian or Ubuntu: sudo apt-get install openjdk-{oldest}-jre-headless; or set JAVA_HOME.",
    )


def find_maven() -> Path:
    """The ``mvn`` on the path.

    Raises:
        MissingExtra: when there is none, with the command that installs it.
    """
    found = shutil.which("mvn")
    if found is None:
        raise MissingExtra(
            "Neo4j is assembled by Maven, and there is no mvn on the path",
            remedy="On Debian or Ubuntu: sudo apt-get install maven.",
        )
    return Path(found)


def _candidates() -> Iterator[Path]:
    """Every ``java`` there may be, each once, the one on the path first."""
    seen: set[Path] = set()
    for path in _places():
        if path.is_file() and (real := path.resolve()) not in seen:
            seen.add(real)
            yield path


def _places() -> Iterator[Path]:
    if on_path := shutil.which("java"):
        yield Path(on_path)
    for pattern in USUAL_FOLDERS:
        for home in sorted(Path("/").glob(str(Path(pattern).expanduser()).lstrip("/"))):
            yield home / "bin" / "java"


def _version(java: Path) -> int | None:
    """The feature version (17, 21, …) that a ``java`` prints; nothing when it does not run."""
    try:
        return _version_as_of(java, java.stat().st_mtime_ns)
    except (OSError, subprocess.SubprocessError):
        return None


@lru_cache(maxsize=64)
def _version_as_of(java: Path, changed_ns: int) -> int | None:
    """Asked once while the file is the same: a first import needs it four times, and each JDK takes 0.05 s."""
    shown = subprocess.run(  # noqa: S603
        [str(java), "-version"], capture_output=True, text=True, timeout=20, check=True
    )
    found = re.search(r'version "(?:1\.)?(\d+)', shown.stderr + shown.stdout)
    return int(found[1]) if found else None
