"""A store to load into."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from graph.store import open_store


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with open_store(f"sqlite:{tmp_path}/graph.db") as opened:
        yield opened
