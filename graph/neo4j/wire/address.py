"""Where a server is and how to log in: from the URL, the environment, or the file a local server left."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from graph.errors import KindredError, SettingsError
from graph.neo4j.cypher.names import checked_graph_name
from graph.neo4j.server.connection import Connection, read_connection

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_EXAMPLE = "neo4j://neo4j@127.0.0.1:7687/neo4j"


@dataclass(frozen=True, slots=True)
class Address:
    """A server and database; the password is in no text made from it."""

    uri: str
    """Scheme, host and port: what the driver is given."""
    user: str
    password: str = field(repr=False)
    database: str
    graph: str = ""
    timeout_s: float = 5.0

    @property
    def url(self) -> str:
        """The address as it may be shown."""
        return f"{self.uri}/{self.database}" + (f"?graph={self.graph}" if self.graph else "")


def parsed_address(url: str, environment: Mapping[str, str] = os.environ) -> Address:
    """The address that ``neo4j://user:password@host:port/database?graph=name&timeout_s=5`` stands for.

    A password that the URL does not hold is looked for in ``KINDRED_NEO4J_PASSWORD``, then in ``connection.json`` of
    the local server in ``KINDRED_NEO4J_HOME`` (``var/neo4j``), when that is the one at this host and port.

    Raises:
        SettingsError: when the URL cannot be used, or there is no password; its text holds no secret.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        options = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
        timeout_s = float(options.pop("timeout_s", "5"))
    except ValueError:
        raise _unusable("a host, and numbers where numbers belong") from None
    if not host or parts.fragment or not 0 < timeout_s < 3600:
        raise _unusable("a host")
    graph = options.pop("graph", "")
    if options:
        raise _unusable("graph and timeout_s as the only options")
    if graph:
        checked_graph_name(graph)
    host = f"[{host}]" if ":" in host else host
    uri = f"{parts.scheme}://{host}:{port or 7687}"
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    local = local_connection(Path(environment.get("KINDRED_NEO4J_HOME") or "var/neo4j"), uri)
    user = user or (local.user if local else "neo4j")
    password = password or environment.get("KINDRED_NEO4J_PASSWORD", "") or (local.password if local else "")
    if not password:
        raise SettingsError(
            "there is no password for the graph database",
            where=uri,
            remedy="Set KINDRED_NEO4J_PASSWORD, or start a local server with make neo4j.",
        )
    return Address(uri, user, password, parts.path.strip("/") or "neo4j", graph, timeout_s)


def local_connection(home: Path, uri: str) -> Connection | None:
    """How to log in to the server of the home, when it is the one at the address."""
    try:
        found = read_connection(home)
    except KindredError:
        return None
    known, asked = urlsplit(found.uri), urlsplit(uri)
    same_host = known.hostname == asked.hostname or {known.hostname, asked.hostname} <= _LOOPBACK
    return found if same_host and found.bolt_port == asked.port else None


def _unusable(expected: str) -> SettingsError:
    return SettingsError(
        "the graph database's URL cannot be used",
        expected=expected,
        remedy=f"Set KINDRED_STORE, e.g. {_EXAMPLE}, and the password in KINDRED_NEO4J_PASSWORD.",
    )
