"""What every graph store keeps while it is shared, reopened, and loaded in bulk."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from graph.digest import graph_hash
from graph.errors import InputError
from graph.records import DeleteNodes, Mutation, Node, UpsertEdges, UpsertNodes
from graph.store import BulkLoad, GraphStore
from tests.graph.conftest import StoreFactory
from tests.graph.store_contract_model import PURCHASED, WORLD, name_of


def write(store: GraphStore, *mutations: Mutation) -> int:
    return store.apply(mutations, batch_id="test", actor="tester").changed


def purchases(*pairs: tuple[str, str], **columns: Any) -> UpsertEdges:
    sources, targets = zip(*pairs, strict=True)
    return UpsertEdges(PURCHASED, sources, targets, create_missing=True, **columns)


def found(store: GraphStore, text: str, **choice: Any) -> list[str]:
    return [hit.node.node_id for hit in store.search_nodes(text, **choice)]


def test_everything_is_there_after_reopening(store_factory: StoreFactory) -> None:
    store = store_factory.open("kept")
    store.ensure_schema(WORLD)
    write(store, UpsertNodes("Item", ["i"], [{"title": "kept phone"}]), purchases(("u", "i"), timestamp_ms=[9]))
    write(store, DeleteNodes("User", ["u"]))
    before = (graph_hash(store), store.watermark(), list(store.changes_since("0")), store.stats().nodes)
    store.close()
    with store_factory.open("kept") as again:
        assert (graph_hash(again), again.watermark(), list(again.changes_since("0")), again.stats().nodes) == before
        assert found(again, "kept") == ["i"]
        write(again, UpsertNodes("User", ["u"]))
        assert again.node("User", "u") == Node("User", "u", {}, 2)


def test_a_reader_stays_at_its_moment_while_a_writer_writes(store: GraphStore) -> None:
    write(store, purchases(("u", "i")))
    with store.reading() as reader:
        before = (reader.watermark(), graph_hash(reader))
        write(store, purchases(("u", "j"), ("v", "i")), UpsertNodes("Item", ["i"], [{"price": 9}]))
        assert (reader.watermark(), graph_hash(reader)) == before
        assert reader.node("User", "v") is None
        assert found(reader, "v") == []  # type: ignore[arg-type]
        with pytest.raises(InputError):
            reader.changes_since(store.watermark())
    assert store.node("User", "v") is not None


def test_an_iterator_left_half_read_harms_nobody(store: GraphStore) -> None:
    write(store, purchases(*(("u", f"i{number}") for number in range(10))))
    half = store.changes_since("0")
    next(half)
    write(store, purchases(("u", "later")))
    assert len(list(half)) == 1 + 10 + 10 - 1
    for _ in range(50):
        next(store.export_edges(PURCHASED))
    assert store.stats().edges[PURCHASED] == 11


def test_threads_write_and_read_without_losing_anything(store: GraphStore) -> None:
    failures: list[BaseException] = []

    def writer(name: int) -> None:
        try:
            for number in range(15):
                write(store, purchases((f"u{name}", f"i{number}"), ("shared", f"{name}-{number}")))
        except BaseException as error:
            failures.append(error)

    def reader() -> None:
        try:
            for _ in range(15):
                with store.reading() as moment:
                    rows = sum(batch.num_rows for batch in moment.export_edges(PURCHASED))
                    assert rows % 2 == 0
                    assert rows == moment.stats().edges[PURCHASED]
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=writer, args=(name,)) for name in range(4)]
    threads += [threading.Thread(target=reader) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert store.stats().edges[PURCHASED] == 4 * 15 * 2
    changes = list(store.changes_since("0"))
    assert len(changes) == len({name_of(change.record) for change in changes})


def test_a_bulk_load_may_fail_in_the_middle_and_be_repeated(store_factory: StoreFactory) -> None:
    store, other = store_factory.fresh(), store_factory.fresh()
    if not isinstance(store, BulkLoad) or not isinstance(other, BulkLoad):
        pytest.skip("this store has no bulk load")
    rows = [purchases(*((f"u{number % 5}", f"i{number}") for number in range(start, start + 20))) for start in (0, 20)]

    def breaking() -> Any:
        yield rows[0]
        raise RuntimeError("the file ended too early")

    with pytest.raises(RuntimeError, match="too early"):
        store.bulk_load(breaking(), batch_id="b", actor="a")
    with pytest.raises(InputError):
        store.bulk_load([rows[0], UpsertNodes("Item", [""])], batch_id="b", actor="a")
    store.bulk_load(rows, batch_id="b", actor="a")
    other.bulk_load(iter(rows), batch_id="b", actor="a")
    assert store.bulk_load(rows, batch_id="c", actor="a").changed == 0
    assert graph_hash(store) == graph_hash(other)  # type: ignore[arg-type]
