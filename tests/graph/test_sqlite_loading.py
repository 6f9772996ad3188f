"""Edges of a load wait for each other; nobody can tell, whoever writes meanwhile and whatever goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from graph.digest import graph_hash
from graph.errors import InputError
from graph.records import DeleteEdges, DeleteNodes, Mutation, UpsertEdges, UpsertNodes
from graph.sqlite import SqliteStore, loading, open_sqlite
from tests.graph.store_contract_model import NEXT, PURCHASED, WORLD


def opened(directory: Path, name: str = "graph") -> SqliteStore:
    store = open_sqlite(f"sqlite:{directory}/{name}.db")
    store.ensure_schema(WORLD)
    return store


def purchases(first: int, count: int = 10) -> UpsertEdges:
    """Of ten users and seven items, in no order of either; the same pair comes back every seventy."""
    numbers = range(first, first + count)
    return UpsertEdges(
        PURCHASED,
        [f"u{number * 7 % 10}" for number in numbers],
        [f"i{number * 3 % 7}" for number in numbers],
        timestamp_ms=list(numbers),
        create_missing=True,
    )


def pairs(store: SqliteStore) -> set[tuple[str, str]]:
    return {
        (row["source_id"], row["target_id"]) for batch in store.export_edges(PURCHASED) for row in batch.to_pylist()
    }


def given(store: SqliteStore, *, before: list[Mutation], then: object, after: list[Mutation]) -> Iterator[Mutation]:
    yield from before
    then(store)  # type: ignore[operator]
    yield from after


@pytest.mark.parametrize("memory", [1, 1_000, loading.WAITING_BYTES])
def test_a_load_ends_the_same_however_many_may_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: int
) -> None:
    monkeypatch.setattr(loading, "WAITING_BYTES", memory)
    steps: list[Mutation] = [purchases(first) for first in range(0, 200, 10)]
    steps[7:7] = [DeleteEdges(PURCHASED, ["u0"], ["i0"]), DeleteNodes("User", ["u7"])]
    steps[3:3] = [UpsertEdges(NEXT, ["i1", "i2"], ["i2", "i3"], create_missing=True), UpsertNodes("Item", ["i1"])]
    with opened(tmp_path, "loaded") as loaded, opened(tmp_path, "applied") as applied:
        changed = sum(applied.apply([step], batch_id="b", actor="a").changed for step in steps)
        assert loaded.bulk_load(steps, batch_id="b", actor="a", block_rows=10).changed == changed
        assert graph_hash(loaded) == graph_hash(applied)


def test_edges_that_wait_at_a_node_that_someone_else_deletes_go_with_it(tmp_path: Path) -> None:
    with opened(tmp_path) as store, open_sqlite(store.url) as other:

        def delete(_: SqliteStore) -> None:
            other.apply([DeleteNodes("User", ["u7"]), DeleteNodes("Item", ["i3"])], batch_id="d", actor="other")

        mutations = given(store, before=[purchases(0), purchases(10)], then=delete, after=[purchases(70, 1)])
        store.bulk_load(mutations, batch_id="b", actor="a", block_rows=10)
        found = pairs(store)
        assert found
        assert not [pair for pair in found if "u7" in pair or "i3" in pair]
        assert store.node("User", "u7") is None
        assert store.stats().edges[PURCHASED] == len(found)


def test_all_edges_that_wait_may_go_with_a_node(tmp_path: Path) -> None:
    with opened(tmp_path) as store, open_sqlite(store.url) as other:

        def delete(_: SqliteStore) -> None:
            other.apply([DeleteNodes("User", ["u0"])], batch_id="d", actor="other")

        mutations = given(store, before=[purchases(0, 1)], then=delete, after=[])
        store.bulk_load(mutations, batch_id="b", actor="a", block_rows=1)
        assert not pairs(store)
        assert store.node("Item", "i0") is not None


def test_a_node_that_someone_else_deletes_is_made_again_by_a_later_edge(tmp_path: Path) -> None:
    with opened(tmp_path) as store, open_sqlite(store.url) as other:

        def delete(_: SqliteStore) -> None:
            other.apply([DeleteNodes("User", ["u0"])], batch_id="d", actor="other")

        later = UpsertEdges(PURCHASED, ["u0"], ["i6"], timestamp_ms=[5], create_missing=True)
        store.bulk_load(
            given(store, before=[purchases(0)], then=delete, after=[later]), batch_id="b", actor="a", block_rows=10
        )
        assert {pair for pair in pairs(store) if pair[0] == "u0"} == {("u0", "i6")}


def test_an_erased_node_leaves_nothing_that_waited(tmp_path: Path) -> None:
    with opened(tmp_path) as store, open_sqlite(store.url) as other:

        def erase(_: SqliteStore) -> None:
            other.erase_node("User", "u7", batch_id="e", actor="other")

        mutations = given(store, before=[purchases(0)], then=erase, after=[UpsertNodes("Item", ["last"])])
        store.bulk_load(mutations, batch_id="b", actor="a", block_rows=10)
        assert "u7" not in {source for source, _ in pairs(store)}
        assert len({source for source, _ in pairs(store)}) == 9


def test_what_was_taken_before_an_error_is_there(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        refused = UpsertEdges(PURCHASED, ["u0", ""], ["i0", "i1"], create_missing=True)
        with pytest.raises(InputError):
            store.bulk_load([purchases(0), refused], batch_id="b", actor="a", block_rows=10)
        assert len(pairs(store)) == 10


def test_rows_of_a_block_that_fails_do_not_wait(tmp_path: Path) -> None:
    """The nodes they refer to are rolled back with the block."""
    with opened(tmp_path) as store:
        refused = UpsertNodes("Item", ["fine", ""])
        with pytest.raises(InputError):
            store.bulk_load([purchases(0, 5), refused], batch_id="b", actor="a", block_rows=100)
        assert not pairs(store)
        assert store.stats().edges.get(PURCHASED, 0) == 0
        store.bulk_load([purchases(0, 5)], batch_id="b", actor="a")
        assert len(pairs(store)) == 5
