"""A graph's hash moves with everything that is content, and with nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from graph.digest import graph_hash
from graph.records import Mutation, UpsertEdges, UpsertNodes
from tests.graph.conftest import StoreFactory
from tests.graph.graph_in_memory import GraphInMemory
from tests.graph.store_contract_model import HAS_BRAND, NEXT, PURCHASED

BASE: list[Mutation] = [
    UpsertNodes("Item", ["i", "j"], [{"title": "a", "price": 1}, {}]),
    UpsertEdges(PURCHASED, ["u"], ["i"], timestamp_ms=[0], create_missing=True),
]


@pytest.mark.parametrize(
    "edit",
    [
        UpsertNodes("Item", ["k"]),
        UpsertNodes("Brand", ["i"]),
        UpsertNodes("Item", ["i"], [{"title": "b"}]),
        UpsertNodes("Item", ["i"], [{"price": 2}]),
        UpsertNodes("Item", ["j"], [{"title": ""}]),
        UpsertEdges(PURCHASED, ["u"], ["i"], timestamp_ms=[1]),
        UpsertEdges(PURCHASED, ["u"], ["i"]),
        UpsertEdges(PURCHASED, ["u"], ["i"], weight=2.0, timestamp_ms=[0]),
        UpsertEdges(PURCHASED, ["u"], ["i"], timestamp_ms=[0], properties=[{"count": 1}]),
        UpsertEdges(PURCHASED, ["u"], ["i"], qualifiers=["q"]),
        UpsertEdges(NEXT, ["i"], ["j"]),
        UpsertEdges(NEXT, ["j"], ["i"]),
        UpsertEdges(HAS_BRAND, ["i"], ["b"], create_missing=True),
    ],
)
def test_any_edit_changes_the_hash(store_factory: StoreFactory, edit: Mutation) -> None:
    store = store_factory.fresh()
    store.apply(BASE, batch_id="one", actor="me")
    before = graph_hash(store)
    store.apply(BASE, batch_id="two", actor="you")
    assert graph_hash(store) == before
    store.apply([edit], batch_id="one", actor="me")
    assert graph_hash(store) != before


def test_the_cut_into_batches_does_not_count() -> None:
    def filled(chunk: int) -> Any:
        graph = GraphInMemory(chunk=chunk)
        for number in range(20):
            graph.add_node("Item", f"i{number:02}", title=f"title {number}")
        return graph

    assert len({graph_hash(filled(chunk)) for chunk in (1, 3, 20)}) == 1


def test_values_cannot_be_pushed_over_their_borders() -> None:
    class Texts(GraphInMemory):
        def __init__(self, *ids: str) -> None:
            super().__init__()
            self.ids = ids

        def export_nodes(self, node_type: str) -> Iterator[pa.RecordBatch]:
            if node_type == "Item":
                yield pa.record_batch({"node_id": list(self.ids), "properties": ["{}"] * len(self.ids)})

    hashes = {graph_hash(Texts(*ids)) for ids in (("ab", "c"), ("a", "bc"), ("abc",), ("", "abc"))}  # type: ignore[arg-type]
    assert len(hashes) == 4
