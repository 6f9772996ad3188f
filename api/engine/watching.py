"""The stages of an answer, for whoever wants to see how long each takes. Nobody does by default."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from typing import ParamSpec, TypeAlias, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
Watcher: TypeAlias = Callable[[str], AbstractContextManager[object]]
"""Entered with the name of a stage, left at its end."""

_watcher: Watcher | None = None


def watch_stages(watcher: Watcher | None) -> None:
    """From now on every stage of every engine in this process is seen by ``watcher``; by nobody with ``None``."""
    global _watcher
    _watcher = watcher


def stage(name: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Makes a function a stage; unwatched it costs one comparison."""

    def as_stage(function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def seen(*args: P.args, **kwargs: P.kwargs) -> T:
            watcher = _watcher
            if watcher is None:
                return function(*args, **kwargs)
            with watcher(name):
                return function(*args, **kwargs)

        return seen

    return as_stage
