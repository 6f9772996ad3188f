"""Shared worlds of the API's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.corner_shop import Shop, open_shop


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """A corner shop of thirteen products that a test may change; see ``corner_shop``."""
    world = open_shop(tmp_path)
    yield world
    world.store.close()
    world.snapshot.close()


@pytest.fixture(scope="session")
def still_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The same shop, for tests that only look."""
    world = open_shop(tmp_path_factory.mktemp("shop"))
    yield world
    world.store.close()
    world.snapshot.close()
