"""A graph made by others is used under the names it has, and nothing in it is renamed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import kindred
from graph.errors import MappingError, NotFound
from graph.neo4j import CuratedStore, Neo4jStore
from graph.neo4j.curating.adopting import adopt, read_adoption
from graph.records import DeleteEdges, UpsertEdges, UpsertNodes
from graph.snapshot import build_snapshot
from graph.store import open_store
from tests.neo4j_servers import TestServer

MAPPING = """
nodes:
  User: {label: Customer, key: customerNo, role: user}
  Item:
    label: "Product `2024`"
    key: sku
    role: item
    title: title
    properties: {title: {from: productName}, price: number}
  Brand: {label: Brand, key: name, role: attribute, properties: {name: string}}
edges:
  - {source: User, relation: PURCHASED, target: Item, type: BOUGHT, role: interaction, kind: purchase,
     weight: quantity, timestamp_ms: boughtAt, qualifier: invoice}
  - {source: Item, relation: HAS_BRAND, target: Brand, type: "made by", role: attribute}
"""
FOREIGN = """
    CREATE (a:Customer:Person {customerNo: 'c1', email: 'x'}), (b:Customer {customerNo: 'c2'}), (:Customer {other: 1}),
           (p:`Product ``2024``` {sku: 's1', productName: 'Red bag', price: 3, internal: true}),
           (q:`Product ``2024``` {sku: 's2', productName: 'Blue bag'}), (n:Brand {name: 'Nivea'}),
           (a)-[:BOUGHT {quantity: 2, boughtAt: 1600000000000, invoice: 'A1'}]->(p),
           (a)-[:BOUGHT {quantity: 1.5, invoice: 'A2'}]->(p), (b)-[:BOUGHT]->(q), (p)-[:`made by`]->(n)
"""
PURCHASED = ("User", "PURCHASED", "Item")


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    path = tmp_path / "adopt.yaml"
    path.write_text(MAPPING)
    return path


def test_a_foreign_graph_is_read_written_and_found_under_its_own_names(
    empty_neo4j: TestServer, mapping: Path, tmp_path: Path
) -> None:
    with open_store(f"{empty_neo4j.store_url}?timeout_s=60") as store:
        assert isinstance(store, Neo4jStore)
        store.line.command(FOREIGN)
        before = store.line.command("MATCH (n) RETURN labels(n) AS labels, properties(n) AS p")
        stats, unseen = adopt(store, read_adoption(mapping))
        assert stats.edges == {PURCHASED: 3, ("Item", "HAS_BRAND", "Brand"): 1, ("Item", "COMPLEMENTS", "Item"): 0}
        assert unseen == {"User": 1}
        after = "MATCH (n) WHERE NOT n:KindredMeta RETURN labels(n) AS labels, properties(n) AS p"
        assert sorted(map(repr, store.line.command(after))) == sorted(map(repr, before))
        item = store.node("Item", "s1")
        assert item is not None
        assert item.properties == {"price": 3.0, "title": "Red bag"}
        brand = store.node("Brand", "Nivea")
        assert brand is not None
        assert brand.properties == {"name": "Nivea"}
        edges = [neighbor.edge for neighbor in store.neighbors("User", "c1").neighbors]
        assert [(edge.qualifier, edge.weight, edge.timestamp_ms) for edge in edges] == [
            ("A1", 2.0, 1_600_000_000_000),
            ("A2", 1.5, None),
        ]
        assert [hit.node.node_id for hit in store.search_nodes("bag red")] == ["s1"]
        snapshot = build_snapshot(store, tmp_path / "snapshot")
        assert snapshot.watermark == "0"
        store.apply(
            [
                UpsertNodes("Item", ["s2", "s3"], [{"price": 4}, {"title": "Green bag"}]),
                UpsertEdges(PURCHASED, ["c2"], ["s3"], 5.0, [7], ["A3"]),
                DeleteEdges(PURCHASED, ["c1"], ["s1"], ["A2"]),
            ],
            batch_id="b",
            actor="a",
        )
        (made,) = store.line.command(
            "MATCH (:Customer {customerNo: 'c2'})-[r:BOUGHT]->(p {sku: 's3'}) RETURN r.quantity AS quantity, "
            "r.boughtAt AS at, r.invoice AS invoice, p.productName AS name"
        )
        assert made == {"quantity": 5.0, "at": 7, "invoice": "A3", "name": "Green bag"}
        assert len(list(store.changes_since("0"))) == 4
    with open_store(f"{empty_neo4j.store_url}?timeout_s=60") as again:
        assert again.node("Item", "s3") is not None


def test_what_is_wrong_in_a_foreign_graph_is_told_and_mended_under_its_names(
    empty_neo4j: TestServer, mapping: Path
) -> None:
    with open_store(f"{empty_neo4j.store_url}?timeout_s=60") as store:
        assert isinstance(store, CuratedStore)
        store.line.command(FOREIGN)
        adopt(store, read_adoption(mapping))
        store.line.command(
            "MATCH (b:Brand {name: 'Nivea'}), (p:`Product ``2024``` {sku: 's2'}), (c:Customer {customerNo: 'c1'}) "
            "SET p.price = 'dear' CREATE (b)-[:`made by`]->(p), (c)-[:`made by`]->(b)"
        )
        found = {(problem.kind, problem.reason) for problem in store.problems()}
        assert found == {
            ("wrong_type", "price is of type string, and the schema says number; it is left out"),
            ("wrong_ends", "made by goes from Product `2024` to Brand"),
        }
        assert len(store.problems()) == 3
        for problem in store.problems():
            if problem.kind == "wrong_ends":
                store.line.command(problem.fix.partition("//")[0])
        assert [problem.kind for problem in store.problems()] == ["wrong_type"]


def test_the_command_says_what_it_found(empty_neo4j: TestServer, mapping: Path) -> None:
    with open_store(f"{empty_neo4j.store_url}?timeout_s=60") as store:
        assert isinstance(store, Neo4jStore)
        store.line.command(FOREIGN)
    arguments = ["graph", "adopt", "--mapping", str(mapping), "--store", f"{empty_neo4j.store_url}?timeout_s=60"]
    done = CliRunner().invoke(kindred.app, [*arguments, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["nodes"] == {"User": 3, "Item": 2, "Brand": 1}
    assert said["without_key"] == {"User": 1}


def test_mappings_that_cannot_be_used_say_where(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        read_adoption(tmp_path / "none.yaml")
    for text in ("nodes: [", "nodes: {User: {label: A}}", "[]", "nodes: {}\nmore: 1"):
        path = tmp_path / "bad.yaml"
        path.write_text(text)
        with pytest.raises(MappingError):
            read_adoption(path)
