"""The server's process: started apart from this one, known by its home, ended by its id."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from graph.errors import StoreUnavailable
from graph.neo4j.server.lines import Line

FOLDERS = ("conf", "data", "logs", "run", "plugins", "import")
ADMIN_TOOL = "org.neo4j.cli.AdminTool"

STOP_LIMIT_S = 120.0
LAUNCH = '"$@" </dev/null >"$0" 2>&1 & echo $!'
"""A shell between us leaves no child behind: the server goes on when the command that started it ends."""

OPEN_MODULES = (
    "--enable-native-access=ALL-UNNAMED",
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
    "--add-opens=java.base/java.io=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
)
"""What server and admin tool reach into; on the newest JDK the tool's import stops without them."""
JVM_OPTIONS = (
    "-XX:+ExitOnOutOfMemoryError",
    "-Dlog4j2.disable.jmx=true",
    "-Dio.netty.tryReflectionSetAccessible=true",
    *OPEN_MODULES,
)

_LOOKS = 100
"""While a process turns into a program it has no command line; one of the kernel's never has."""
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_SMALL_HEAP = 4 << 30


def prepare(home: Path) -> None:
    """Nothing; the home has its folders."""
    for folder in FOLDERS:
        (home / folder).mkdir(parents=True, exist_ok=True)


def server_command(
    java: Path, jars: Path, home: Path, line: Line, settings: Mapping[str, str], jvm_options: Sequence[str] = ()
) -> list[str]:
    """The command that is the server of a home."""
    return [
        str(java),
        f"-Xms{settings['server.memory.heap.initial_size']}",
        f"-Xmx{settings['server.memory.heap.max_size']}",
        collector_option(settings["server.memory.heap.max_size"]),
        *JVM_OPTIONS,
        *jvm_options,
        "-cp",
        f"{jars}/*:{home}/plugins/*",
        line.main_class,
        f"--home-dir={home}",
        f"--config-dir={home / 'conf'}",
    ]


def collector_option(heap: str) -> str:
    """The garbage collector for a heap of this size: loads take less of the processor with the parallel one, whose
    pauses are long where there is much to look through.
    """
    size = re.fullmatch(r"(\d+)([kmg]?)", heap.lower())
    small = size is not None and int(size[1]) * _UNITS[size[2]] <= _SMALL_HEAP
    return "-XX:+UseParallelGC" if small else "-XX:+UseG1GC"


def admin_command(
    java: Path, jars: Path, home: Path, arguments: Sequence[str], jvm_options: Sequence[str] = ()
) -> tuple[list[str], dict[str, str]]:
    """The command that is the admin tool of a home, and the environment it runs in."""
    options = ["-Xmx1g", *OPEN_MODULES, *jvm_options]
    places = {"NEO4J_HOME": str(home), "NEO4J_CONF": str(home / "conf")}
    return [str(java), *options, "-cp", f"{jars}/*:{home}/plugins/*", ADMIN_TOOL, *arguments], os.environ | places


def launch(command: Sequence[str], log: Path) -> int:
    """The process id of the command, started in a session of its own; what it prints goes to ``log``."""
    started = subprocess.run(  # noqa: S603
        ["/bin/sh", "-c", LAUNCH, str(log), *command],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        check=True,
    )
    return int(started.stdout)


def remember(home: Path, pid: int) -> None:
    (home / "run" / "neo4j.pid").write_text(f"{pid}\n")


def running_pid(home: Path) -> int | None:
    """The process id of the home's server; nothing when it does not run.

    An id that another program has by now is nobody's: the command line must name the home.
    """
    try:
        pid = int((home / "run" / "neo4j.pid").read_text())
    except (OSError, ValueError):
        return None
    return pid if _serves(pid, home) else None


def end(home: Path) -> bool:
    """Whether a server ran; it does not any more.

    Raises:
        StoreUnavailable: when it does not end within two minutes.
    """
    pid = running_pid(home)
    if pid is None:
        return False
    os.kill(pid, signal.SIGTERM)
    os.kill(pid, signal.SIGCONT)  # a frozen process sees no other signal
    ends = time.monotonic() + STOP_LIMIT_S
    while _serves(pid, home):  # the server takes its file away before it ends
        if time.monotonic() > ends:
            raise StoreUnavailable(
                f"the Neo4j server did not end within {STOP_LIMIT_S:g} s",
                got=f"process {pid} still running",
                where=str(home),
                remedy=f"Look into {home / 'logs'}, then kill -9 {pid}: what was committed stays.",
            )
        time.sleep(0.05)
    (home / "run" / "neo4j.pid").unlink(missing_ok=True)
    return True


def _serves(pid: int, home: Path) -> bool:
    return f"--home-dir={home.absolute()}" in _arguments(pid)


def _arguments(pid: int) -> list[str]:
    """The command line of a process; empty when there is none, or it has ended and nobody has noticed yet."""
    entry = Path("/proc") / str(pid) / "cmdline"
    if Path("/proc/self/cmdline").exists():
        try:
            for _ in range(_LOOKS):
                if (line := entry.read_bytes()) or _has_ended(entry.parent):
                    break
                time.sleep(0.01)
        except OSError:
            return []
        return line.decode(errors="replace").split("\0")
    ps = shutil.which("ps")
    if ps is None:
        return []
    shown = subprocess.run([ps, "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True)  # noqa: S603
    return shown.stdout.split()


def _has_ended(process: Path) -> bool:
    stat = (process / "stat").read_text(errors="replace")
    return stat.rpartition(")")[2].split()[0] in ("Z", "X")
