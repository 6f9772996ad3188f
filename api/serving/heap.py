"""The heap of a serving process: what has come to stay is not looked through again for garbage.

A server holds some 300,000 objects for as long as it lives (modules, compiled functions, the release, what events
added to it). A full collection looks at each of them while no answer can be given, for a fifth of a second and growing.
"""

from __future__ import annotations

import gc
from typing import Any

YOUNG_OBJECTS = 10_000
"""New objects before the youngest are looked through; Python's default of 700 is three answers' worth."""


def settle_heap() -> None:
    """From now on what survives a full collection is never collected again, so that the next one is short.

    It is still freed as soon as nothing refers to it, as nearly everything is, an old release among it; only what
    refers to itself in a circle would stay.
    """
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])
    if _keep_survivors not in gc.callbacks:
        gc.callbacks.append(_keep_survivors)


def _keep_survivors(phase: str, info: dict[str, Any]) -> None:
    if phase == "stop" and info["generation"] == 2:
        gc.freeze()
