"""Writing a release: everything into a temporary directory, listed, named by its manifest, renamed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from graph.errors import ReleaseError
from graph.files import building, publish_directory, save_array, sha256_of
from graph.release.naming import FORMAT, MANIFEST, SNAPSHOT, array_file, document_file, release_id
from graph.release.opening import Release, open_release
from graph.snapshot import open_snapshot
from graph.snapshot.mapped import FileEntry

JSON: TypeAlias = "Mapping[str, Any] | Sequence[Any] | str | int | float | bool | None"

_NUMBERS = "biuf"


def write_release(
    root: Path,
    *,
    snapshot: Path,
    arrays: Mapping[str, npt.NDArray[Any]],
    documents: Mapping[str, JSON],
    now: datetime,
    may_be_infinite: Collection[str] = (),
) -> Release:
    """A new release under ``root``, durable and verified, not yet current.

    The snapshot's files are hard-linked where the file system can, else copied. Array and document names may
    have parts, ``"lightgcn/item_embedding"``. ``may_be_infinite`` names the float arrays in which NaN and
    infinity mean something.

    Raises:
        ReleaseError: for a damaged snapshot, an array that is not numeric or not finite, a name that is not allowed.
        OSError: when the disk is full; nothing is left behind and other releases are as they were.
    """
    if now.tzinfo is None:
        raise ReleaseError("a release needs a time with a zone", expected="datetime.now(UTC)", got=now.isoformat())
    contents = {document_file(name): _json(name, document) for name, document in documents.items()}
    for name, array in arrays.items():
        array_file(name)
        _check_numbers(name, array, finite=name not in may_be_infinite)
    root = Path(root)
    with building(root) as temporary:
        entries = _take_snapshot(Path(snapshot), temporary)
        for name, array in arrays.items():
            entries[array_file(name)] = _write_array(temporary / array_file(name), array)
        for name, content in contents.items():
            entries[name] = _write_bytes(temporary / name, content)
        manifest = _json(
            MANIFEST,
            {
                "format": FORMAT,
                "created_at": now.isoformat(),
                "files": {name: entries[name].to_json() for name in sorted(entries)},
            },
        )
        _write_bytes(temporary / MANIFEST, manifest)
        final = root / release_id(manifest, now)
        if not final.exists():  # the same content at the same second is the same release
            publish_directory(temporary, final)
    return open_release(final)


def _take_snapshot(snapshot: Path, temporary: Path) -> dict[str, FileEntry]:
    with open_snapshot(snapshot, verify=True) as opened:
        names = [*opened.file_names, MANIFEST]
    entries: dict[str, FileEntry] = {}
    for name in names:
        target = temporary / SNAPSHOT / name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(snapshot / name, target)
        except OSError:  # another file system, or one without links
            shutil.copyfile(snapshot / name, target)
        entries[f"{SNAPSHOT}/{name}"] = FileEntry(target.stat().st_size, sha256_of(target))
    return entries


def _check_numbers(name: str, array: npt.NDArray[Any], *, finite: bool) -> None:
    if array.dtype.kind not in _NUMBERS:
        raise ReleaseError("a release holds numbers only", got=str(array.dtype), where=f"array {name}")
    if finite and array.dtype.kind == "f" and not bool(np.isfinite(array).all()):
        raise ReleaseError(
            "an array has a value that is not a finite number",
            where=f"array {name}",
            remedy="Train again with a lower learning rate, or name it in may_be_infinite if that is meant.",
        )


def _write_array(path: Path, array: npt.NDArray[Any]) -> FileEntry:
    path.parent.mkdir(parents=True, exist_ok=True)
    flat = np.ascontiguousarray(array).reshape(array.shape)
    save_array(path, flat)
    return FileEntry(path.stat().st_size, sha256_of(path), flat.dtype.str, flat.shape)


def _write_bytes(path: Path, content: bytes) -> FileEntry:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return FileEntry(len(content), sha256_of(path))


def _json(name: str, document: JSON) -> bytes:
    try:
        return json.dumps(document, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, TypeError) as error:
        raise ReleaseError("a document that JSON cannot hold", got=str(error), where=name) from error
