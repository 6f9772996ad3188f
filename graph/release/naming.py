"""Names: of releases, and of what is inside one."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime

from graph.errors import ReleaseError

FORMAT = "kindred-release/1"
MANIFEST = "manifest.json"
SNAPSHOT = "snapshot"
_RELEASE_ID = re.compile(r"(\d{8}T\d{6}Z)-([0-9a-f]{16})\Z")
_STAMP = "%Y%m%dT%H%M%SZ"
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*\Z")
_MAX_NAME = 150


def release_id(manifest: bytes, now: datetime) -> str:
    """The time in UTC, then the first 16 hex digits of the manifest's sha256: the name pins the content."""
    return f"{now.astimezone(UTC).strftime(_STAMP)}-{fingerprint(manifest)}"


def fingerprint(manifest: bytes) -> str:
    return hashlib.sha256(manifest).hexdigest()[:16]


def parse_release_id(name: str) -> tuple[datetime, str]:
    """The time and the manifest fingerprint in a release id; :class:`~graph.errors.ReleaseError` for another name."""
    match = _RELEASE_ID.match(name)
    try:
        if match:
            return datetime.strptime(match[1], _STAMP).replace(tzinfo=UTC), match[2]
    except ValueError:
        pass
    raise ReleaseError(
        "not a release id",
        expected="a time and 16 hex digits, e.g. 20261122T101500Z-0123456789abcdef",
        got=name,
        remedy="Run kindred release list.",
    )


def is_release_id(name: str) -> bool:
    try:
        parse_release_id(name)
    except ReleaseError:
        return False
    return True


def array_file(name: str) -> str:
    return f"arrays/{_checked(name)}.npy"


def document_file(name: str) -> str:
    return f"documents/{_checked(name)}.json"


def _checked(name: str) -> str:
    if len(name) > _MAX_NAME or not _PART.match(name):
        raise ReleaseError(
            "a name that a release cannot hold",
            expected=f"letters, digits, _ . - in parts joined by /, at most {_MAX_NAME} characters",
            got=name,
        )
    return name
