"""The decorator of every compiled loop: numba's, kept on disk for exactly the sources that the loops were made from.

numba keeps what it compiles beside the file of a function, and forgets it when that file changes. A loop that calls
those of another file keeps their old code in it, so after an upgrade it could answer by both. Here all are forgotten
when any of them changes.
"""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from numba import njit
from numba.core import config

from graph.user_cache import user_cache

Loop = TypeVar("Loop", bound=Callable[..., Any])

_decorating = threading.Lock()
"""Modules of loops may be imported by several threads at once, and numba's choice of a folder is one for all."""


def kernel(**options: Any) -> Callable[[Loop], Loop]:
    """``numba.njit`` with these options, compiled on first use and kept until the sources of compiled loops change.

    Raises:
        RuntimeError: by numba, where no folder can hold what it compiles.
    """

    def compiled(function: Loop) -> Loop:
        package = Path(function.__code__.co_filename).parent
        with _decorating, _kept_in(kept_for(package)):
            loop: Loop = njit(cache=True, **options)(function)
        return loop

    return compiled


@cache
def kept_for(package: Path) -> Path | None:
    """The folder for what the loops of a package are compiled to; what its older sources gave is removed.

    It lies beside the package's bytecode, or in the user's cache where the package cannot be written to; in the folder
    of ``NUMBA_CACHE_DIR`` where that is set. ``None`` where nothing can be written.
    """
    name = f"compiled-{_digest(package)}"
    for base in _places(package):
        try:
            (base / name).mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if base.parent == package:
            for older in base.glob("compiled-*"):
                if older.name != name:
                    shutil.rmtree(older, ignore_errors=True)
        return base / name
    return None


def _places(package: Path) -> Iterator[Path]:
    """Where the folder may be, the best place first."""
    if config.CACHE_DIR:
        yield Path(config.CACHE_DIR)
        return
    yield package / "__pycache__"
    with suppress(RuntimeError):  # nobody may know the user's home
        yield user_cache()


def _digest(package: Path) -> str:
    """Of all that may be in a compiled loop of the package: its own modules, and those beside this one."""
    files = {file for folder in (package, Path(__file__).parent) for file in folder.glob("*.py")}
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


@contextmanager
def _kept_in(folder: Path | None) -> Iterator[None]:
    """numba chooses the folder when a function is decorated."""
    before = config.CACHE_DIR
    config.CACHE_DIR = before if folder is None else str(folder)
    try:
        yield
    finally:
        config.CACHE_DIR = before
