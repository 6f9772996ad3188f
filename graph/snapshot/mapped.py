"""Files of a snapshot or release, mapped into memory and read without copying."""

from __future__ import annotations

import hashlib
import math
import mmap
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from graph.courtesy import stand_back
from graph.errors import ReleaseError

_REMEDY = "Build it again, or go back to an earlier one."
_MAX_NAME = 255


@dataclass(frozen=True, slots=True)
class FileEntry:
    """What a manifest says of one file; ``dtype`` and ``shape`` only for arrays."""

    bytes: int
    sha256: str
    dtype: str | None = None
    shape: tuple[int, ...] | None = None

    @classmethod
    def parse(cls, document: object, where: str) -> FileEntry:
        """The entry in a manifest; :class:`~graph.errors.ReleaseError` when it is not one."""
        if not isinstance(document, dict) or not {"bytes", "sha256"} <= document.keys():
            raise ReleaseError("a manifest entry is damaged", got=document, where=where, remedy=_REMEDY)
        size, digest = document["bytes"], document["sha256"]
        dtype, shape = document.get("dtype"), document.get("shape")
        sizes_fit = isinstance(size, int) and isinstance(digest, str) and len(digest) == 64
        array_fits = (dtype is None and shape is None) or (
            isinstance(dtype, str)
            and isinstance(shape, list)
            and all(isinstance(extent, int) and extent >= 0 for extent in shape)
        )
        if not sizes_fit or not array_fits or document.keys() - {"bytes", "sha256", "dtype", "shape"}:
            raise ReleaseError("a manifest entry is damaged", got=document, where=where, remedy=_REMEDY)
        return cls(size, digest, dtype, None if shape is None else tuple(shape))

    def to_json(self) -> dict[str, object]:
        document: dict[str, object] = {"bytes": self.bytes, "sha256": self.sha256}
        if self.dtype is not None and self.shape is not None:
            document |= {"dtype": self.dtype, "shape": list(self.shape)}
        return document


def parse_entries(document: object, where: str) -> dict[str, FileEntry]:
    """The ``files`` of a manifest; names that could lead outside the directory are refused."""
    if not isinstance(document, dict):
        raise ReleaseError("the manifest lists no files", got=document, where=where, remedy=_REMEDY)
    for name in document:
        path = PurePosixPath(name)
        plain = len(name) <= _MAX_NAME and name.isascii() and "\\" not in name and "\0" not in name
        if not plain or path.is_absolute() or ".." in path.parts or str(path) != name or name in ("", "."):
            raise ReleaseError("the manifest names a file outside its directory", got=name, where=where, remedy=_REMEDY)
    return {name: FileEntry.parse(entry, f"{where}: {name}") for name, entry in document.items()}


class MappedFiles:
    """Maps the listed files of one directory when opened; parses each when it is asked for.

    ``verify`` checks every sha256 first; unless told that the files are not ``alone``, it refuses unlisted ones.
    """

    def __init__(self, directory: Path, entries: Mapping[str, FileEntry], *, verify: bool, alone: bool = True) -> None:
        self.directory = directory
        self.entries = entries
        if verify and alone:
            refuse_unlisted(directory, entries)
        self._maps = {name: self._map(name, verify) for name in entries}

    def _map(self, name: str, verify: bool) -> mmap.mmap | bytes:
        path, entry = self.directory / name, self.entries[name]
        descriptor, size = _open_regular(path)
        try:
            if size != entry.bytes:
                raise ReleaseError(
                    "a file has the wrong size",
                    expected=f"{entry.bytes} bytes",
                    got=f"{size} bytes",
                    where=str(path),
                    remedy=_REMEDY,
                )
            mapped = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) if size else b""
        finally:
            os.close(descriptor)
        if verify and hashlib.sha256(mapped).hexdigest() != entry.sha256:
            raise ReleaseError("a file's content does not match its sha256", where=str(path), remedy=_REMEDY)
        stand_back()
        return mapped

    def __contains__(self, name: str) -> bool:
        return name in self._maps

    def content(self, name: str) -> bytes:
        """A file's bytes, copied."""
        return bytes(self._get(name))

    def array(self, name: str) -> npt.NDArray[Any]:
        """A ``.npy`` file as a read-only array over the map. Its header is the manifest's to tell, never pickle's."""
        mapped, entry = self._get(name), self.entries[name]
        if entry.dtype is None or entry.shape is None:
            raise ReleaseError("the manifest does not describe this array", where=str(self.directory / name))
        try:
            dtype = np.dtype(entry.dtype)
        except TypeError as error:
            raise ReleaseError("unknown kind of array", got=entry.dtype, where=str(self.directory / name)) from error
        count = math.prod(entry.shape)
        offset = len(mapped) - count * dtype.itemsize
        if dtype.hasobject or offset < 0:
            raise ReleaseError("an array does not fit its file", where=str(self.directory / name), remedy=_REMEDY)
        if count == 0:
            return np.zeros(entry.shape, dtype)
        return np.frombuffer(mapped, dtype, count, offset).reshape(entry.shape)

    def table(self, name: str) -> pa.Table:
        """An Arrow IPC file as a table over the map."""
        return pa.ipc.open_file(pa.py_buffer(self._get(name))).read_all()

    def _get(self, name: str) -> mmap.mmap | bytes:
        if name not in self._maps:
            raise ReleaseError("a file is missing", got=name, where=str(self.directory), remedy=_REMEDY)
        return self._maps[name]

    def close(self) -> None:
        """Forget the maps; each is unmapped when the last array over it goes."""
        self._maps.clear()


def _open_regular(path: Path) -> tuple[int, int]:
    """Descriptor and size of a regular file; links, pipes and devices are refused."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise ReleaseError("a file cannot be opened", got=error.strerror, where=str(path), remedy=_REMEDY) from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise ReleaseError("not a regular file", where=str(path), remedy=_REMEDY)
    return descriptor, status.st_size


def read_whole(path: Path, max_bytes: int) -> bytes:
    """The bytes of a regular file that is not larger than ``max_bytes``."""
    descriptor, size = _open_regular(path)
    with os.fdopen(descriptor, "rb") as file:
        if size > max_bytes:
            raise ReleaseError("a file is too large", expected=f"at most {max_bytes} bytes", got=size, where=str(path))
        return file.read(max_bytes)


def refuse_unlisted(directory: Path, entries: Mapping[str, FileEntry]) -> None:
    """:class:`~graph.errors.ReleaseError` for links, and for names the manifest does not know."""
    files = entries.keys() | {"manifest.json"}
    folders = {str(parent) for name in entries for parent in PurePosixPath(name).parents}
    for folder, inner, names in os.walk(directory):
        inside = Path(folder).relative_to(directory)
        for name, allowed in [*((name, folders) for name in inner), *((name, files) for name in names)]:
            if (inside / name).as_posix() not in allowed or Path(folder, name).is_symlink():
                raise ReleaseError(
                    "a name is not listed in the manifest",
                    got=str(inside / name),
                    where=str(directory),
                    remedy="Remove it, or build the directory again.",
                )
