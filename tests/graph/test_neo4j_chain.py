"""A load's chain of transactions: every number is there when a later one is, wherever the chain ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from neo4j import Transaction

from graph.digest import graph_hash
from graph.neo4j import Neo4jStore
from graph.neo4j.bulk.chain import Broken, Chain, Link
from graph.neo4j.bulk.cut_block import cut_draft
from graph.neo4j.bulk.new_rows import Elements, Part
from graph.neo4j.cypher import turns
from graph.neo4j.cypher.names import Catalogue
from graph.neo4j.writing.batch import Audit
from graph.neo4j.writing.draft import Draft
from graph.neo4j.writing.flushing import StoredState
from graph.records import DeleteEdges, Edge, Mutation, Node, UpsertEdges
from graph.store import GraphStore, open_store
from tests.graph.conftest import GraphsInNeo4j
from tests.graph.store_contract_model import PURCHASED, WORLD, name_of
from tests.neo4j.failing_line import FailingLine
from tests.neo4j_servers import TestServer

ROWS, ROWS_A_PART, BLOCK_ROWS = 12, 5, 20


def bought(user: str, items: Sequence[int], weight: float = 1.0) -> UpsertEdges:
    ids = [f"i{item}" for item in items]
    return UpsertEdges(PURCHASED, [user] * len(ids), ids, weight, create_missing=True)


@dataclass
class World:
    url: str
    store: Neo4jStore
    other: GraphStore

    def begun(self) -> Chain:
        names = self.store.knowledge.own_names
        self.store.line.write(lambda tx: tx.run(turns.create_second(names)).consume())
        version = self.store.knowledge.catalogue(fresh=True).version
        return Chain(self.store.line, Audit(self.store.knowledge, "load", "test"), version)

    def parts(self) -> list[Part]:
        """Two parts of nodes, then edges."""
        catalogue = self.store.knowledge.catalogue()

        def draft(transaction: Transaction) -> Draft:
            drafted = Draft(catalogue, StoredState(transaction, catalogue.names), int(self.store.watermark()))
            drafted.write(bought("u", range(ROWS - 1)))
            drafted.write(bought("v", range(ROWS)))
            return drafted

        block = cut_draft(catalogue, self.store.line.read(draft), ROWS_A_PART)
        assert block is not None
        return list(block.parts)

    def numbers(self) -> list[int]:
        """Of every change, by the feed, from the start."""
        return [int(change.watermark) for change in self.other.changes_since("0")]


@pytest.fixture
def world(neo4j_server: TestServer) -> Iterator[World]:
    url = GraphsInNeo4j(neo4j_server.url("bolt")).url("chained")
    with open_store(url) as store, open_store(url) as other:
        assert isinstance(store, Neo4jStore)
        store.ensure_schema(WORLD)
        yield World(url, store, other)


def failed(link: Link) -> bool:
    return isinstance(link.future.exception(), Broken)


def test_parts_have_numbers_of_their_own_and_nodes_come_first(world: World) -> None:
    parts = world.parts()
    assert [part.nodes for part in parts] == [True] * 3 + [False] * 5
    assert [part.after for part in parts[1:]] == [part.last for part in parts[:-1]]
    assert parts[-1].last - parts[0].after == ROWS + 2 + ROWS + ROWS - 1 == sum(part.changed for part in parts)


@pytest.mark.parametrize("written", [3, 4, 7, 8], ids=lambda count: f"{count} of 8 parts")
def test_a_chain_that_ends_anywhere_leaves_a_graph_to_write_on(world: World, written: int) -> None:
    chain, parts = world.begun(), world.parts()
    links = chain.add(parts[:written])
    chain.close()
    assert not any(map(failed, links))
    assert int(world.other.watermark()) == parts[written - 1].last
    last = world.other.apply([bought("w", range(3), 2.0)], batch_id="later", actor="other").watermark
    numbers = world.numbers()
    assert len(set(numbers)) == len(numbers)
    assert numbers[-1] == int(last) > parts[written - 1].last
    assert {change.actor for change in world.other.changes_since(str(parts[written - 1].last))} == {"other"}
    assert {change.batch_id for change in world.other.changes_since("0")} == {"load", "later"}


@pytest.mark.parametrize("hand", ["another node", "a node of another type", "no node"])
def test_ends_that_are_not_the_nodes_they_were_are_not_joined(world: World, hand: str) -> None:
    """The server's names of nodes are used again after a delete by hand."""
    chain, parts = world.begun(), world.parts()
    for link in chain.add([part for part in parts if part.nodes]):
        link.future.result()
    items = chain.elements["Item"]
    items["i0"] = {"another node": items["i1"], "a node of another type": chain.elements["User"]["u"]}.get(
        hand, "4:x:0"
    )
    links = chain.add([replace(part, needs_nodes=False) for part in parts if not part.nodes])
    chain.close()
    assert all(map(failed, links))
    assert world.store.stats().edges[PURCHASED] == 0


