"""What the Neo4j store keeps beside the contract: plain names, hand edits read with care, secrets, counters."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from graph.errors import SettingsError, StoreError
from graph.neo4j import Neo4jStore
from graph.neo4j.cypher.names import Names, quoted
from graph.neo4j.reading import reader
from graph.neo4j.setup import wanted
from graph.neo4j.wire.address import parsed_address
from graph.records import DeleteEdges, DeleteNodes, Mutation, UpsertEdges, UpsertNodes
from graph.schema import EdgeType, GraphSchema
from graph.store import open_store, shown_url
from tests.graph.conftest import GraphsInNeo4j
from tests.graph.store_contract_model import HAS_BRAND, NEXT, PURCHASED, WORLD, name_of
from tests.neo4j_servers import TestServer

LIKES_ITEM: EdgeType = ("User", "LIKES", "Item")
LIKES_BRAND: EdgeType = ("User", "LIKES", "Brand")
AWKWARD = GraphSchema.parse(
    {
        "nodes": [
            {"name": "User", "role": "user"},
            {"name": "Item", "role": "item", "properties": {"id": "string", "version": "integer", "label": "string"}},
            {"name": "Brand", "role": "attribute", "properties": {"match": "string"}},
        ],
        "edges": [
            {
                "source": "User",
                "relation": "LIKES",
                "target": "Item",
                "role": "interaction",
                "kind": "rating",
                "properties": {"weight": "string", "qualifier": "integer", "timestamp_ms": "boolean", "type": "string"},
            },
            {"source": "User", "relation": "LIKES", "target": "Brand", "role": "attribute"},
        ],
    }
)


@pytest.fixture
def graphs(neo4j_server: TestServer) -> GraphsInNeo4j:
    return GraphsInNeo4j(neo4j_server.url("bolt"))


@pytest.fixture
def store(graphs: GraphsInNeo4j) -> Iterator[Neo4jStore]:
    with open_store(graphs.url("own")) as opened:
        assert isinstance(opened, Neo4jStore)
        opened.ensure_schema(WORLD)
        yield opened


def write(store: Neo4jStore, *mutations: Mutation) -> int:
    return store.apply(mutations, batch_id="test", actor="tester").changed


def cypher(store: Neo4jStore, text: str, **values: Any) -> list[dict[str, Any]]:
    """A curator's statement; ``Item`` and such stand for the labels of the store's graph."""
    for name in ("User", "Item", "Brand", "KindredMeta"):
        text = text.replace(f":{name}", f":{store.knowledge.own_names.prefixed(name)}")
    return store.line.command(text, **values)


def exported(store: Neo4jStore, edge_type: EdgeType) -> list[dict[str, Any]]:
    return [row for batch in store.export_edges(edge_type) for row in batch.to_pylist()]


def test_a_curator_reads_plain_names_and_native_values(store: Neo4jStore) -> None:
    row = {"title": "Red bag", "price": 3, "stock": 2, "sold": True, "since": 5, "tags": ["a", "b"]}
    write(store, UpsertNodes("Item", ["i"], [row]), UpsertEdges(HAS_BRAND, ["i"], ["b"], create_missing=True))
    (found,) = cypher(
        store, "MATCH (i:Item)-[r:HAS_BRAND]->(b:Brand) RETURN properties(i) AS i, keys(r) AS r, b.id AS b"
    )
    assert {name: value for name, value in found["i"].items() if name != "_seq"} == {"id": "i"} | row
    assert (found["r"], found["b"]) == (["_seq"], "b")


def test_properties_named_like_ours_and_one_relation_between_several_types(graphs: GraphsInNeo4j) -> None:
    with open_store(graphs.url("awkward")) as store:
        store.ensure_schema(AWKWARD)
        mutations: list[Mutation] = [
            UpsertNodes("Item", ["i"], [{"id": "an id of its own", "version": 7, "label": "l"}]),
            UpsertNodes("Brand", ["i"], [{"match": "m"}]),
            UpsertEdges(
                LIKES_ITEM,
                ["u", "u"],
                ["i", "i"],
                [2.0, 3.0],
                [1, None],
                ["a", "b"],
                [{"weight": "heavy", "qualifier": 4, "timestamp_ms": True, "type": "t"}, {}],
                create_missing=True,
            ),
            UpsertEdges(LIKES_BRAND, ["u"], ["i"]),
        ]
        assert store.apply(mutations, batch_id="b", actor="a").changed == 6
        assert store.apply(mutations, batch_id="b", actor="a").changed == 0
        item = store.node("Item", "i")
        assert item is not None
        assert item.properties == {"id": "an id of its own", "label": "l", "version": 7}
        assert store.stats().edges == {LIKES_ITEM: 2, LIKES_BRAND: 1}
        edges = [neighbor.edge for neighbor in store.neighbors("User", "u", edge_types=[LIKES_ITEM]).neighbors]
        assert [(edge.qualifier, edge.weight, edge.timestamp_ms) for edge in edges] == [("a", 2.0, 1), ("b", 3.0, None)]
        assert edges[0].properties == {"qualifier": 4, "timestamp_ms": True, "type": "t", "weight": "heavy"}
        assert store.apply([DeleteNodes("Brand", ["i"])], batch_id="b", actor="a").changed == 2
        assert store.stats().edges == {LIKES_ITEM: 2, LIKES_BRAND: 0}


def test_what_is_wrong_by_hand_is_left_out_and_the_rest_goes_on(store: Neo4jStore) -> None:
    write(store, UpsertNodes("Item", ["good", "bad"], [{"title": "t", "price": 1.0}] * 2))
    write(store, UpsertEdges(NEXT, ["good"], ["bad"]))
    cypher(store, "MATCH (i:Item {id: 'bad'}) SET i.price = 'cheap', i.stock = 1.5, i.tags = 'x', i.colour = 'red'")
    cypher(store, "MATCH (i:Item {id: 'good'}) SET i.price = 4")
    cypher(store, "CREATE (:Item {title: 'no key'}), (:Item {id: 12})")
    cypher(store, "MATCH (a:Item {id: 'good'}), (b:Item) WHERE b.id IS NULL CREATE (a)-[:NEXT]->(b)")
    cypher(store, "MATCH (a:Item {id: 'good'}), (b:Item {id: 'bad'}) CREATE (a)-[:NEXT {weight: 'x'}]->(b)")
    nodes = [row for batch in store.export_nodes("Item") for row in batch.to_pylist()]
    assert [(row["node_id"], row["properties"]) for row in nodes] == [
        ("bad", '{"title":"t"}'),
        ("good", '{"price":4.0,"title":"t"}'),
    ]
    assert [(row["source_id"], row["target_id"], row["weight"]) for row in exported(store, NEXT)] == [
        ("good", "bad", 1.0)
    ]
    with store.reading() as moment:
        assert sum(batch.num_rows for batch in moment.export_edges(NEXT)) == 1
    assert [found.node[1] for found in store.neighbors("Item", "good").neighbors] == ["bad"]
    assert write(store, DeleteEdges(NEXT, ["good"], ["bad"])) == 1
    assert exported(store, NEXT) == []
    assert cypher(store, "MATCH (i:Item {id: 'bad'}) RETURN i.colour AS colour")[0]["colour"] == "red"


def test_a_row_whose_key_a_hand_took_away_does_not_end_the_feed(
    store: Neo4jStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(store, UpsertNodes("Item", ["a", "b", "c", "d"]))
    cypher(store, "MATCH (i:Item {id: 'b'}) REMOVE i.id")
    monkeypatch.setattr(reader, "PAGE_ROWS", 2)
    expected = [("Item", "a"), ("Item", "c"), ("Item", "d")]
    assert [name_of(change.record) for change in store.changes_since("0")] == expected
    assert [name_of(change.record) for change in store.changes_since("0", limit=2)] == expected[:2]


def test_a_hand_made_node_is_read_written_and_kept_apart_from_foreign_ones(store: Neo4jStore) -> None:
    cypher(store, "CREATE (:Item {id: 'hand', title: 'made by hand'}), (:Unrelated {id: 'x'})")
    made = store.node("Item", "hand")
    assert made is not None
    assert (made.properties, made.version) == ({"title": "made by hand"}, 1)
    assert [hit.node.node_id for hit in store.search_nodes("made")] == ["hand"]
    assert write(store, UpsertNodes("Item", ["hand"], [{"title": "made by hand"}])) == 0
    assert write(store, UpsertNodes("Item", ["hand"], [{"price": 1}])) == 1
    cypher(store, "MATCH (n:Unrelated) DELETE n")


def test_our_commits_are_counted_and_a_foreign_one_is_not(store: Neo4jStore) -> None:
    def commits() -> int:
        return int(cypher(store, "MATCH (m:KindredMeta) RETURN m.commits AS commits")[0]["commits"])

    before, mark = commits(), store.line.bookmark()
    assert store.line.bookmark() == mark
    assert write(store, UpsertNodes("Item", ["i"])) == 1
    assert write(store, UpsertNodes("Item", ["i"])) == 0
    assert commits() == before + 1
    mark = store.line.bookmark()
    cypher(store, "CREATE (:Item {id: 'by hand'})")
    assert store.line.bookmark() != mark
    assert commits() == before + 1


def test_a_write_that_was_committed_but_not_answered_is_not_made_again(
    store: Neo4jStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from neo4j import Transaction
    from neo4j.exceptions import IncompleteCommit

    really, cut = Transaction.commit, [True]

    def commit(transaction: Transaction) -> None:
        really(transaction)
        if cut.pop() if cut else False:
            raise IncompleteCommit("the line was cut")

    monkeypatch.setattr(Transaction, "commit", commit)
    row = UpsertNodes("Item", ["i"], [{"price": 1}], expected_version=[0])
    applied = store.apply([row], batch_id="b", actor="a")
    assert (applied.changed, applied.watermark) == (1, store.watermark())
    node = store.node("Item", "i")
    assert node is not None
    assert node.version == 1


def test_what_is_dropped_is_reported_and_made_again(store: Neo4jStore) -> None:
    assert store.drift() == []
    needed = wanted(store.knowledge.catalogue())
    unique = next(one for one in needed if one.kind == "UNIQUE" and any(label.endswith("Item") for label in one.on))
    text = next(one for one in needed if one.kind == "FULLTEXT")
    store.line.command(f"DROP CONSTRAINT {quoted(unique.name)}")
    store.line.command(f"DROP INDEX {quoted(text.name)}")
    said = store.drift()
    assert len(said) == 2
    assert "unique constraint" in said[0]
    assert "full-text index" in said[1]
    store.ensure_schema(WORLD)
    assert store.drift() == []


def test_duplicates_by_hand_are_a_clear_error_when_the_constraint_is_made_again(store: Neo4jStore) -> None:
    needed = wanted(store.knowledge.catalogue())
    unique = next(one for one in needed if one.kind == "UNIQUE" and any(label.endswith("Brand") for label in one.on))
    store.line.command(f"DROP CONSTRAINT {quoted(unique.name)}")
    try:
        cypher(store, "CREATE (:Brand {id: 'twice'}), (:Brand {id: 'twice'})")
        with pytest.raises(StoreError, match="Constraint"):
            store.ensure_schema(WORLD)
    finally:
        cypher(store, "MATCH (b:Brand) DELETE b")
        store.ensure_schema(WORLD)


def test_two_graphs_in_one_database_do_not_meet(graphs: GraphsInNeo4j) -> None:
    with open_store(graphs.url("left")) as left, open_store(graphs.url("right")) as right:
        for store in (left, right):
            store.ensure_schema(WORLD)
        left.apply([UpsertEdges(PURCHASED, ["u"], ["i"], create_missing=True)], batch_id="b", actor="a")
        right.apply([UpsertNodes("Item", ["i"])], batch_id="b", actor="a")
        assert left.stats().edges[PURCHASED] == 1
        assert right.stats().edges[PURCHASED] == 0
        assert len(list(right.changes_since("0"))) == 1
        assert [hit.node.key for hit in left.search_nodes("u")] == [("User", "u")]
        assert right.search_nodes("u") == []


def test_writers_in_several_stores_take_turns(graphs: GraphsInNeo4j) -> None:
    with open_store(graphs.url("many")) as store:
        store.ensure_schema(WORLD)
    failures: list[BaseException] = []

    def writer(name: int) -> None:
        try:
            with open_store(graphs.url("many")) as own:
                for number in range(8):
                    edge = UpsertEdges(
                        PURCHASED, ["shared"], ["item"], qualifiers=[f"{name}-{number}"], create_missing=True
                    )
                    own.apply([edge], batch_id=f"{name}", actor="a")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=writer, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with open_store(graphs.url("many")) as store:
        assert store.stats().edges[PURCHASED] == 32
        numbers = [int(change.watermark) for change in store.changes_since("0")]
        assert numbers == sorted(set(numbers))


# Addresses


def test_the_password_is_shown_nowhere(graphs: GraphsInNeo4j, neo4j_server: TestServer) -> None:
    secret = neo4j_server.connection.password
    with open_store(graphs.url("secret")) as store:
        assert isinstance(store, Neo4jStore)
        shown = [store.url, repr(store), repr(store.line), repr(store.line.address), str(vars(store.line))]
        assert not any(secret in text for text in shown)
    assert shown_url("neo4j://neo4j:p@ss@host:1/db") == "neo4j://host:1/db"
    assert shown_url("sqlite:var/graph.db") == "sqlite:var/graph.db"


@pytest.mark.parametrize(
    "url",
    [
        "neo4j://",
        "neo4j://neo4j:secret-word@",
        "neo4j://neo4j:secret-word@host:port/db",
        "neo4j://neo4j:secret-word@host:99999999/db",
        "neo4j://neo4j:secret-word@host/db?graph=a-b",
        "neo4j://neo4j:secret-word@host/db?graph=` DETACH DELETE",
        "neo4j://neo4j:secret-word@host/db?timeout_s=0",
        "neo4j://neo4j:secret-word@host/db?timeout_s=soon",
        "neo4j://neo4j:secret-word@host/db?other=1",
        "neo4j://host/db",
    ],
)
def test_addresses_that_cannot_be_used_say_what_to_do_and_no_secret(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parsed_address(url, {"KINDRED_NEO4J_HOME": "/nowhere"})
    assert caught.value.remedy
    assert "secret-word" not in str(caught.value)


def test_an_address_takes_what_it_lacks_from_the_environment() -> None:
    environment = {"KINDRED_NEO4J_PASSWORD": "from outside", "KINDRED_NEO4J_HOME": "/nowhere"}
    address = parsed_address("bolt+s://host/shop?graph=two&timeout_s=1.5", environment)
    assert (address.uri, address.user, address.password) == ("bolt+s://host:7687", "neo4j", "from outside")
    assert (address.database, address.graph, address.timeout_s) == ("shop", "two", 1.5)
    assert parsed_address("neo4j://a:b%40c@[::1]:1/x", environment).uri == "neo4j://[::1]:1"
    assert parsed_address("neo4j://a:b%40c@h/x", environment).password == "b@c"


def test_a_name_cannot_leave_its_quotes() -> None:
    assert quoted("a` SET x") == "`a`` SET x`"
    assert Names("g").label("Item") == "`g_Item`"
