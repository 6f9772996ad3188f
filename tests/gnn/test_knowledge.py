"""What models read from a snapshot: interactions in order, knowledge as matrices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gnn.data import NO_TIME
from gnn.data.knowledge import holdout_from, interactions_from, knowledge_from
from graph.records import UpsertEdges, UpsertNodes
from graph.schema import GraphSchema
from graph.snapshot import Snapshot, build_snapshot
from graph.store import open_store

SCHEMA = GraphSchema.parse(
    {
        "nodes": [
            {"name": "User", "role": "user"},
            {"name": "Item", "role": "item"},
            {"name": "Category", "role": "attribute"},
            {"name": "Person", "role": "attribute"},
        ],
        "edges": [
            {"source": "User", "relation": "VIEWED", "target": "Item", "role": "interaction", "kind": "view"},
            {"source": "User", "relation": "BOUGHT", "target": "Item", "role": "interaction", "kind": "purchase"},
            {
                "source": "User",
                "relation": "RETURNED",
                "target": "Item",
                "role": "interaction",
                "kind": "return",
                "positive": False,
            },
            {
                "source": "User",
                "relation": "TESTED",
                "target": "Item",
                "role": "interaction",
                "kind": "purchase",
                "holdout": True,
            },
            {"source": "Item", "relation": "IN_CATEGORY", "target": "Category", "role": "attribute"},
            {"source": "Category", "relation": "UNDER", "target": "Category", "role": "hierarchy"},
            {"source": "Person", "relation": "DESIGNED", "target": "Item", "role": "knowledge"},
            {"source": "Person", "relation": "KNOWS", "target": "Person", "role": "knowledge"},
            {"source": "Item", "relation": "GOES_WITH", "target": "Item", "role": "item_relation"},
            {
                "source": "Item",
                "relation": "ALSO_BOUGHT",
                "target": "Item",
                "role": "item_relation",
                "learn": False,
            },
        ],
    }
)


def edges(relation: str, source: str, target: str, pairs: str, **columns: object) -> UpsertEdges:
    sources, targets = zip(*(pair.split(">") for pair in pairs.split()), strict=True)
    return UpsertEdges((source, relation, target), sources, targets, create_missing=True, **columns)


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    folder: Path = tmp_path_factory.mktemp("knowledge")
    store = open_store(f"sqlite:{folder / 'graph.db'}")
    store.ensure_schema(SCHEMA)
    store.apply(
        [
            UpsertNodes("User", ["u1", "u2", "u3"]),
            UpsertNodes("Item", ["i1", "i2", "i3", "i4"]),
            edges("VIEWED", "User", "Item", "u1>i3 u1>i1 u2>i2", timestamp_ms=[5_000, 1_000, None]),
            edges(
                "BOUGHT",
                "User",
                "Item",
                "u1>i2 u1>i1 u1>i3 u2>i1",
                timestamp_ms=[3_000, 3_000, 9_000, 2_000],
                qualifiers=["inv-1", "inv-1", "inv-2", "inv-3"],
                weight=[2.0, 1.0, 1.0, 4.0],
            ),
            edges("RETURNED", "User", "Item", "u2>i1", timestamp_ms=[4_000]),
            edges("TESTED", "User", "Item", "u1>i4 u3>i1", timestamp_ms=[20_000, 20_000]),
            edges("IN_CATEGORY", "Item", "Category", "i1>lipstick i2>make-up i3>shoes"),
            edges("UNDER", "Category", "Category", "lipstick>make-up make-up>beauty beauty>lipstick"),
            edges("DESIGNED", "Person", "Item", "coco>i1 coco>i3"),
            edges("KNOWS", "Person", "Person", "coco>jean"),
            edges("GOES_WITH", "Item", "Item", "i1>i3"),
            edges("ALSO_BOUGHT", "Item", "Item", "i1>i2"),
        ],
        batch_id="first",
        actor="test",
    )
    return build_snapshot(store, folder / "snapshot")


def test_every_positive_kind_is_read_in_time_order_per_user(snapshot: Snapshot) -> None:
    known = interactions_from(snapshot)
    names = snapshot.nodes("Item")
    rows = [
        (int(user), names.id_of(int(item)), known.kinds[kind])
        for user, item, kind in zip(known.user_index, known.item_index, known.kind, strict=True)
    ]
    assert rows == [
        (0, "i1", "view"),
        (0, "i1", "purchase"),
        (0, "i2", "purchase"),
        (0, "i3", "view"),
        (0, "i3", "purchase"),
        (1, "i2", "view"),
        (1, "i1", "purchase"),
    ]
    assert (known.num_users, known.num_items) == (3, 4)
    assert known.timestamp_s.tolist() == [1, 3, 3, 5, 9, NO_TIME, 2]
    assert known.weight.tolist() == [1, 1, 2, 1, 1, 1, 4]


def test_what_was_bought_together_shares_a_basket(snapshot: Snapshot) -> None:
    known = interactions_from(snapshot)
    baskets = known.basket.tolist()
    assert baskets[1] == baskets[2] != baskets[4]
    assert [basket for basket, kind in zip(baskets, known.kind, strict=True) if known.kinds[kind] == "view"] == [-1] * 3


def test_the_holdout_is_never_among_what_is_learned(snapshot: Snapshot) -> None:
    held = holdout_from(snapshot)
    assert list(zip(held.user_index.tolist(), held.item_index.tolist(), strict=True)) == [(0, 3), (2, 0)]
    assert not (interactions_from(snapshot).item_index == 3).any()


def test_what_speaks_against_an_item_is_read_only_when_asked_for(snapshot: Snapshot) -> None:
    everything = interactions_from(snapshot, positive_only=False)
    assert len(everything) == len(interactions_from(snapshot)) + 1
    assert "return" in everything.kinds


def test_knowledge_that_ends_at_items_is_turned_round(snapshot: Snapshot) -> None:
    attributes = knowledge_from(snapshot).attributes
    assert set(attributes) == {("Item", "IN_CATEGORY", "Category"), ("Item", "rev_DESIGNED", "Person")}
    assert attributes[("Item", "rev_DESIGNED", "Person")].toarray()[:, 0].tolist() == [1, 0, 1, 0]


def test_an_item_also_has_what_lies_above_its_attribute_even_in_a_circle(snapshot: Snapshot) -> None:
    names = snapshot.nodes("Category").ids()
    key = ("Item", "IN_CATEGORY", "Category")
    folded = knowledge_from(snapshot).attributes[key].toarray()
    assert {names[column] for column in np.flatnonzero(folded[0])} == {"lipstick", "make-up", "beauty"}
    assert {names[column] for column in np.flatnonzero(folded[2])} == {"shoes"}
    plain = knowledge_from(snapshot, fold_hierarchy=False).attributes[key].toarray()
    assert plain.sum(axis=1).tolist() == [1, 1, 1, 0]


def test_relations_that_leak_are_not_learned(snapshot: Snapshot) -> None:
    relations = knowledge_from(snapshot).relations
    assert set(relations) == {("Item", "GOES_WITH", "Item")}
    assert relations[("Item", "GOES_WITH", "Item")].toarray()[0].tolist() == [0, 0, 1, 0]


def test_text_goes_through_untouched(snapshot: Snapshot) -> None:
    text = np.eye(4, dtype=np.float32)
    assert knowledge_from(snapshot, text).text is text