@pytest.mark.parametrize("needs_nodes", [False, True])
def test_edges_wait_for_the_nodes_of_the_block_before(world: World, needs_nodes: bool) -> None:
    chain, parts = world.begun(), world.parts()
    links = chain.add([part for part in parts if part.nodes])
    links += chain.add([replace(part, needs_nodes=needs_nodes) for part in parts if not part.nodes])
    chain.close()
    assert not any(map(failed, links))
    assert world.store.stats().edges[PURCHASED] == ROWS + ROWS - 1


def test_edges_of_nodes_whose_names_are_not_known_find_them_by_id(world: World) -> None:
    chain, parts = world.begun(), world.parts()
    for link in chain.add([part for part in parts if part.nodes]):
        link.future.result()
    del chain.elements["Item"]["i3"]
    links = chain.add([replace(part, needs_nodes=False) for part in parts if not part.nodes])
    chain.close()
    assert not any(map(failed, links))
    assert world.store.stats().edges[PURCHASED] == ROWS + ROWS - 1


def test_nothing_after_a_part_that_failed_is_written(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    chain, parts = world.begun(), world.parts()
    write = Part.write

    def failing(part: Part, transaction: Transaction, catalogue: Catalogue, elements: Elements) -> None:
        write(part, transaction, catalogue, elements)
        if part is parts[4]:
            transaction.run("RETURN no_such_function()").consume()

    monkeypatch.setattr(Part, "write", failing)
    links = chain.add(parts)
    chain.close()
    assert list(map(failed, links)) == [False] * 4 + [True] * 4
    assert max(world.numbers()) == int(world.store.watermark()) == parts[3].last


def test_a_chain_gives_way_to_whoever_has_written_in_between(world: World) -> None:
    chain, parts = world.begun(), world.parts()
    for link in chain.add(parts[:3]):
        link.future.result()
    world.other.apply([bought("w", range(3), 2.0)], batch_id="other", actor="other")
    links = chain.add(parts[3:])
    chain.close()
    assert all(map(failed, links))
    numbers = world.numbers()
    assert len(set(numbers)) == len(numbers) == parts[2].last + 1 + 3


def test_an_older_chain_gives_way_to_a_newer_one(world: World) -> None:
    old, new = world.begun(), world.begun()
    parts = world.parts()
    for link in old.add(parts[:1]):
        link.future.result()
    world.other.apply([bought("w", range(3), 2.0)], batch_id="begin", actor="other")
    between = [replace(part, after=part.after + 4, last=part.last + 4) for part in parts[1:2]]
    for link in new.add(between):
        link.future.result()
    assert all(map(failed, old.add(parts[1:])))
    new.close()
    old.close()


def test_a_reader_who_follows_the_feed_misses_nothing(world: World) -> None:
    """While a load writes, somebody else does too, and a third asks again and again what is new."""
    blocks: list[Mutation] = [bought(f"u{number}", range(BLOCK_ROWS)) for number in range(24)]
    loading = threading.Event()
    loading.set()
    failures: list[BaseException] = []
    seen: dict[Any, Node | Edge] = {}
    reached = ["0"]

    def follow(until: str) -> str:
        for change in world.other.changes_since(until):
            assert int(change.watermark) > int(until)
            seen[name_of(change.record)] = change.record
            until = change.watermark
        return until

    def read() -> None:
        try:
            with open_store(world.url) as store:
                while loading.is_set():
                    now = store.watermark()
                    reached.append(max(follow(reached[-1]), now, key=int))
        except BaseException as error:
            failures.append(error)

    def write() -> None:
        try:
            with open_store(world.url) as store:
                for number in range(3):
                    store.apply([bought(f"w{number}", range(4), 2.0)], batch_id="other", actor="other")
        except BaseException as error:
            failures.append(error)

    reader, writer = threading.Thread(target=read), threading.Thread(target=write)
    reader.start()

    def given() -> Iterator[Mutation]:
        for number, block in enumerate(blocks):
            if number == 12:
                writer.start()
            if number % 6 == 5:  # some of the last six blocks are written: there is a moment that is new
                moments = 2 + number // 6
                _await(lambda wanted=moments: len(set(reached)) >= wanted or not reader.is_alive())
            yield block

    try:
        world.store.bulk_load(given(), batch_id="load", actor="test", block_rows=BLOCK_ROWS)
    finally:
        writer.join()
        loading.clear()
        reader.join()
    assert failures == []
    assert len(set(reached)) > 3, "the reader saw too few moments to prove anything"
    follow(reached[-1])
    assert seen == {name_of(change.record): change.record for change in world.other.changes_since("0")}


def _await(reached: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < until, "the reader did not see what was written"
        time.sleep(0.005)


def test_what_others_delete_of_a_load_stays_deleted_when_its_chain_breaks(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The chain breaks in the third block, whose first two edges are there by then."""
    blocks: list[Mutation] = [bought(f"u{number}", range(BLOCK_ROWS)) for number in range(4)]
    write, edges = Part.write, []

    def disturbed(part: Part, transaction: Transaction, catalogue: Catalogue, elements: Elements) -> None:
        write(part, transaction, catalogue, elements)
        if not part.nodes:
            edges.append(part)
            if len(edges) == 25:
                transaction.run("RETURN no_such_function()").consume()

    again = Chain.close

    def close(chain: Chain) -> None:
        again(chain)
        if len(edges) >= 25:
            gone = DeleteEdges(PURCHASED, ["u1", "u2"], ["i0", "i0"])
            world.other.apply([gone], batch_id="other", actor="other")

    monkeypatch.setattr(Part, "write", disturbed)
    monkeypatch.setattr(Chain, "close", close)
    applied = world.store.bulk_load(blocks, batch_id="load", actor="test", block_rows=BLOCK_ROWS)
    assert world.store.stats().edges[PURCHASED] == 4 * BLOCK_ROWS - 2
    assert applied.changed == 4 * BLOCK_ROWS + 4 + BLOCK_ROWS


def test_a_load_whose_replies_get_lost_is_there_once(neo4j_server: TestServer) -> None:
    graphs = GraphsInNeo4j(neo4j_server.url("bolt"))
    blocks: list[Mutation] = [bought(f"u{number}", range(BLOCK_ROWS)) for number in range(12)]
    with open_store(graphs.url("direct")) as direct:
        direct.ensure_schema(WORLD)
        direct.apply(blocks, batch_id="plain", actor="test")
        with open_store(graphs.url("cut")) as store:
            store.ensure_schema(WORLD)
        with FailingLine(neo4j_server.connection.bolt_port, cut_share=0.02, seed=3) as line:
            url = graphs.url("cut").replace(f":{neo4j_server.connection.bolt_port}/", f":{line.port}/")
            with open_store(url) as store:
                assert isinstance(store, Neo4jStore)
                applied = store.bulk_load(blocks, batch_id="load", actor="test", block_rows=BLOCK_ROWS)
            assert line.cuts > 0
        with open_store(graphs.url("cut")) as store:
            assert applied.changed == sum(1 for _ in direct.changes_since("0"))
            assert graph_hash(store) == graph_hash(direct)
            assert store.stats().edges[PURCHASED] == 12 * BLOCK_ROWS
