"""Starting, stopping and looking at a server: everything it has lies in its home."""

from __future__ import annotations

import fcntl
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from graph.errors import Conflict, NotFound, SettingsError, StoreUnavailable
from graph.neo4j.server.archive import archive_options
from graph.neo4j.server.assembly import assemble, jar_cache
from graph.neo4j.server.conf import DEFAULT_API, GUIDE, common_settings, home_settings, read_conf, written_conf
from graph.neo4j.server.connection import Connection, read_connection, write_connection
from graph.neo4j.server.java import find_java
from graph.neo4j.server.lines import LINES, Line
from graph.neo4j.server.login import log_in
from graph.neo4j.server.process import end, launch, prepare, remember, running_pid, server_command
from graph.neo4j.server.training import make_archives

START_LIMIT_S = 180.0


@dataclass(frozen=True, slots=True)
class ServerOrder:
    """What is asked of :func:`start`; a port that is not given is the one of the last start, or the usual one."""

    home: Path
    line: Line
    bolt_port: int | None = None
    http_port: int | None = None
    api: str = DEFAULT_API
    heap: str | None = None
    page_cache: str | None = None
    upgrade: bool = False


@dataclass(frozen=True, slots=True)
class Status:
    """A home's server: its connection, its version, and its process id while it runs."""

    connection: Connection
    version: str
    pid: int | None


def start(order: ServerOrder, say: Callable[[str], None]) -> Status:
    """A running server that lets its user in; one that already runs is left as it is.

    Raises:
        MissingExtra: without a fitting JDK, or without Maven when the jars are not there yet.
        SettingsError: when a port is taken, or the home holds another line's data.
        StoreUnavailable: when the server does not come up.
    """
    home = order.home.absolute()
    prepare(home)
    with _alone(home):
        if running_pid(home) is not None:
            return _as_it_runs(home, order)
        _check_line(home, order)
        connection = _connection(home, order)
        _check_ports(connection)
        java = find_java(order.line.java)
        jars = assemble(order.line, jar_cache(), say)
        make_archives(order.line, java, jars, say)
        new = not (home / "data" / "databases" / "system").exists()
        _check_readable_password(home, new)
        write_connection(home, connection)
        (home / "version").write_text(order.line.version + "\n")
        settings = _settings(home, order, connection)
        (home / "conf" / "neo4j.conf").write_text(written_conf(settings))
        say(f"starting Neo4j {order.line.version} on {java}")
        options = archive_options(java, jars, "server")
        command = server_command(java, jars, home, order.line, settings, options)
        remember(home, launch(command, home / "logs" / "console.log"))
        try:
            log_in(connection, new=new, alive=lambda: running_pid(home) is not None, limit_s=START_LIMIT_S)
        except BaseException as error:
            end(home)
            if isinstance(error, StoreUnavailable):
                raise _explained(error, home) from error
            raise
    return status(home)


def stop(home: Path) -> bool:
    """Whether a server ran; it does not any more."""
    return end(home.absolute())


def status(home: Path) -> Status:
    """What is known of a home's server; :class:`NotFound` when none was ever started there."""
    home = home.absolute()
    connection = read_connection(home)
    return Status(connection, _version(home) or "unknown", running_pid(home))


def line_of_home(home: Path) -> Line:
    """The line whose data a home holds; :class:`NotFound` when none was ever started there."""
    held = _version(home)
    for line in LINES.values():
        if line.version == held:
            return line
    raise NotFound("no Neo4j server here", got=held, where=str(home), remedy="`kindred neo4j start` makes one.")


def order_as_last_started(home: Path) -> ServerOrder:
    """What :func:`start` was asked for the last time, so that it can be asked for it again."""
    common = common_settings()
    file = home / "conf" / "neo4j.conf"
    written = read_conf(file.read_text()) if file.exists() else common

    def chosen(name: str) -> str | None:
        value = written.get(name)
        return None if value == common[name] else value

    api = written.get("browser.post_connect_cmd", "").removeprefix("play ").removesuffix(GUIDE)
    return ServerOrder(
        home,
        line_of_home(home),
        api=api or DEFAULT_API,
        heap=chosen("server.memory.heap.max_size"),
        page_cache=chosen("server.memory.pagecache.size"),
    )


