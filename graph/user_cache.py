"""Where a user's machine keeps what Kindred can make again."""

from __future__ import annotations

import os
from pathlib import Path


def user_cache() -> Path:
    """Kindred's folder in the user's cache (``XDG_CACHE_HOME``, else ``~/.cache``).

    Raises:
        RuntimeError: where nobody knows the user's home.
    """
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "kindred"
