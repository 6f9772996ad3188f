"""A snapshot holds exactly what the store held, in few and always the same bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph.errors import ReleaseError, SchemaError, StoreError
from graph.snapshot import NO_TIME, Snapshot, build_snapshot, open_snapshot
from tests.graph.graph_in_memory import HAS_BRAND, NEXT, PURCHASED, SHOP, VIEWED, GraphInMemory

IDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
TIMES = st.none() | st.integers(-(2**40), 2**42)
QUALIFIERS = st.sampled_from(["", "", "basket", "Ünïcode", "z"])
EDGES = st.lists(st.tuples(IDS, IDS, QUALIFIERS, TIMES, st.sampled_from([1.0, 2.0, 0.25])), max_size=40)
FEW_EXAMPLES = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


def files_of(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


def edges_of(snapshot: Snapshot) -> set[tuple[str, str, str, float, int | None]]:
    """The edges of PURCHASED, read the slow way."""
    table = snapshot.edges(PURCHASED)
    users, items = snapshot.nodes("User"), snapshot.nodes("Item")
    found = set()
    for source in range(len(users)):
        for at in range(table.out.indptr[source], table.out.indptr[source + 1]):
            item = items.id_of(int(table.out.indices[at]))
            code = -1 if table.qualifier is None else int(table.qualifier[at])
            time = int(table.timestamp_ms_at(np.array([at]))[0])
            weight = float(table.weight[at])
            found.add(
                (users.id_of(source), item, table.qualifier_name(code), weight, None if time == NO_TIME else time)
            )
    return found


def shop(edges: list[tuple[str, str, str, int | None, float]], **options: Any) -> GraphInMemory:
    graph = GraphInMemory(**options)
    for user, item, qualifier, time, weight in edges:
        graph.add_edge(PURCHASED, user, item, at=time, qualifier=qualifier, weight=weight)
        graph.add_node("Item", item, title=item.upper(), price=weight, stock=len(item), tags=[user, item])
    return graph


@FEW_EXAMPLES
@given(edges=EDGES)
def test_every_edge_comes_back(edges: list[Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    graph = shop(edges)
    snapshot = build_snapshot(graph, tmp_path_factory.mktemp("built") / "snapshot")
    wanted = {(e.source_id, e.target_id, e.qualifier, e.weight, e.timestamp_ms) for e in graph.edges.values()}
    assert edges_of(snapshot) == wanted
    table = snapshot.edges(PURCHASED)
    pairs = {(user, item) for user, item, *_ in wanted}
    assert table.matrix().nnz == len(pairs)
    assert table.has_parallel_edges == (len(pairs) < len(wanted))
    assert table.num_edges == len(wanted)


@FEW_EXAMPLES
@given(edges=EDGES, seed=st.randoms(use_true_random=False), chunk=st.integers(1, 9))
def test_the_order_of_writing_and_the_chunks_of_export_change_no_byte(
    edges: list[Any], seed: Any, chunk: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("twice")
    first = shop(edges)
    second = GraphInMemory(chunk=chunk, backwards=True)
    nodes, links = list(first.nodes.items()), list(first.edges.items())
    seed.shuffle(nodes)
    seed.shuffle(links)
    second.nodes, second.edges = dict(nodes), dict(links)
    assert build_snapshot(first, place / "a").digest == build_snapshot(second, place / "b").digest
    assert files_of(place / "a") == files_of(place / "b")


def test_the_watermark_is_all_that_differs_between_two_stores_of_one_graph(tmp_path: Path) -> None:
    first, second = shop([("u", "i", "", 5, 1.0)]), shop([("u", "i", "", 5, 1.0)])
    second.mark = "another"
    a, b = build_snapshot(first, tmp_path / "a"), build_snapshot(second, tmp_path / "b")
    assert (a.watermark, b.watermark) == ("0", "another")
    assert a.digest == b.digest
    left, right = files_of(tmp_path / "a"), files_of(tmp_path / "b")
    assert {name for name in left if left[name] != right[name]} == {"manifest.json"}


def test_another_graph_has_another_digest_even_where_only_a_constant_differs(tmp_path: Path) -> None:
    digests = {build_snapshot(shop([("u", "i", "", time, 1.0)]), tmp_path / str(time)).digest for time in (1000, 2000)}
    weights = {
        build_snapshot(shop([("u", "i", "", 1, weight)]), tmp_path / str(weight)).digest for weight in (1.0, 2.0)
    }
    assert len(digests) == len(weights) == 2


def test_out_rows_are_in_exact_time_order_and_into_rows_too(tmp_path: Path) -> None:
    graph = GraphInMemory()
    for item, time in [("c", 1001), ("a", 1002), ("b", 1000), ("d", None), ("e", 1000)]:
        graph.add_edge(PURCHASED, "u", item, at=time)
    for user, time in [("w", 9), ("v", 8)]:
        graph.add_edge(PURCHASED, user, "a", at=time)
    snapshot = build_snapshot(graph, tmp_path / "snapshot")
    users, items, table = snapshot.nodes("User"), snapshot.nodes("Item"), snapshot.edges(PURCHASED)
    bought = [items.id_of(row) for row in table.out.row(users.indices_of(["u"])[0]).tolist()]
    assert bought == ["d", "b", "e", "c", "a"]
    buyers = [users.id_of(row) for row in table.into.row(items.indices_of(["a"])[0]).tolist()]
    assert buyers == ["v", "w", "u"]
    at = table.into_positions(np.arange(table.num_edges))
    assert sorted(at.tolist()) == list(range(table.num_edges))
    assert table.timestamp_s is not None
    assert table.timestamp_s[0] == NO_TIME


def test_columns_take_the_smallest_exact_form(tmp_path: Path) -> None:
    graph = GraphInMemory()
    for number in range(600):
        graph.add_edge(PURCHASED, f"u{number}", "i", at=number * 1000, weight=2.5)
        graph.add_edge(VIEWED, f"u{number}", "i", at=number * 10**10, weight=number % 7)
        graph.add_edge(NEXT, f"i{number}", "i", weight=number / 3)
    snapshot = build_snapshot(graph, tmp_path / "snapshot")
    names = set(snapshot.file_names)
    assert not any(name.startswith("edges/User-PURCHASED-Item/weight") for name in names)
    assert "edges/User-VIEWED-Item/weight_codes.npy" in names
    assert "edges/Item-NEXT-Item/weight.npy" in names
    assert not any("NEXT" in name and "timestamp" in name for name in names)
    assert snapshot.edges(PURCHASED).columns.timestamp.dtype == np.uint32  # type: ignore[union-attr]
    assert snapshot.edges(VIEWED).columns.timestamp.dtype == np.int64  # type: ignore[union-attr]
    assert snapshot.edges(NEXT).timestamp_s is None
    assert snapshot.edges(NEXT).qualifier is None
    wanted = sorted(number * 10**7 for number in range(600))
    assert sorted(snapshot.edges(VIEWED).timestamp_s.tolist()) == wanted  # type: ignore[union-attr]
    assert sorted(snapshot.edges(NEXT).weight.tolist()) == sorted(np.float32(n / 3) for n in range(600))
    assert set(snapshot.edges(PURCHASED).weight.tolist()) == {2.5}


def test_a_million_edges_with_times_and_weights_take_at_most_sixteen_megabytes(tmp_path: Path) -> None:
    # 1/20 of the size; bytes per edge do not shrink with the graph.
    generator = np.random.default_rng(1)
    graph = GraphInMemory(chunk=10_000)
    pairs = generator.choice(2_000 * 1_000, 50_000, replace=False)
    for pair, time, stars in zip(
        pairs.tolist(),
        generator.integers(0, 10**8, 50_000).tolist(),
        generator.integers(1, 6, 50_000).tolist(),
        strict=True,
    ):
        graph.add_edge(PURCHASED, f"u{pair // 1000}", f"i{pair % 1000}", at=time * 1000, weight=stars)
    build_snapshot(graph, tmp_path / "snapshot")
    edges = tmp_path / "snapshot" / "edges" / "User-PURCHASED-Item"
    size = sum(path.stat().st_size for path in edges.iterdir())
    assert size / graph.edges.__len__() <= 16


def test_properties_are_typed_and_titles_fall_back_to_ids(tmp_path: Path) -> None:
    graph = GraphInMemory(chunk=2)
    facts: dict[str, Any] = {
        "title": "Tea", "price": 2, "stock": 7, "sold": True, "since": 1_600_000_000_000, "tags": ["a", "b"],
    }  # fmt: skip
    graph.add_node("Item", "tea", **facts)
    for name in ("cup", "pot", "bag"):
        graph.add_node("Item", name)
    items = build_snapshot(graph, tmp_path / "snapshot").nodes("Item")
    tea = items.index_of("tea")
    assert tea is not None
    assert items.properties(tea) == facts
    assert items.properties(items.indices_of(["cup"])[0]) == {}
    assert (items.title(tea), items.title(0), items.id_of(0)) == ("Tea", "bag", "bag")
    assert items.column("price").to_pylist() == [None, None, None, 2.0]
    assert items.ids() == ["bag", "cup", "pot", "tea"]
    with pytest.raises(SchemaError, match="unknown property of Item"):
        items.column("colour")
    with pytest.raises(IndexError, match="out of range"):
        items.title(4)


@FEW_EXAMPLES
@given(ids=st.sets(IDS, max_size=30), others=st.sets(IDS, max_size=10))
def test_ids_are_found_one_by_one_and_many_at_once(
    ids: set[str], others: set[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    graph = GraphInMemory(chunk=4)
    for node_id in ids:
        graph.add_node("User", node_id)
    users = build_snapshot(graph, tmp_path_factory.mktemp("ids") / "snapshot").nodes("User")
    ordered = sorted(ids, key=str.encode)
    assert users.ids() == ordered
    asked = [*ids, *others, "", "\ud800"]
    wanted = [ordered.index(node_id) if node_id in ids else -1 for node_id in asked]
    assert users.indices_of(asked).tolist() == wanted
    assert [users.index_of(node_id) for node_id in asked] == [row if row >= 0 else None for row in wanted]


def test_an_empty_graph_is_a_snapshot_too(tmp_path: Path) -> None:
    snapshot = build_snapshot(GraphInMemory(), tmp_path / "snapshot")
    assert len(snapshot.nodes("Item")) == 0
    assert snapshot.nodes("Item").index_of("x") is None
    table = snapshot.edges(HAS_BRAND)
    assert (table.num_edges, table.matrix().shape, table.weight.size) == (0, (0, 0), 0)


def test_names_outside_the_schema_are_refused(tmp_path: Path) -> None:
    snapshot = build_snapshot(GraphInMemory(), tmp_path / "snapshot")
    with pytest.raises(SchemaError, match="unknown node type"):
        snapshot.nodes("Shop")
    with pytest.raises(SchemaError, match="unknown edge type"):
        snapshot.edges(("User", "STOLE", "Item"))


def test_a_value_of_the_wrong_type_names_the_node(tmp_path: Path) -> None:
    graph = GraphInMemory()
    graph.add_node("Item", "tea", stock="many")
    with pytest.raises(SchemaError, match=r"Item stock: expected integer, got many \(node tea\)"):
        build_snapshot(graph, tmp_path / "snapshot")
    assert list(tmp_path.iterdir()) == []


def test_an_edge_without_its_node_is_the_stores_error(tmp_path: Path) -> None:
    graph = shop([("u", "i", "", 1, 1.0)])
    del graph.nodes["Item", "i"]
    with pytest.raises(StoreError, match="without its end node"):
        build_snapshot(graph, tmp_path / "snapshot")


def test_building_again_replaces_the_snapshot_and_an_open_one_goes_on(tmp_path: Path) -> None:
    old = build_snapshot(shop([("u", "i", "", 1, 1.0)]), tmp_path / "snapshot")
    new = build_snapshot(shop([("u", "i", "", 1, 1.0), ("v", "i", "", 2, 1.0)]), tmp_path / "snapshot")
    assert (old.edges(PURCHASED).num_edges, new.edges(PURCHASED).num_edges) == (1, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["snapshot"]


def test_a_damaged_snapshot_is_refused(tmp_path: Path) -> None:
    directory = tmp_path / "snapshot"
    build_snapshot(shop([("u", "i", "", 1, 1.0)]), directory).close()
    open_snapshot(directory, verify=True).close()
    manifest = json.loads((directory / "manifest.json").read_text())
    damaged = [
        ("nodes/Item/ids.arrow", "does not match its sha256", True),
        ("edges/User-PURCHASED-Item/out_indices.npy", "does not match its sha256", True),
    ]
    for name, message, verify in damaged:
        content = (directory / name).read_bytes()
        (directory / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(ReleaseError, match=message):
            open_snapshot(directory, verify=verify)
        (directory / name).write_bytes(content[:-1])
        with pytest.raises(ReleaseError, match="wrong size"):
            open_snapshot(directory)
        (directory / name).write_bytes(content)
    for key, value in [("watermark", 7), ("format", "other/9"), ("files", {"../x": {}}), ("nodes", {})]:
        (directory / "manifest.json").write_text(json.dumps(manifest | {key: value}))
        if key != "watermark":
            with pytest.raises(ReleaseError):
                open_snapshot(directory)
    (directory / "manifest.json").write_text("[" * 100_000)
    with pytest.raises(ReleaseError, match="not JSON"):
        open_snapshot(directory)
    with pytest.raises(ReleaseError, match="no snapshot here"):
        open_snapshot(tmp_path / "nowhere")


def test_the_schema_comes_back_whole(tmp_path: Path) -> None:
    snapshot = build_snapshot(GraphInMemory(), tmp_path / "snapshot")
    assert snapshot.schema == SHOP
    assert snapshot.schema.version == SHOP.version
