"""Waiting until a starting server lets its user in, and the first log-in that gives it its password."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence

from graph.errors import StoreError, StoreUnavailable
from graph.neo4j.server.connection import DATABASE, Connection

FACTORY_PASSWORD = "neo4j"  # noqa: S105 - what every new server has
UNAUTHORIZED = "Neo.ClientError.Security.Unauthorized"


def log_in(connection: Connection, *, new: bool, alive: Callable[[], bool], limit_s: float) -> None:
    """Nothing; the server answers over Bolt and HTTP, and its password is the connection's.

    ``new`` says that the server has no data yet, so its password is the factory's. A wrong guess costs an
    attempt and the server allows three, so the likely password is tried first.

    Raises:
        StoreError: when the server's password is neither.
        StoreUnavailable: when it does not answer within ``limit_s``, or is no longer ``alive``.
    """
    from neo4j.exceptions import DriverError, Neo4jError

    ends = time.monotonic() + limit_s
    ways = [enter, _take_over] if not new else [_take_over, enter]
    while True:
        try:
            if _listens(connection) and _any_way(ways, connection):
                return
        except (DriverError, Neo4jError, OSError) as error:
            last = f"{type(error).__name__}: {error}"
        else:
            last = "nobody listens"
        if not alive():
            raise StoreUnavailable("the Neo4j server ended while starting")
        if time.monotonic() > ends:
            raise StoreUnavailable(
                f"the Neo4j server did not answer within {limit_s:g} s", got=last, where=connection.uri
            )
        time.sleep(0.1)


def _any_way(ways: Sequence[Callable[[Connection], bool]], connection: Connection) -> bool:
    if any(way(connection) for way in ways):
        return True
    raise StoreError(
        "the Neo4j server refuses the password",
        where=connection.uri,
        remedy="Put the server's password into connection.json, or start with another --home.",
    )


def enter(connection: Connection, query: str = "RETURN 1") -> bool:
    """Whether the server let its user in; the query has run."""
    return _run(connection, connection.password, DATABASE, query, {})


def _take_over(connection: Connection) -> bool:
    query = "ALTER CURRENT USER SET PASSWORD FROM $old TO $new"
    passwords = {"old": FACTORY_PASSWORD, "new": connection.password}
    return _run(connection, FACTORY_PASSWORD, "system", query, passwords) and enter(connection)


def _run(connection: Connection, password: str, database: str, query: str, parameters: dict[str, str]) -> bool:
    """Whether the password was right."""
    from neo4j import GraphDatabase
    from neo4j.exceptions import AuthError

    address = f"bolt://127.0.0.1:{connection.bolt_port}"
    try:
        with (
            GraphDatabase.driver(address, auth=(connection.user, password), connection_timeout=5) as driver,
            driver.session(database=database) as session,
        ):
            session.run(query, parameters).consume()
    except AuthError as error:
        if error.code == UNAUTHORIZED:
            return False
        raise
    return True


def _listens(connection: Connection) -> bool:
    """Whether both ports are open; the driver would log a refused one, and wait."""
    for port in (connection.bolt_port, connection.http_port):
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)):
                return False
    return True
