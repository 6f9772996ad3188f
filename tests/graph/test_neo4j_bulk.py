"""A bulk load into Neo4j drafts ahead of the server; whatever comes in between, it ends like single writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pytest

from graph.digest import graph_hash
from graph.neo4j import Neo4jStore
from graph.neo4j.bulk.cut_block import CutBlock
from graph.neo4j.bulk.writing import BulkWriting
from graph.records import DeleteEdges, DeleteNodes, Mutation, UpsertEdges, UpsertNodes
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
    """Blocks that could be worked out without a question."""

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
        fly = BulkWriting._fly

        def counted(writing: BulkWriting, mutations: Sequence[Mutation], block: CutBlock) -> None:
            found.ahead += 1
            fly(writing, mutations, block)

        monkeypatch.setattr(BulkWriting, "_fly", counted)
        yield found


def bought(user: str, weight: float = 1.0) -> UpsertEdges:
    """A full block."""
    items = [f"i{at}" for at in range(BLOCK_ROWS)]
    return UpsertEdges(PURCHASED, [user] * BLOCK_ROWS, items, weight, create_missing=True)


SIX = [bought(f"u{number}") for number in range(6)]


def test_blocks_of_new_rows_are_drafted_ahead(loads: Loads) -> None:
    loads.both_ways(SIX)
    assert loads.ahead == len(SIX)


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
