"""Which inner loops run: those compiled by numba where it is installed, else numpy's, with the same answers.

``docs/decisions/0025`` says what is worth compiling, ``docs/decisions/0029`` what of it is worth it here.
"""

from __future__ import annotations

import os
from functools import cache
from importlib import import_module
from types import ModuleType

PLAIN = "KINDRED_PLAIN_NUMPY"
"""Set to 1 this environment variable leaves numba aside."""


@cache
def loops(module: str) -> ModuleType | None:
    """The compiled loops of one module; ``None`` without numba. Compiled on first use, and kept on disk."""
    if os.environ.get(PLAIN) == "1":
        return None
    try:
        return import_module(module)
    except (ImportError, RuntimeError):  # numba raises the latter where no folder can hold what it compiles
        return None
