"""The stores that the contract suite runs over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from graph.neo4j import Neo4jStore
from graph.schema import GraphSchema
from graph.store import GraphStore, open_store
from tests.graph.store_contract_model import WORLD
from tests.neo4j_servers import LINES_UNDER_TEST, TestServers

STORES_UNDER_TEST = ("sqlite", *(f"neo4j-{line}" for line in LINES_UNDER_TEST))


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


class GraphsInNeo4j:
    """Names of graphs → URLs of one server. A graph is emptied when its place is taken by another name.

    Labels, constraints and indexes stay, because making them takes longer than everything else. A place has names of
    its own, so the server plans every query anew for it: there are no more than a test fills at once.
    """

    def __init__(self, server: str, places: int = 2) -> None:
        self._server = server
        self._places: dict[str, int] = {}
        self._free = list(range(places))

    def url(self, name: str) -> str:
        if name not in self._places:
            if not self._free:
                oldest = next(iter(self._places))
                self._free.append(self._places.pop(oldest))
            self._places[name] = self._free.pop(0)
            url = self._url(name)
            with open_store(url) as store:
                assert isinstance(store, Neo4jStore)
                empty_graph(store)
        return self._url(name)

    def _url(self, name: str) -> str:
        return f"{self._server}?graph=test{self._places[name]}&timeout_s=60"


def empty_graph(store: Neo4jStore) -> None:
    """Nothing is left of the store's graph but the names in the database's schema."""
    prefix = store.knowledge.own_names.prefixed("")
    rows = store.line.command(
        "CALL db.labels() YIELD label WHERE label STARTS WITH $prefix RETURN label", prefix=prefix
    )
    if rows:
        labels = "|".join(row["label"] for row in rows)
        store.line.command(f"MATCH (n:{labels}) DETACH DELETE n")


@pytest.fixture(params=STORES_UNDER_TEST)
def store_factory(request: pytest.FixtureRequest, tmp_path: Path, neo4j_servers: TestServers) -> Iterator[StoreFactory]:
    kind, _, line = request.param.partition("-")
    if kind == "neo4j":
        factory = StoreFactory(GraphsInNeo4j(neo4j_servers.of(line).url("bolt")).url)
    else:
        factory = StoreFactory(lambda name: f"sqlite:{tmp_path}/{name}.db")
    yield factory
    factory.close()


@pytest.fixture
def store(store_factory: StoreFactory) -> GraphStore:
    """An empty store that knows the test world's schema."""
    return store_factory.fresh()
