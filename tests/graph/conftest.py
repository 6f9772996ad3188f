"""The stores that the contract suite runs over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path

import pytest

from graph.schema import GraphSchema
from graph.store import GraphStore, open_store
from tests.graph.store_contract_model import WORLD

STORES_UNDER_TEST: Mapping[str, Callable[[Path, str], str]] = {
    "sqlite": lambda directory, name: f"sqlite:{directory}/{name}.db",
}
"""Store → the URL of a graph of some name, empty until something is written to it."""


class StoreFactory:
    """Opens stores of one kind: the same name is the same graph, a fresh one is empty."""

    def __init__(self, url_of: Callable[[str], str]) -> None:
        self._url_of = url_of
        self._numbers = count()
        self._opened: list[GraphStore] = []

    def url(self, name: str) -> str:
        return self._url_of(name)

    def open(self, name: str) -> GraphStore:
        store = open_store(self.url(name))
        self._opened.append(store)
        return store

    def fresh(self, schema: GraphSchema = WORLD) -> GraphStore:
        store = self.open(f"fresh-{next(self._numbers)}")
        store.ensure_schema(schema)
        return store

    def close(self) -> None:
        for store in self._opened:
            store.close()


@pytest.fixture(params=sorted(STORES_UNDER_TEST))
def store_factory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StoreFactory]:
    url_of = STORES_UNDER_TEST[request.param]
    factory = StoreFactory(lambda name: url_of(tmp_path, name))
    yield factory
    factory.close()


@pytest.fixture
def store(store_factory: StoreFactory) -> GraphStore:
    """An empty store that knows the test world's schema."""
    return store_factory.fresh()
