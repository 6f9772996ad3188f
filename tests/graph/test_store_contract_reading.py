"""What every graph store answers: neighbours, paths, search and exports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from graph.errors import InputError, NotFound, SchemaError
from graph.records import DeleteEdges, DeleteNodes, Mutation, UpsertEdges, UpsertNodes
from graph.store import EDGE_COLUMNS, NODE_COLUMNS, GraphStore
from tests.graph.store_contract_model import HAS_BRAND, HOSTILE, NEXT, PURCHASED


def write(store: GraphStore, *mutations: Mutation) -> int:
    return store.apply(mutations, batch_id="test", actor="tester").changed


def purchases(*pairs: tuple[str, str], **columns: Any) -> UpsertEdges:
    sources, targets = zip(*pairs, strict=True)
    return UpsertEdges(PURCHASED, sources, targets, create_missing=True, **columns)


def found(store: GraphStore, text: str, **choice: Any) -> list[str]:
    return [hit.node.node_id for hit in store.search_nodes(text, **choice)]


def test_absent_things_are_none_empty_or_not_found(store: GraphStore) -> None:
    assert store.node("Item", "nobody") is None
    assert store.node("Item", "\ud800") is None
    assert list(store.export_nodes("Item")) == []
    assert list(store.export_edges(PURCHASED)) == []
    assert store.search_nodes("anything") == []
    with pytest.raises(NotFound):
        store.neighbors("Item", "nobody")
    with pytest.raises(NotFound):
        store.paths(("Item", "nobody"), ("Item", "nothing"))


@pytest.mark.parametrize(
    "read",
    [
        lambda store: store.node("Shop", "s"),
        lambda store: store.neighbors("Shop", "s"),
        lambda store: store.neighbors("Item", "i", edge_types=[("Item", "SOLD", "Item")]),
        lambda store: store.paths(("Item", "i"), ("Item", "i"), edge_types=[("A", "B", "C")]),
        lambda store: store.search_nodes("x", node_type="Shop"),
        lambda store: store.export_nodes("Shop"),
        lambda store: store.export_edges(("Item", "SOLD", "Item")),
    ],
)
def test_reading_by_unknown_names_is_refused_at_once(store: GraphStore, read: Callable[[GraphStore], object]) -> None:
    write(store, UpsertNodes("Item", ["i"]))
    with pytest.raises(SchemaError, match="unknown"):
        read(store)


def test_exports_have_the_published_columns_in_byte_order(store: GraphStore) -> None:
    write(store, purchases(("ü", "b"), ("u", "a"), ("u", "B"), ("u", "a"), qualifiers=["", "2", "", "10"]))
    nodes = list(store.export_nodes("User"))
    edges = list(store.export_edges(PURCHASED))
    assert all(batch.schema == NODE_COLUMNS for batch in nodes)
    assert all(batch.schema == EDGE_COLUMNS for batch in edges)
    assert [row["node_id"] for batch in nodes for row in batch.to_pylist()] == ["u", "ü"]
    keys = [(row["source_id"], row["target_id"], row["qualifier"]) for batch in edges for row in batch.to_pylist()]
    assert keys == [("u", "B", ""), ("u", "a", "10"), ("u", "a", "2"), ("ü", "b", "")]


def test_neighbors_can_be_chosen_by_edge_type_and_direction(store: GraphStore) -> None:
    write(store, purchases(("u", "i")), UpsertEdges(HAS_BRAND, ["i"], ["b"], create_missing=True))
    write(store, UpsertEdges(NEXT, ["i"], ["j"], create_missing=True))

    def nodes(**choice: Any) -> list[tuple[str, str]]:
        return sorted(neighbor.node for neighbor in store.neighbors("Item", "i", **choice).neighbors)

    assert nodes() == [("Brand", "b"), ("Item", "j"), ("User", "u")]
    assert nodes(direction="out") == [("Brand", "b"), ("Item", "j")]
    assert nodes(direction="in") == [("User", "u")]
    assert nodes(edge_types=[NEXT, PURCHASED]) == [("Item", "j"), ("User", "u")]
    assert nodes(edge_types=[]) == []


def test_pages_hold_every_neighbor_once_while_edges_are_written(store: GraphStore) -> None:
    write(store, purchases(*(("u", f"i{number}") for number in range(50))))
    seen: list[str] = []
    cursor = None
    for step in range(100):
        page = store.neighbors("User", "u", limit=7, cursor=cursor)
        seen += [neighbor.node[1] for neighbor in page.neighbors]
        write(store, purchases(("v", f"i{step}")), DeleteEdges(PURCHASED, ["u"], [seen[0]]))
        cursor = page.next_cursor
        if cursor is None:
            break
    assert sorted(seen) == sorted(f"i{number}" for number in range(50))


@pytest.mark.parametrize(
    "cursor", ["", "x", "AAAA", "W10=", "WzEsMSwxLCIiXQ==", "[0,0,0]", "é", "\ud800", "A" * 10_000]
)
def test_hostile_cursors_are_refused(store: GraphStore, cursor: str) -> None:
    write(store, purchases(("u", "i"), ("u", "j")))
    with pytest.raises(InputError, match="cursor"):
        store.neighbors("User", "u", cursor=cursor)


def test_a_cursor_belongs_to_its_question(store: GraphStore) -> None:
    write(store, purchases(("u", "i"), ("u", "j"), ("v", "i")))
    cursor = store.neighbors("User", "u", limit=1).next_cursor
    assert cursor is not None
    for question in ({"node_id": "v"}, {"node_id": "u", "direction": "in"}):
        with pytest.raises(InputError, match="cursor"):
            store.neighbors("User", cursor=cursor, **question)  # type: ignore[arg-type]


def test_limits_below_one_are_refused(store: GraphStore) -> None:
    write(store, UpsertNodes("User", ["u"]))
    for read in (
        lambda: store.neighbors("User", "u", limit=0),
        lambda: store.search_nodes("u", limit=0),
        lambda: store.paths(("User", "u"), ("User", "u"), limit=0),
        lambda: store.paths(("User", "u"), ("User", "u"), max_hops=0),
    ):
        with pytest.raises(InputError):
            read()


def test_paths_come_shortest_first_and_never_meet_themselves(store: GraphStore) -> None:
    write(store, UpsertEdges(NEXT, ["a", "b", "a", "c", "c"], ["b", "c", "c", "d", "a"], create_missing=True))
    write(store, UpsertNodes("Item", ["alone"]))

    def walks(**choice: Any) -> list[str]:
        return ["".join(node[1] for node in path.nodes) for path in store.paths(("Item", "a"), ("Item", "d"), **choice)]

    assert walks(max_hops=3) == ["acd", "acd", "abcd"]
    assert walks(max_hops=2, limit=1) == ["acd"]
    assert walks(max_hops=1) == []
    assert store.paths(("Item", "a"), ("Item", "alone")) == []
    assert store.paths(("Item", "a"), ("Item", "a")) == []
    for path in store.paths(("Item", "d"), ("Item", "a"), max_hops=4):
        for left, edge, right in zip(path.nodes, path.edges, path.nodes[1:], strict=False):
            assert {left[1], right[1]} == {edge.source_id, edge.target_id}


def test_paths_cross_types_and_can_be_kept_to_some(store: GraphStore) -> None:
    write(
        store,
        purchases(("u", "i"), ("v", "i"), ("v", "j")),
        UpsertEdges(HAS_BRAND, ["i", "j"], ["b", "b"], create_missing=True),
    )
    ends = (("User", "u"), ("Item", "j"))
    all_paths = [[node[1] for node in path.nodes] for path in store.paths(*ends)]
    assert sorted(all_paths) == [["u", "i", "b", "j"], ["u", "i", "v", "j"]]
    (only,) = store.paths(*ends, edge_types=[PURCHASED])
    assert [node[1] for node in only.nodes] == ["u", "i", "v", "j"]


def test_search_finds_words_in_ids_and_texts_best_first(store: GraphStore) -> None:
    titles = {
        "SKU-1-RED": "Nokia phone",
        "i2": "Café crème, très bon",
        "i3": "红色智能手机壳",
        "i4": "phone phone case",
    }
    rows = [{"title": title, "tags": ["Summer sale"]} for title in titles.values()]
    write(store, UpsertNodes("Item", list(titles), rows), UpsertNodes("Brand", ["phone"], [{"name": "Phone Inc"}]))
    assert found(store, "red") == ["SKU-1-RED"]
    assert found(store, "nokia PHONE") == ["SKU-1-RED"]
    assert found(store, "cafe creme") == ["i2"]
    assert found(store, "手机") == found(store, "智") == found(store, "红色智能手机壳") == ["i3"]
    assert found(store, "机手") == []
    assert set(found(store, "pho")) == {"SKU-1-RED", "i4", "phone"}
    assert found(store, "phone")[0] == "phone"
    assert set(found(store, "phone", node_type="Item")) == {"SKU-1-RED", "i4"}
    assert len(found(store, "summer", limit=2)) == 2
    scores = [hit.score for hit in store.search_nodes("phone")]
    assert scores == sorted(scores, reverse=True)


def test_search_follows_edits_and_deletes(store: GraphStore) -> None:
    write(store, UpsertNodes("Item", ["i"], [{"title": "old words"}]))
    write(store, UpsertNodes("Item", ["i"], [{"title": "new words"}]))
    assert (found(store, "old"), found(store, "new")) == ([], ["i"])
    write(store, UpsertNodes("Item", ["i"], [{"title": None}]))
    assert found(store, "words") == []
    write(store, DeleteNodes("Item", ["i"]))
    assert found(store, "i") == []


@pytest.mark.parametrize(
    "text", [*HOSTILE, "", " ", '"', "*", "^", "a:b", "title:x", "{", "NOT", "x" * 100_000, "\0", "\ud800"]
)
def test_any_text_is_a_safe_search(store: GraphStore, text: str) -> None:
    write(store, UpsertNodes("Item", ["i"], [{"title": "Phone"}]))
    assert store.search_nodes(text) == []
