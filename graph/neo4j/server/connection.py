"""``connection.json``: where a home's server listens and who may enter."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

from graph.errors import NotFound, StoreError

FILE = "connection.json"
DATABASE = "neo4j"
"""The one database that Community has for its user's data."""


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach a server. The password is in no ``repr``."""

    uri: str
    user: str
    password: str = field(repr=False)
    http: str

    @property
    def bolt_port(self) -> int:
        return urlsplit(self.uri).port or 7687

    @property
    def http_port(self) -> int:
        return urlsplit(self.http).port or 7474

    def store_url(self, database: str = DATABASE) -> str:
        """The URL for ``KINDRED_STORE``, with the password in it."""
        scheme, _, address = self.uri.partition("://")
        return f"{scheme}://{quote(self.user, safe='')}:{quote(self.password, safe='')}@{address}/{database}"

    @property
    def browser(self) -> str:
        """The page of Neo4j Browser, with the server's address filled in."""
        address = self.uri.partition("://")[2]
        return f"{self.http}/browser/?dbms=neo4j://{quote(self.user, safe='')}@{address}&db={DATABASE}"


def read_connection(home: Path) -> Connection:
    """What ``connection.json`` of a home says.

    Raises:
        NotFound: when no server was ever started there.
        StoreError: when the file is not what ``kindred neo4j start`` writes.
    """
    path = home / FILE
    try:
        document = json.loads(path.read_text())
        return Connection(**{name: str(document[name]) for name in ("uri", "user", "password", "http")})
    except FileNotFoundError as error:
        raise NotFound("no Neo4j server here", where=str(path), remedy="`kindred neo4j start` makes one.") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            "the connection file cannot be read",
            expected='{"uri", "user", "password", "http"}',
            where=str(path),
            remedy="Put back what `kindred neo4j start` wrote, or start with another --home.",
        ) from error


def write_connection(home: Path, connection: Connection) -> None:
    """Nothing; the file is there, whole, and its owner's alone."""
    unfinished = home / f".{FILE}"
    unfinished.unlink(missing_ok=True)
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(json.dumps(asdict(connection), indent=1) + "\n")
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(home / FILE)
