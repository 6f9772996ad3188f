"""The corner shop in a real Neo4j, and a hand that edits it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.corner_shop import Shop
from tests.neo4j.curated_shop import Hand, shop_in
from tests.neo4j_servers import TestServer


@pytest.fixture
def shop(empty_neo4j: TestServer, tmp_path: Path) -> Iterator[Shop]:
    """The shop, with its release in ``tmp_path/releases``."""
    shop = shop_in(empty_neo4j, tmp_path)
    yield shop
    shop.store.close()
    shop.snapshot.close()


@pytest.fixture
def hand(empty_neo4j: TestServer) -> Iterator[Hand]:
    """A curator's own connection."""
    hand = Hand(empty_neo4j)
    yield hand
    hand.close()
