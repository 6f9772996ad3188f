"""Writes that a crash or a full disk cannot spoil: temporary name, fsync, rename."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

import numpy as np
import numpy.typing as npt

_HASH_BLOCK_BYTES = 1 << 20
TEMPORARY_PREFIX = ".tmp-"
"""Names under this prefix are unfinished work of a writer that may have died; readers ignore them."""


def sync_directory(directory: Path) -> None:
    """Make the names inside ``directory`` durable."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Make the content of a file durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(directory: Path) -> None:
    """Make every file and name below ``directory`` durable, inner directories first."""
    for folder, _, names in os.walk(directory, topdown=False):
        for name in names:
            sync_file(Path(folder, name))
        sync_directory(Path(folder))


@contextmanager
def replacing(path: Path, *, mode: int = 0o644) -> Iterator[BinaryIO]:
    """A file to write, which takes the place of ``path`` when the block ends well.

    A reader finds the old file or the new one, never a part.
    """
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{path.name}-{uuid4().hex}")
    try:
        with open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def replace_file(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Put ``content`` at ``path`` by :func:`replacing`."""
    with replacing(path, mode=mode) as file:
        file.write(content)


@contextmanager
def one_writer(directory: Path) -> Iterator[None]:
    """Hold the directory's lock among processes; the kernel lets go of it when the process dies."""
    directory.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(directory / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def building(parent: Path) -> Iterator[Path]:
    """A fresh directory to build in, beside the final place; removed when the block fails."""
    parent.mkdir(parents=True, exist_ok=True)
    temporary = parent / f"{TEMPORARY_PREFIX}{uuid4().hex}"
    temporary.mkdir()
    try:
        yield temporary
    finally:
        if temporary.exists():
            shutil.rmtree(temporary, ignore_errors=True)


def publish_directory(built: Path, final: Path) -> None:
    """Rename a built directory to its final name, durably. What was there before is removed after the swap."""
    sync_tree(built)
    if final.exists():
        retired = final.with_name(f"{TEMPORARY_PREFIX}{final.name}-{uuid4().hex}")
        final.rename(retired)
        try:
            built.rename(final)
        except BaseException:
            retired.rename(final)
            raise
        sync_directory(final.parent)
        shutil.rmtree(retired)
    else:
        built.rename(final)
    sync_directory(final.parent)


class _Sink:
    """A file of which numpy sees only that it can be written to.

    To a real file numpy writes past Python, and a full disk is then an error without a reason.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, content: bytes) -> int:
        return self._file.write(content)


def save_array(path: Path, array: npt.NDArray[Any]) -> None:
    """Write a ``.npy`` file; never with pickle."""
    with path.open("wb") as file:
        np.save(_Sink(file), array, allow_pickle=False)


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file's content."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_HASH_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
