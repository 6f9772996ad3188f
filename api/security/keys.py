"""API keys: made once, kept hashed, rotated with a time of grace."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from api.security.scopes import Scope
from graph.errors import InputError, NotFound, SettingsError
from graph.files import one_writer, replace_file

PREFIX = "kindred"
_LOOK_AGAIN_S = 1.0
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
"""Argon2id with the parameters OWASP's password storage cheat sheet names as the minimum; secrets here are random."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key as it is kept: everything but the secret. Times are seconds since 1970."""

    key_id: str
    name: str
    scopes: frozenset[Scope]
    secret_hash: str
    created_s: int
    expires_s: int | None = None
    replaced_by: str | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"scopes": sorted(self.scopes)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> ApiKey:
        return cls(**{**document, "scopes": frozenset(Scope(name) for name in document["scopes"])})

    def is_live(self, now_s: float) -> bool:
        return self.expires_s is None or now_s < self.expires_s


class KeyFile:
    """The keys of one deployment, in a file that only its owner reads. Safe to use from several threads.

    A key reads ``kindred_KEYID_SECRET``. Checking one costs an argon2 hash the first time (some 30 ms); afterwards
    this process knows its SHA-256 until the file changes. Changes by the command are seen within a second.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: dict[str, ApiKey] = {}
        self._checked: dict[bytes, str] = {}
        self._looked_at = float("-inf")
        self._stamp: tuple[int, int, int] | None = None

    def create(self, name: str, scopes: frozenset[Scope], *, lifetime_s: int | None = None) -> tuple[ApiKey, str]:
        """A new key and its full text, which is shown this once and kept nowhere."""
        if not name.strip():
            raise InputError("a key needs a name", remedy="Name it after who uses it, e.g. --name storefront.")
        now = int(self._clock())
        secret = secrets.token_urlsafe(32)
        expires = None if lifetime_s is None else now + lifetime_s
        key = ApiKey(secrets.token_hex(6), name, scopes, _HASHER.hash(secret), now, expires)
        with one_writer(self._path.parent):
            self._write({**self._read(), key.key_id: key})
        return key, f"{PREFIX}_{key.key_id}_{secret}"

    def rotate(self, key_id: str, *, grace_s: int) -> tuple[ApiKey, str]:
        """A new key with the name and scopes of an old one, which goes on for ``grace_s`` seconds."""
        old = self._named(key_id)
        key, text = self.create(old.name, old.scopes)
        ends = int(self._clock()) + grace_s
        with one_writer(self._path.parent):
            keys = self._read()
            expires = ends if old.expires_s is None else min(ends, old.expires_s)
            keys[key_id] = replace(old, expires_s=expires, replaced_by=key.key_id)
            self._write(keys)
        return key, text

    def revoke(self, key_id: str) -> None:
        """The key is gone at once."""
        self._named(key_id)
        with one_writer(self._path.parent):
            self._write({other: key for other, key in self._read().items() if other != key_id})

    def list(self) -> list[ApiKey]:
        """Every key, oldest first."""
        return sorted(self._read().values(), key=lambda key: (key.created_s, key.key_id))

    def known(self, text: str) -> ApiKey | None:
        """The key, when this process has verified this text before; cheap."""
        self._look()
        key_id = self._checked.get(_digest(text))
        return None if key_id is None else self._live(key_id)

    def verify(self, text: str) -> ApiKey | None:
        """The key behind a text, or ``None`` for one that does not exist, has another secret or has expired."""
        found = self.known(text)
        prefix, _, rest = text.partition("_")
        key_id, _, secret = rest.partition("_")
        if found is not None or prefix != PREFIX or (key := self._live(key_id)) is None:
            return found
        try:
            _HASHER.verify(key.secret_hash, secret)
        except (VerificationError, InvalidHashError):
            return None
        with self._lock:
            if self._keys.get(key_id) == key:
                self._checked[_digest(text)] = key_id
        return key

    def _live(self, key_id: str) -> ApiKey | None:
        key = self._keys.get(key_id)
        return key if key is not None and key.is_live(self._clock()) else None

    def _named(self, key_id: str) -> ApiKey:
        keys = self._read()
        if key_id not in keys:
            raise NotFound("no such key", got=key_id, remedy="kindred keys list shows them.")
        return keys[key_id]

    def _look(self) -> None:
        """Reads the file again when it is another one than before; at most once a second."""
        now = time.monotonic()
        if now - self._looked_at < _LOOK_AGAIN_S:
            return
        with self._lock:
            self._looked_at = now
            stamp = _stamp_of(self._path)
            if stamp != self._stamp:
                self._keys, self._checked, self._stamp = self._read(), {}, stamp

    def _read(self) -> dict[str, ApiKey]:
        try:
            rows = json.loads(self._path.read_bytes())
            return {row["key_id"]: ApiKey.from_json(row) for row in rows}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SettingsError(
                "the file of API keys cannot be read",
                got=type(error).__name__,
                where=str(self._path),
                remedy="Restore it from a backup, or move it away and make new keys with kindred keys create.",
            ) from error

    def _write(self, keys: Mapping[str, ApiKey]) -> None:
        document = json.dumps([key.to_json() for key in keys.values()], indent=1).encode()
        replace_file(self._path, document, mode=0o600)


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


def _stamp_of(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
