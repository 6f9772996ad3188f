"""A real Neo4j Community server without Docker, assembled from Maven artifacts, one folder a server."""

from __future__ import annotations

from graph.neo4j.server.assembly import assemble
from graph.neo4j.server.backup import admin, dump, load_dump
from graph.neo4j.server.connection import Connection, read_connection
from graph.neo4j.server.lines import LINES, Line, line_named
from graph.neo4j.server.serving import ServerOrder, Status, start, status, stop

__all__ = [
    "LINES",
    "Connection",
    "Line",
    "ServerOrder",
    "Status",
    "admin",
    "assemble",
    "dump",
    "line_named",
    "load_dump",
    "read_connection",
    "start",
    "status",
    "stop",
]
