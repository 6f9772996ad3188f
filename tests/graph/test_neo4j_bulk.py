"""A bulk load into Neo4j drafts ahead of the server; whatever comes in between, it ends like single writes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import neo4j
import pytest

from graph.digest import graph_hash
from graph.neo4j import Neo4jStore, cypher
from graph.neo4j.bulk import Memory
from graph.neo4j.draft import Draft
from graph.neo4j.names import Names
from graph.records import DeleteEdges, DeleteNodes, Mutation, UpsertEdges, UpsertNodes
from graph.schema import EdgeSpec
from graph.store import GraphStore, open_store
from tests.graph.conftest import GraphsInNeo4j
from tests.graph.store_contract_model import PURCHASED, WORLD
from tests.neo4j_servers import TestServer

BLOCK_ROWS = 10
BETWEEN = 4
"""Somebody else writes before the load has this mutation."""


@dataclass
class Loads:
    """One graph to load, somebody else's store of it, and a graph that is written step by step."""

    loaded: Neo4jStore
    other: GraphStore
    plain: GraphStore
    ahead: int = 0
    """Blocks that could be drafted without a question."""

    def both_ways(self, mutations: Sequence[Mutation], between: Callable[[GraphStore], None] = lambda _: None) -> None:
        """Nothing; both graphs are the same."""

        def given() -> Iterator[Mutation]:
            for number, mutation in enumerate(mutations):
                if number == BETWEEN:
                    between(self.other)
                yield mutation

        for number, mutation in enumerate(mutations):
            if number == BETWEEN:
                between(self.plain)
            self.plain.apply([mutation], batch_id="plain", actor="test")
        self.loaded.bulk_load(given(), batch_id="load", actor="test", block_rows=BLOCK_ROWS)
        assert graph_hash(self.loaded) == graph_hash(self.plain)
        fed = [change.watermark for change in self.loaded.changes_since("0")]
        assert len(set(fed)) == len(fed) > 0
        assert int(self.loaded.watermark()) >= int(fed[-1])
        assert self.loaded.drift() == []


@pytest.fixture
def loads(neo4j_server: TestServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Loads]:
    graphs = GraphsInNeo4j(neo4j_server.url("bolt"))
    url = graphs.url("loaded")
    with open_store(url) as loaded, open_store(url) as other, open_store(graphs.url("plain")) as plain:
        assert isinstance(loaded, Neo4jStore)
        for store in (loaded, plain):
            store.ensure_schema(WORLD)
        found = Loads(loaded, other, plain)
        drafted = Memory.draft

        def counted(memory: Memory, mutations: Sequence[Mutation]) -> Draft | None:
            draft = drafted(memory, mutations)
            found.ahead += draft is not None
            return draft

        monkeypatch.setattr(Memory, "draft", counted)
        yield found


def bought(user: str, weight: float = 1.0) -> UpsertEdges:
    """A full block."""
    items = [f"i{at}" for at in range(BLOCK_ROWS)]
    return UpsertEdges(PURCHASED, [user] * BLOCK_ROWS, items, weight, create_missing=True)


SIX = [bought(f"u{number}") for number in range(6)]


def test_blocks_of_new_rows_are_drafted_ahead(loads: Loads) -> None:
    loads.both_ways(SIX)
    assert loads.ahead == len(SIX) - 1, "the first block has to ask"


def test_rows_that_come_again_are_written_in_their_order(loads: Loads) -> None:
    loads.both_ways([*SIX[:3], bought("u1", 2.0), *SIX[3:], bought("u1", 3.0), bought("u5", 4.0)])
    assert loads.loaded.neighbors("User", "u1").neighbors[0].edge.version == 3
    assert loads.ahead >= 4


def test_what_is_deleted_on_the_way_stays_deleted(loads: Loads) -> None:
    gone = DeleteEdges(PURCHASED, ["u0", "u1"], ["i0", "i1"])
    loads.both_ways([*SIX[:2], bought("u1", 2.0), gone, *SIX[2:4], DeleteNodes("Item", ["i5"]), bought("u7"), SIX[4]])


def test_another_writer_in_between_is_seen(loads: Loads) -> None:
    def between(store: GraphStore) -> None:
        store.apply([DeleteEdges(PURCHASED, ["u0"], ["i0"])], batch_id="other", actor="other")
        store.apply([bought("u5", 9.0), UpsertNodes("Item", ["i1"], [{"title": "named"}])], batch_id="o", actor="other")

    loads.both_ways([*SIX, bought("u0", 2.0), bought("u8")], between)
    item = loads.loaded.node("Item", "i1")
    assert item is not None
    assert item.properties == {"title": "named"}


def test_a_second_load_changes_nothing(loads: Loads) -> None:
    loads.both_ways(SIX)
    assert loads.loaded.bulk_load(iter(SIX), batch_id="again", actor="test", block_rows=BLOCK_ROWS).changed == 0


def test_edges_find_nodes_of_this_load_by_where_they_are(loads: Loads, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    plain = cypher.create_edges

    def noted(names: Names, spec: EdgeSpec, columns: Sequence[str], *, by_element: bool = False) -> str:
        seen.append(by_element)
        return plain(names, spec, columns, by_element=by_element)

    monkeypatch.setattr(cypher, "create_edges", noted)
    loads.loaded.apply([UpsertNodes("Item", ["i0"])], batch_id="before", actor="test")
    loads.loaded.bulk_load(iter(SIX), batch_id="load", actor="test", block_rows=BLOCK_ROWS)
    assert seen == [True, False] * len(SIX), "the node that was there before is looked up"


def test_a_stranger_in_the_place_of_a_deleted_node_gets_no_edge(loads: Loads, neo4j_server: TestServer) -> None:
    """The server gives what it called a deleted node to a new one."""
    item = loads.loaded.stored_names().label("Item")

    def given() -> Iterator[Mutation]:
        for number, mutation in enumerate(SIX):
            if number == BETWEEN:
                with neo4j_server.driver() as driver:
                    _replace_by_hand(driver, item)
            yield mutation

    loads.loaded.bulk_load(given(), batch_id="load", actor="test", block_rows=BLOCK_ROWS)
    with neo4j_server.driver() as driver:
        asked = (
            "MATCH (s:Stranger) OPTIONAL MATCH (s)--(other) WITH count(other) AS edges, s DELETE s RETURN sum(edges)"
        )
        assert driver.execute_query(asked).records[0][0] == 0
    buyers = {neighbor.node[1] for neighbor in loads.loaded.neighbors("Item", "i0").neighbors}
    assert buyers >= {"u4", "u5"}


def _replace_by_hand(driver: neo4j.Driver, label: str) -> None:
    """Nothing; item i0 is gone, and another node is where it was."""
    (element,) = driver.execute_query(f"MATCH (n:{label} {{id: 'i0'}}) RETURN elementId(n)").records[0]  # type: ignore[arg-type]
    driver.execute_query(f"MATCH (n:{label} {{id: 'i0'}}) DETACH DELETE n")  # type: ignore[arg-type]
    ends = time.monotonic() + 20
    while time.monotonic() < ends:
        made = driver.execute_query("UNWIND range(1, 50) AS at CREATE (n:Stranger) RETURN elementId(n)").records
        if any(record[0] == element for record in made):
            return
        time.sleep(0.2)
    raise AssertionError("the server gave the name of the deleted node to nobody")
