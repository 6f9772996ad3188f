"""Erased persons: what stands in the graph for an id that nobody may read any more.

A store keeps that a node is gone, because snapshots taken before still hold it and must learn of it. It keeps that
under a pseudonym, a salted hash: whoever holds the id can recognise it, nobody can read the id from it.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from graph.files import replace_file

_PREFIX = "erased:"
_SALT_BYTES, _DIGEST_BYTES = 8, 16
ERASED = "ERASED"
"""The file beside the releases that says who was erased since they were written."""


def pseudonym(node_id: str, salt: bytes | None = None) -> str:
    """A name for an erased id; each call without a salt gives another."""
    salt = secrets.token_bytes(_SALT_BYTES) if salt is None else salt
    digest = hashlib.blake2b(node_id.encode(), key=salt, digest_size=_DIGEST_BYTES).hexdigest()
    return f"{_PREFIX}{salt.hex()}:{digest}"


def is_pseudonym(name: str) -> bool:
    """Whether a name is of the form that :func:`pseudonym` gives."""
    salt, _, digest = name.removeprefix(_PREFIX).partition(":")
    return name.startswith(_PREFIX) and len(salt) == 2 * _SALT_BYTES and len(digest) == 2 * _DIGEST_BYTES


def named_by(name: str, node_ids: Iterable[str]) -> int | None:
    """The place of the id that a pseudonym stands for, among ``node_ids``."""
    try:
        salt = bytes.fromhex(name.removeprefix(_PREFIX).partition(":")[0])
    except ValueError:
        return None
    return next((place for place, node_id in enumerate(node_ids) if pseudonym(node_id, salt) == name), None)


@dataclass(frozen=True)
class ErasureList:
    """Who was erased while releases that hold them were kept, as a file of one salt and many digests."""

    path: Path

    @classmethod
    def beside(cls, releases: Path) -> ErasureList:
        """The list of a folder of releases."""
        return cls(Path(releases) / ERASED)

    def add(self, node_id: str) -> None:
        """Takes an id down, durably, in a form in which it cannot be read."""
        salt, names = self._read()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._write(salt, {*names, pseudonym(node_id, salt)})

    def hold(self, node_ids: Iterable[str]) -> bool:
        """Whether any of these ids was erased."""
        salt, names = self._read()
        return bool(names) and any(pseudonym(node_id, salt) in names for node_id in node_ids)

    def clear(self) -> None:
        """Forgets all; for when no release holds any of them."""
        self.path.unlink(missing_ok=True)

    def _read(self) -> tuple[bytes, set[str]]:
        if not self.path.is_file():
            return secrets.token_bytes(_SALT_BYTES), set()
        document = json.loads(self.path.read_text())
        return bytes.fromhex(document["salt"]), set(document["names"])

    def _write(self, salt: bytes, names: set[str]) -> None:
        replace_file(self.path, json.dumps({"salt": salt.hex(), "names": sorted(names)}).encode())