@contextmanager
def while_stopped(home: Path) -> Iterator[None]:
    """Nobody starts the home's server meanwhile; :class:`Conflict` when it runs."""
    if not home.is_dir():
        raise NotFound("no Neo4j server here", where=str(home), remedy="`kindred neo4j start` makes one.")
    (home / "run").mkdir(exist_ok=True)
    with _alone(home):
        if running_pid(home) is not None:
            raise Conflict("the server runs", where=str(home), remedy="Stop it first: kindred neo4j stop.")
        yield


def _as_it_runs(home: Path, order: ServerOrder) -> Status:
    found = status(home)
    asked = {"--line": order.line.version, "--bolt-port": order.bolt_port, "--http-port": order.http_port}
    has = {
        "--line": found.version,
        "--bolt-port": found.connection.bolt_port,
        "--http-port": found.connection.http_port,
    }
    for option, value in asked.items():
        if value is not None and value != has[option]:
            raise SettingsError(
                "the server already runs otherwise",
                expected=f"{option} {value}",
                got=has[option],
                where=str(home),
                remedy="Stop it first (kindred neo4j stop), or choose another --home.",
            )
    log_in(found.connection, new=False, alive=lambda: running_pid(home) is not None, limit_s=START_LIMIT_S)
    return found


def _version(home: Path) -> str | None:
    try:
        return (home / "version").read_text().strip()
    except OSError:
        return None


def _check_line(home: Path, order: ServerOrder) -> None:
    """Nothing; a newer line would rewrite the data for good, an older one cannot read it."""
    held = _version(home)
    versions = [line.version for line in LINES.values()]
    if held is None or held == order.line.version or (held not in versions):
        return
    newer = versions.index(order.line.version) > versions.index(held)
    if newer and order.upgrade:
        return
    remedy = f"Start it with --line {_line_of(held)}, or choose another --home"
    if newer:
        remedy += ", or dump it and start once with --upgrade, which cannot be undone"
    raise SettingsError(
        "the home holds the data of another line of Neo4j",
        expected=order.line.version,
        got=held,
        where=str(home),
        remedy=remedy + " (docs/neo4j.md).",
    )


def _line_of(version: str) -> str:
    return next(name for name, line in LINES.items() if line.version == version)


def _connection(home: Path, order: ServerOrder) -> Connection:
    try:
        before = read_connection(home)
    except NotFound:
        before = Connection("neo4j://127.0.0.1:7687", "neo4j", secrets.token_urlsafe(24), "http://127.0.0.1:7474")
    bolt, http = order.bolt_port or before.bolt_port, order.http_port or before.http_port
    return Connection(f"neo4j://127.0.0.1:{bolt}", before.user, before.password, f"http://127.0.0.1:{http}")


def _check_readable_password(home: Path, new: bool) -> None:
    if not new and not (home / "connection.json").exists():
        raise StoreUnavailable(
            "the home has data, and no connection.json with its password",
            where=str(home),
            remedy="Put connection.json back, or choose another --home.",
        )


def _check_ports(connection: Connection) -> None:
    for option, port in (("--bolt-port", connection.bolt_port), ("--http-port", connection.http_port)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                raise SettingsError(
                    f"port {port} is taken",
                    got=error.strerror,
                    remedy=f"Stop what listens there, or choose another with {option}.",
                ) from error


def _settings(home: Path, order: ServerOrder, connection: Connection) -> dict[str, str]:
    settings = common_settings(order.api) | home_settings(home, connection.bolt_port, connection.http_port)
    if order.heap is not None:
        settings |= {"server.memory.heap.initial_size": order.heap, "server.memory.heap.max_size": order.heap}
    if order.page_cache is not None:
        settings["server.memory.pagecache.size"] = order.page_cache
    return settings


def _explained(error: StoreUnavailable, home: Path) -> StoreUnavailable:
    """The error with the reason that the server's log gives."""
    lines = [text for name in ("console.log", "neo4j.log") for text in _tail(home / "logs" / name)]
    reasons = [text for text in lines if "ERROR" in text or "Exception" in text or "Error" in text]
    return StoreUnavailable(
        error.what, got=[error.got, *lines, *reasons][-1], where=str(home / "logs"), remedy=error.remedy
    )


def _tail(path: Path, lines: int = 40) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()[-lines:]
    except OSError:
        return []


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Two starts of one home take turns: the second finds a running server."""
    with (home / "run" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
