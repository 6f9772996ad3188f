"""Opening a release: the manifest against the directory's name, every file against the manifest, then parsing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy.typing as npt

from graph.errors import NotFound, ReleaseError
from graph.release.naming import FORMAT, MANIFEST, SNAPSHOT, document_file, fingerprint, parse_release_id
from graph.snapshot import Snapshot, open_snapshot
from graph.snapshot.mapped import FileEntry, MappedFiles, parse_entries, read_whole

_MAX_MANIFEST_BYTES = 64 << 20
_FIELDS = {"format", "created_at", "files"}


def open_release(path: Path) -> Release:
    """The release in directory ``path``, verified.

    Nothing is parsed before its sha256 is known to be right: the manifest's is in the directory's name, every
    other file's is in the manifest. Missing, extra and linked files are refused too.

    Raises:
        NotFound: when there is no such directory.
        ReleaseError: when anything in it is not as it was written.
    """
    path = Path(path)
    created_at, entries = _read_manifest(path)
    return Release(path.name, path, created_at, MappedFiles(path, entries, verify=True))


def release_document(path: Path, name: str) -> Any:
    """One JSON document of the release in ``path``; only it and the manifest are verified. For lists of releases.

    Raises:
        NotFound: when there is no such release or document.
        ReleaseError: when the manifest or the document is not as it was written.
    """
    path = Path(path)
    _, entries = _read_manifest(path)
    file = document_file(name)
    if file not in entries:
        raise NotFound("no such document", got=name, where=path.name)
    return json.loads(MappedFiles(path, {file: entries[file]}, verify=True, alone=False).content(file))


def _read_manifest(path: Path) -> tuple[datetime, dict[str, FileEntry]]:
    if not path.is_dir():
        raise NotFound("no such release", got=path.name, where=str(path.parent), remedy="Run kindred release list.")
    _, expected = parse_release_id(path.name)
    content = read_whole(path / MANIFEST, _MAX_MANIFEST_BYTES)
    if fingerprint(content) != expected:
        raise ReleaseError(
            "the manifest is not the one this release was named after",
            expected=expected,
            got=fingerprint(content),
            where=str(path),
            remedy="Go back to another release, or build it again.",
        )
    document = json.loads(content)
    if document.keys() != _FIELDS or document["format"] != FORMAT:
        raise ReleaseError(
            "another release format",
            expected=FORMAT,
            got=document.get("format"),
            where=str(path),
            remedy="Train again.",
        )
    return datetime.fromisoformat(document["created_at"]), parse_entries(document["files"], str(path))


@dataclass(frozen=True, eq=False)
class Release:
    """A verified release, its arrays mapped into memory."""

    id: str
    directory: Path
    created_at: datetime
    _files: MappedFiles

    @cached_property
    def snapshot(self) -> Snapshot:
        """The graph this release was made of."""
        return open_snapshot(self.directory / SNAPSHOT)

    @property
    def size_bytes(self) -> int:
        return sum(entry.bytes for entry in self._files.entries.values())

    @property
    def files(self) -> Mapping[str, str]:
        """sha256 of every file by name."""
        return {name: entry.sha256 for name, entry in self._files.entries.items()}

    def arrays(self, prefix: str = "") -> dict[str, npt.NDArray[Any]]:
        """Read-only arrays whose names start with ``prefix``, by their full names."""
        start = f"arrays/{prefix}"
        names = [name for name in self._files.entries if name.startswith(start)]
        return {name.removeprefix("arrays/").removesuffix(".npy"): self._files.array(name) for name in names}

    def document(self, name: str) -> Any:
        """A JSON document; :class:`~graph.errors.NotFound` when the release has none of this name."""
        file = document_file(name)
        if file not in self._files:
            raise NotFound("no such document", expected="one of " + ", ".join(self.documents), got=name, where=self.id)
        return json.loads(self._files.content(file))

    @property
    def documents(self) -> list[str]:
        """Names of the JSON documents, sorted."""
        names = sorted(name for name in self._files.entries if name.startswith("documents/"))
        return [name.removeprefix("documents/").removesuffix(".json") for name in names]
