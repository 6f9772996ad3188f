"""Vectors kept on disk under the hash of what they were computed from."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
KeyArray = npt.NDArray[np.bytes_]

_KEY = np.dtype("S32")
_MAX_SMALL_SHARDS = 32
_LARGE_SHARD_BYTES = 256 * 2**20


def text_keys(texts: Sequence[str]) -> KeyArray:
    """The 32-byte content hash of every text. Shape: (N,)."""
    return np.array([hashlib.sha256(text.encode("utf-8", "replace")).digest() for text in texts], _KEY)


class VectorCache:
    """A folder of immutable shards, each a numpy file whose name is the hash of its content.

    A shard appears by rename, so a killed writer leaves nothing behind that is read, and several processes
    may add at the same time. A shard whose content no longer has its hash (a flipped bit, a cut file) is
    removed and its vectors are computed again: a damaged vector is never returned.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def lookup(self, keys: KeyArray) -> tuple[npt.NDArray[np.int64], FloatArray]:
        """Positions in ``keys`` that are cached, ascending, and their vectors.

        Shapes: (F,), (F, T); T is 0 while the cache is empty.
        """
        positions: list[npt.NDArray[np.int64]] = []
        vectors: list[FloatArray] = []
        missing = np.ones(keys.size, bool)
        for rows in self._shards():
            order = np.argsort(rows["key"])
            stored = rows["key"][order]
            wanted = np.flatnonzero(missing)
            place = np.minimum(np.searchsorted(stored, keys[wanted]), stored.size - 1)
            hit = stored[place] == keys[wanted]
            if hit.any():
                positions.append(wanted[hit])
                vectors.append(rows["vector"][order[place[hit]]])
                missing[wanted[hit]] = False
        if not positions:
            return np.empty(0, np.int64), np.empty((0, 0), np.float32)
        found = np.concatenate(positions)
        ascending = np.argsort(found)
        return found[ascending], np.concatenate(vectors)[ascending]

    def add(self, keys: KeyArray, vectors: FloatArray) -> None:
        """Keep ``vectors`` under ``keys``; durable on return. Shapes: (N,), (N, T)."""
        if keys.size == 0:
            return
        rows = np.empty(keys.size, [("key", _KEY), ("vector", np.float32, (vectors.shape[1],))])
        rows["key"], rows["vector"] = keys, vectors
        self._write(rows)
        if len(self._small()) > _MAX_SMALL_SHARDS:
            self._merge()

    def _paths(self) -> list[Path]:
        return sorted(self.directory.glob("*.npy"))

    def _small(self) -> list[Path]:
        return [path for path in self._paths() if _size(path) < _LARGE_SHARD_BYTES]

    def _shards(self) -> list[npt.NDArray[np.void]]:
        return [rows for path in self._paths() if (rows := self._read(path)) is not None]

    def _read(self, path: Path) -> npt.NDArray[np.void] | None:
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:  # merged away by another process; its rows are in the merged shard or recomputed
            return None
        if digest != path.stem:
            path.unlink(missing_ok=True)
            return None
        try:
            rows: npt.NDArray[np.void] = np.load(path, mmap_mode="r", allow_pickle=False)
        except FileNotFoundError:
            return None
        return rows

    def _write(self, rows: npt.NDArray[np.void]) -> Path:
        buffer = io.BytesIO()
        np.save(buffer, rows, allow_pickle=False)
        content = buffer.getbuffer()
        path = self.directory / f"{hashlib.sha256(content).hexdigest()}.npy"
        self.directory.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=self.directory, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                Path(temporary).unlink()
            raise
        return path

    def _merge(self) -> None:
        """Replace the small shards by one; readers that still map an old shard keep it until they close it."""
        old = [(path, rows) for path in self._small() if (rows := self._read(path)) is not None]
        widths = {rows["vector"].shape[1] for _, rows in old}
        if len(widths) != 1:
            return
        rows = np.concatenate([rows for _, rows in old])
        _, first = np.unique(rows["key"], return_index=True)
        merged = self._write(rows[first])
        for path, _ in old:
            if path != merged:
                path.unlink(missing_ok=True)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
