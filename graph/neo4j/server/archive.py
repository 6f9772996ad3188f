"""The classes of a line's jars as a JVM wants them in memory, kept beside the jars: most of a start's time is saved.

An archive belongs to one JVM and one folder of jars, and is never relied upon. The JVM itself refuses one that was made
by another or of other jars, but dies of one that is cut short: so the file is used only where it is, byte by byte, what
was written.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, TypeAlias

from graph.errors import KindredError
from graph.neo4j.server.assembly import one_at_a_time

Use: TypeAlias = Literal["server", "tool"]
QUIET = ("-Xlog:cds=off", "-Xlog:cds+dynamic=off", "-Xlog:class+path=off")
"""A JVM that does not take an archive says so, and goes on without."""


def archive_options(java: Path, jars: Path, use: Use) -> list[str]:
    """What makes the JVM read its classes from the archive; nothing where there is none that is whole."""
    file = _file(java, jars, use)
    if _is_whole(file):
        return [f"-XX:SharedArchiveFile={file}", *QUIET]
    if _is_as_left(file):  # torn, though its size and time are those of a whole one: to be made again
        with suppress(OSError):
            _seen(file).unlink()
    return []


def is_archived(java: Path, jars: Path, use: Use) -> bool:
    """Whether there is nothing to make: the archive is as it was when it was whole, or this JVM has none to give."""
    file = _file(java, jars, use)
    mark = _mark(file)
    if _is_as_left(file) or (mark.is_file() and not mark.read_text()):
        return True
    whole = _is_whole(file)
    if whole:
        with suppress(OSError):
            _seen(file).write_text(_state(file))
    return whole


def make_archive(java: Path, jars: Path, use: Use, run: Callable[[list[str]], object]) -> None:
    """Nothing; the archive is there, or it could not be made, which costs time at every start and nothing else.

    ``run`` does with the options it is given what later runs will do, and returns when the JVM has ended.
    """
    file = _file(java, jars, use)
    with suppress(OSError):  # a folder of jars that somebody else keeps
        file.parent.mkdir(parents=True, exist_ok=True)
        with one_at_a_time(file.parent):
            if is_archived(java, jars, use):
                return
            for old in file.parent.glob(f"{_stem(java, use)}-*"):
                old.unlink()
            with TemporaryDirectory(dir=file.parent, prefix="unfinished-") as folder:
                fresh = Path(folder) / file.name
                try:
                    run([f"-XX:ArchiveClassesAtExit={fresh}", *QUIET])
                except (KindredError, subprocess.SubprocessError):
                    return  # whoever starts the real one hears the reason
                if fresh.is_file():
                    _mark(file).write_text(_digest(fresh))
                    _seen(file).write_text(_state(fresh))
                    fresh.replace(file)
                else:
                    _mark(file).touch()


def _file(java: Path, jars: Path, use: Use) -> Path:
    real = java.resolve()
    machine = real.parent.parent / "lib" / "server" / "libjvm.so"
    made_by = [str(jars.absolute())]
    for part in (real, machine):
        with suppress(OSError):
            found = part.stat()
            made_by += [str(part), str(found.st_size), str(found.st_mtime_ns)]
    return jars.parent / f"classes-{jars.name}" / f"{_stem(java, use)}-{_short(made_by)}.jsa"


def _stem(java: Path, use: Use) -> str:
    """The part of the name that outlasts an update of the JDK."""
    return f"{use}-{_short([str(java.resolve())])}"


def _short(parts: list[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _mark(file: Path) -> Path:
    """The file with the archive's digest; empty where the JVM wrote no archive."""
    return file.with_suffix(".sha256")


def _seen(file: Path) -> Path:
    """The file with the archive's size and time when it was last found whole."""
    return file.with_suffix(".seen")


def _state(file: Path) -> str:
    found = file.stat()
    return f"{found.st_size} {found.st_mtime_ns}"


def _is_whole(file: Path) -> bool:
    """Whether the JVM may have it: its content is what was written."""
    try:
        state = file.stat()
        return _digest_as_of(file, state.st_size, state.st_mtime_ns) == _mark(file).read_text()
    except OSError:
        return False


def _is_as_left(file: Path) -> bool:
    """Whether size and time are those of the whole one, which takes no reading."""
    try:
        return _seen(file).read_text() == _state(file)
    except OSError:
        return False


@lru_cache(maxsize=8)
def _digest_as_of(file: Path, size: int, changed_ns: int) -> str:
    """The digest of a file in this state: a start asks several times, and it is a tenth of a second each time."""
    return _digest(file)


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
