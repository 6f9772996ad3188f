"""What every graph store promises, one behaviour at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from graph.digest import graph_hash
from graph.errors import Conflict, InputError, NotFound, SchemaError
from graph.records import DeleteEdges, DeleteNodes, Mutation, Node, UpsertEdges, UpsertNodes
from graph.schema import GraphSchema
from graph.store import GraphStore, KnowsMany
from tests.graph.conftest import StoreFactory
from tests.graph.store_contract_model import HAS_BRAND, HOSTILE, NEXT, PURCHASED, WORLD, name_of


def write(store: GraphStore, *mutations: Mutation) -> int:
    return store.apply(mutations, batch_id="test", actor="tester").changed


def purchases(*pairs: tuple[str, str], **columns: Any) -> UpsertEdges:
    sources, targets = zip(*pairs, strict=True)
    return UpsertEdges(PURCHASED, sources, targets, create_missing=True, **columns)


def found(store: GraphStore, text: str, **choice: Any) -> list[str]:
    return [hit.node.node_id for hit in store.search_nodes(text, **choice)]


# Schema


def test_without_a_schema_the_error_says_what_to_do(store_factory: StoreFactory) -> None:
    store = store_factory.open("no-schema")
    with pytest.raises(SchemaError, match="no schema yet"):
        _ = store.schema
    with pytest.raises(SchemaError, match="no schema yet"):
        write(store, UpsertNodes("Item", ["i1"]))


def test_schemas_merge_and_stay(store_factory: StoreFactory) -> None:
    store = store_factory.open("schema")
    store.ensure_schema(WORLD)
    tagged = GraphSchema.parse(
        {
            "nodes": [
                {"name": "User", "role": "user"},
                {"name": "Item", "role": "item"},
                {"name": "Tag", "role": "attribute"},
            ]
        }
    )
    store.ensure_schema(tagged)
    store.close()
    schema = store_factory.open("schema").schema
    assert [node.name for node in schema.nodes] == ["User", "Item", "Brand", "Tag"]
    assert schema.edges == WORLD.edges


def test_a_schema_that_does_not_fit_is_refused_and_changes_nothing(store: GraphStore) -> None:
    other = GraphSchema.parse({"nodes": [{"name": "Customer", "role": "user"}, {"name": "Item", "role": "item"}]})
    with pytest.raises(SchemaError, match="role"):
        store.ensure_schema(other)
    assert store.schema == WORLD


@pytest.mark.parametrize(
    "mutation",
    [
        UpsertNodes("Shop", ["s1"]),
        UpsertNodes("Item` {x: 1}) //", ["s1"]),
        DeleteNodes("item", ["s1"]),
        UpsertEdges(("User", "SOLD", "Item"), ["u"], ["i"]),
        DeleteEdges(("Item", "PURCHASED", "User"), ["u"], ["i"]),
        UpsertNodes("Item", ["i1"], [{"colour": "red"}]),
        UpsertNodes("User", ["u1"], [{"title": "x"}]),
        UpsertEdges(NEXT, ["a"], ["b"], properties=[{"note": "x"}], create_missing=True),
    ],
)
def test_names_outside_the_schema_are_refused(store: GraphStore, mutation: Mutation) -> None:
    with pytest.raises(SchemaError, match="unknown"):
        write(store, UpsertNodes("Brand", ["b"]), mutation)
    assert store.stats().nodes["Brand"] == 0


# Writing


def test_properties_merge_replace_and_disappear(store: GraphStore) -> None:
    write(store, UpsertNodes("Item", ["i"], [{"title": "Phone", "price": 3, "tags": ["a", "b"]}]))
    write(store, UpsertNodes("Item", ["i"], [{"price": None, "stock": 7}]))
    assert store.node("Item", "i") == Node("Item", "i", {"stock": 7, "tags": ["a", "b"], "title": "Phone"}, 2)
    write(store, UpsertNodes("Item", ["i"]))
    write(store, UpsertNodes("Item", ["i"], [{"sold": True, "stock": None}], replace=True))
    assert store.node("Item", "i") == Node("Item", "i", {"sold": True}, 3)
    write(store, UpsertNodes("Item", ["i"], replace=True))
    assert store.node("Item", "i") == Node("Item", "i", {}, 4)


def test_versions_move_only_when_content_does(store: GraphStore) -> None:
    row = UpsertNodes("Item", ["i"], [{"title": "Phone", "price": 3}])
    assert [write(store, row), write(store, row)] == [1, 0]
    same = UpsertNodes("Item", ["i"], [{"price": 3.0, "title": "Phone"}])
    assert write(store, same) == 0
    edge = purchases(("u", "i"), timestamp_ms=[5], properties=[{"count": 2}])
    assert [write(store, edge), write(store, edge)] == [2, 0]
    assert write(store, purchases(("u", "i"), timestamp_ms=[6])) == 1
    (neighbor,) = store.neighbors("User", "u").neighbors
    assert (neighbor.edge.version, neighbor.edge.timestamp_ms, neighbor.edge.properties) == (2, 6, {"count": 2})


def test_qualifiers_keep_repeated_interactions_apart(store: GraphStore) -> None:
    write(store, purchases(("u", "i"), ("u", "i"), ("u", "i"), qualifiers=["a", "b", "a"], weight=[1.0, 2.0, 3.0]))
    edges = [(neighbor.edge.qualifier, neighbor.edge.weight) for neighbor in store.neighbors("User", "u").neighbors]
    assert edges == [("a", 3.0), ("b", 2.0)]
    assert write(store, DeleteEdges(PURCHASED, ["u"], ["i"], ["b"])) == 1
    assert write(store, DeleteEdges(PURCHASED, ["u"], ["i"])) == 1
    assert store.stats().edges[PURCHASED] == 0


def test_a_deleted_node_takes_its_edges_along_and_comes_back_empty_and_newer(store: GraphStore) -> None:
    write(store, UpsertNodes("Item", ["i"], [{"title": "secret words"}]), purchases(("u", "i"), ("u", "j")))
    write(store, UpsertEdges(NEXT, ["i", "j", "i"], ["j", "i", "i"]))
    assert write(store, DeleteNodes("Item", ["i", "never was"])) == 5
    assert store.node("Item", "i") is None
    assert store.stats().edges == {PURCHASED: 1, HAS_BRAND: 0, NEXT: 0}
    assert found(store, "secret") == []
    write(store, UpsertNodes("Item", ["i"]))
    assert store.node("Item", "i") == Node("Item", "i", {}, 2)
    assert [neighbor.node for neighbor in store.neighbors("Item", "i").neighbors] == []


def test_a_batch_is_written_whole_or_not_at_all(store: GraphStore) -> None:
    before = store.watermark()
    with pytest.raises(NotFound, match="PURCHASED"):
        write(store, UpsertNodes("Item", ["i"]), UpsertEdges(PURCHASED, ["nobody"], ["i"]))
    with pytest.raises(InputError):
        write(store, purchases(("u", "i")), UpsertNodes("Item", ["fine", ""]))
    assert store.watermark() == before
    assert store.node("Item", "i") is None


def test_ends_are_created_only_when_asked(store: GraphStore) -> None:
    with pytest.raises(NotFound, match="create_missing"):
        write(store, UpsertEdges(PURCHASED, ["u"], ["i"]))
    write(store, purchases(("u", "i")))
    assert store.node("User", "u") == Node("User", "u", {}, 1)
    write(store, DeleteNodes("User", ["u"]))
    with pytest.raises(NotFound):
        write(store, UpsertEdges(PURCHASED, ["u"], ["i"]))


def test_conditional_writes_refuse_what_changed(store: GraphStore) -> None:
    write(store, UpsertNodes("Item", ["i"], [{"price": 1}], expected_version=[0]))
    write(store, UpsertNodes("Item", ["i"], [{"price": 2}], expected_version=[1]))
    with pytest.raises(Conflict) as caught:
        write(store, UpsertNodes("Item", ["j", "i"], [{"price": 3}, {"price": 3}], expected_version=[0, 1]))
    assert (caught.value.expected, caught.value.got) == ("version 1", "version 2")
    assert store.node("Item", "j") is None
    with pytest.raises(Conflict):
        write(store, UpsertNodes("Item", ["i"], expected_version=[0]))
    write(store, DeleteNodes("Item", ["i"]))
    with pytest.raises(Conflict):
        write(store, UpsertNodes("Item", ["i"], expected_version=[2]))
    write(store, UpsertNodes("Item", ["i"], expected_version=[0]))
    assert store.node("Item", "i") == Node("Item", "i", {}, 3)


@pytest.mark.parametrize("hostile", ["", "x" * 513, "a\0b", "\ud800", 7, None, b"bytes"])
def test_ids_that_cannot_be_kept_are_refused(store: GraphStore, hostile: Any) -> None:
    for mutation in (
        UpsertNodes("Item", ["ok", hostile]),
        UpsertEdges(PURCHASED, ["u", hostile], ["i", "i"], create_missing=True),
        UpsertEdges(PURCHASED, ["u", "u"], ["i", hostile], create_missing=True),
        DeleteNodes("Item", [hostile]),
        DeleteEdges(PURCHASED, [hostile], ["i"]),
    ):
        with pytest.raises(InputError):
            write(store, mutation)
    for audit in ({"batch_id": hostile, "actor": "a"}, {"batch_id": "b", "actor": hostile}):
        with pytest.raises(InputError):
            store.apply([UpsertNodes("Item", ["ok"])], **audit)
    assert store.stats().nodes["Item"] == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("title", 7),
        ("title", "nul \0"),
        ("title", "lone \udfff"),
        ("title", ["list"]),
        ("price", float("nan")),
        ("price", float("inf")),
        ("price", "3"),
        ("price", True),
        ("price", 10**400),
        ("stock", 1.5),
        ("stock", 2**63),
        ("stock", True),
        ("sold", 1),
        ("sold", "true"),
        ("since", "2020-01-01"),
        ("since", 1.5),
        ("tags", "not a list"),
        ("tags", ["a", 1]),
        ("tags", ["a\0"]),
        ("tags", {"a": 1}.items()),
    ],
)
def test_values_of_another_kind_are_refused(store: GraphStore, name: str, value: Any) -> None:
    with pytest.raises(InputError, match=name):
        write(store, UpsertNodes("Item", ["i"], [{name: value}]))
    assert store.node("Item", "i") is None


@pytest.mark.parametrize(
    "columns",
    [
        {"weight": float("nan")},
        {"weight": [float("inf")]},
        {"weight": ["1"]},
        {"weight": [1.0, 2.0]},
        {"timestamp_ms": [1.5]},
        {"timestamp_ms": [2**63]},
        {"timestamp_ms": ["now"]},
        {"timestamp_ms": []},
        {"qualifiers": ["\0"]},
        {"qualifiers": [None]},
        {"qualifiers": "q"},
        {"properties": [{"count": "2"}]},
        {"properties": []},
    ],
)
def test_edge_columns_that_cannot_be_kept_are_refused(store: GraphStore, columns: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        write(store, purchases(("u", "i"), **columns))
    assert store.stats().edges[PURCHASED] == 0


def test_numpy_and_arrow_columns_are_the_same_as_lists(store_factory: StoreFactory) -> None:
    users, items, times, weights = ["u1", "u2", "u1"], ["i1", "i1", "i2"], [3, 1, 2], [0.5, 1.0, 2.0]
    columns = {"weight": weights, "timestamp_ms": times}
    hashes = []
    for made in (list, np.array, pa.array):
        store = store_factory.fresh()
        made_columns = {name: made(column) for name, column in columns.items()}
        write(store, UpsertEdges(PURCHASED, made(users), made(items), create_missing=True, **made_columns))
        assert store.stats().edges[PURCHASED] == 3
        hashes.append(graph_hash(store))
    assert len(set(hashes)) == 1


def test_hostile_names_and_values_are_only_text(store: GraphStore) -> None:
    canary = [UpsertNodes("Item", ["canary"], [{"title": "canary"}]), purchases(("canary", "canary"))]
    write(store, *canary)
    for text in HOSTILE:
        row = UpsertNodes("Item", [text], [{"title": text, "tags": [text]}])
        write(store, row, purchases((text, text), qualifiers=[text], properties=[{"note": text}]))
        assert store.node("Item", text) == Node("Item", text, {"tags": [text], "title": text}, 1)
        assert text in found(store, text)
        (neighbor,) = store.neighbors("User", text).neighbors
        assert (neighbor.node, neighbor.edge.qualifier, neighbor.edge.properties) == (
            ("Item", text),
            text,
            {"note": text},
        )
    assert write(store, *canary) == 0
    for text in HOSTILE:
        write(store, DeleteNodes("Item", [text]), DeleteNodes("User", [text]))
    stats = store.stats()
    assert (stats.nodes, stats.edges) == ({"User": 1, "Item": 1, "Brand": 0}, {PURCHASED: 1, HAS_BRAND: 0, NEXT: 0})


# Changes


def test_changes_are_each_row_once_in_its_latest_state(store: GraphStore) -> None:
    start = store.watermark()
    write(store, UpsertNodes("Item", ["i", "j"], [{"price": 1}, {"price": 1}]))
    middle = store.watermark()
    store.apply([purchases(("u", "i")), UpsertNodes("Item", ["i"], [{"price": 2}])], batch_id="second", actor="curator")
    late = store.watermark()
    write(store, DeleteEdges(PURCHASED, ["u"], ["i"]))

    def feed(since: str, **choice: Any) -> list[tuple[str, Any, str, str]]:
        return [
            (change.operation, name_of(change.record), change.batch_id, change.actor)
            for change in store.changes_since(since, **choice)
        ]

    edge = ("delete", (PURCHASED, "u", "i", ""), "test", "tester")
    user, item = ("upsert", ("User", "u"), "second", "curator"), ("upsert", ("Item", "i"), "second", "curator")
    assert feed(start) == [("upsert", ("Item", "j"), "test", "tester"), user, item, edge]
    assert feed(middle) == [user, item, edge]
    assert feed(late) == [edge]
    assert feed(store.watermark()) == []
    assert feed(start, limit=2) == feed(start)[:2]
    assert feed(start, limit=0) == []


def test_many_ids_are_asked_for_in_one_question(store: GraphStore) -> None:
    assert isinstance(store, KnowsMany)
    store.apply([UpsertNodes("Item", ["a", "b", "ünï"])], batch_id="b", actor="t")
    assert store.known_ids("Item", ["a", "ünï", "c", "", "a" * 600, "no\0", "\ud800"]) == {"a", "ünï"}
    assert store.known_ids("Item", []) == set()
    assert store.known_ids("User", ["a"]) == set()
    with pytest.raises(SchemaError):
        store.known_ids("Nothing", ["a"])


def test_a_feed_of_rows_that_were_written_often_has_each_once(store: GraphStore) -> None:
    """Batches whose rows others have written since are many, and have none left."""
    store.apply([UpsertNodes("Item", ["first"])], batch_id="b0", actor="t")
    for number in range(5):
        store.apply([UpsertNodes("Item", ["often"], [{"title": f"{number}"}])], batch_id=f"b{number + 1}", actor="t")
    assert [(name_of(change.record)[1], change.batch_id) for change in store.changes_since("0")] == [
        ("first", "b0"),
        ("often", "b5"),
    ]


def test_a_feed_read_in_pieces_is_the_whole_feed(store: GraphStore) -> None:
    start = store.watermark()
    write(store, purchases(*((f"u{number % 7}", f"i{number}") for number in range(40))))
    whole = list(store.changes_since(start))
    pieces = []
    while piece := list(store.changes_since(start, limit=3)):
        pieces += piece
        start = piece[-1].watermark
    assert pieces == whole
    assert len(whole) == 7 + 40 + 40


@pytest.mark.parametrize("watermark", ["", "x", "-1", "1e3", "99999999", "9" * 40, "١", " 1", None])
def test_foreign_watermarks_are_refused_at_once(store: GraphStore, watermark: Any) -> None:
    with pytest.raises(InputError, match="watermark"):
        store.changes_since(watermark)
