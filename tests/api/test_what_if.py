"""What-if answers as the graph would after the edits, and leaves it as it was."""

from __future__ import annotations

import pytest

from api.engine import Answer, Engine, Event, Request
from api.engine.questions.editing import edited, forked, qualifiers_between
from api.engine.questions.imagining import what_if
from graph.digest import graph_hash
from graph.errors import InputError, NotFound, SchemaError
from graph.records import DeleteEdges, DeleteNodes, Mutation, UpsertEdges, UpsertNodes
from tests.api.corner_shop import COMPLEMENTS, HAS_BRAND, IN_CATEGORY, PURCHASED, VIEWED, Shop, invoice

USERS = ("t05", "b03", "both", "fresh")
EDITS: list[list[Mutation]] = [
    [UpsertEdges(HAS_BRAND, ["lonely"], ["acme"]), UpsertEdges(IN_CATEGORY, ["lonely"], ["Food"])],
    [UpsertEdges(COMPLEMENTS, ["tea"], ["lonely"])],
    [DeleteEdges(COMPLEMENTS, ["tea"], ["biscuit"])],
    [DeleteEdges(HAS_BRAND, ["cream"], ["nivea"])],
    [DeleteNodes("Product", ["mug"])],
    [DeleteNodes("Brand", ["acme"])],
    [UpsertNodes("Product", ["cup"], [{"title": "Great cup", "price": 3}])],
    [UpsertNodes("Product", ["jar"], [{"title": "Jar"}]), UpsertEdges(HAS_BRAND, ["jar"], ["acme"])],
    [UpsertNodes("Customer", ["fresh"]), UpsertEdges(VIEWED, ["fresh"], ["soap"], timestamp_ms=[1])],
    [invoice("t05", ["soap", "towel"], 60, "x-1"), DeleteEdges(PURCHASED, ["t05"], ["tea"])],
]


def ask_everything(engine: Engine) -> list[Answer]:
    asked = [engine.recommend(Request(user, n=14, reasons=True)) for user in USERS]
    asked.append(engine.recommend(Request(items=("tea",), events=(Event("soap"),), n=14, reasons=True)))
    asked += [engine.related("cup", kind, 12, reasons=True) for kind in ("similar", "bought_together")]
    return [*asked, engine.trending("7d", 13, reasons=True)]


def told(answers: list[Answer]) -> list[dict[str, object]]:
    return [answer.to_json() | {"graph_watermark": None} for answer in answers]


@pytest.mark.parametrize("edits", EDITS, ids=range(len(EDITS)))
def test_the_imagined_answer_is_the_one_the_store_would_give(shop: Shop, edits: list[Mutation]) -> None:
    imagined = shop.engine.over(edited(shop.engine.view, edits))
    answers = told(ask_everything(imagined))
    shop.write(*edits)
    assert answers == told(ask_everything(shop.engine))


def test_nothing_is_written(shop: Shop) -> None:
    shop.buy("t05", "soap")  # so that the overlay is not empty
    before = graph_hash(shop.store), shop.store.watermark(), shop.overlay.state, shop.view.num_nodes("Product")
    answers = told(ask_everything(shop.engine))
    for edits in EDITS:
        what_if(shop.engine, edits, lambda engine: engine.recommend(Request("t05", n=14, reasons=True)))
    after = graph_hash(shop.store), shop.store.watermark(), shop.overlay.state, shop.view.num_nodes("Product")
    assert before == after
    assert shop.view.index_of("Product", "jar") is None
    assert told(ask_everything(shop.engine)) == answers


def test_the_changes_are_named(shop: Shop) -> None:
    edits: list[Mutation] = [UpsertEdges(COMPLEMENTS, ["tea"], ["lonely"])]
    found = what_if(shop.engine, edits, lambda engine: engine.recommend(Request("t05", n=3, reasons=True)))
    assert found.before.item_ids != found.after.item_ids
    moved = {move.item_id: (move.before, move.after) for move in found.moved}
    for item_id, (before, after) in moved.items():
        assert before == (found.before.item_ids.index(item_id) + 1 if item_id in found.before.item_ids else None)
        assert after == (found.after.item_ids.index(item_id) + 1 if item_id in found.after.item_ids else None)
        assert before != after
    assert {path.item_id for path in found.paths if path.change == "new"} <= set(found.after.item_ids)


def test_a_world_does_not_see_what_comes_later(shop: Shop) -> None:
    world = forked(shop.view)
    shop.write(UpsertNodes("Product", ["jar"], [{"title": "Jar"}]))
    other = edited(world, [UpsertNodes("Product", ["vase"], [{"title": "Vase"}])])
    assert world.index_of("Product", "jar") is None
    assert other.index_of("Product", "jar") is None
    vase, jar = other.index_of("Product", "vase"), shop.view.index_of("Product", "jar")
    assert vase is not None
    assert vase == jar, "both took the next row of the world they began from"
    assert other.id_of("Product", vase) == "vase"
    assert shop.view.id_of("Product", vase) == "jar"


def test_removing_an_edge_removes_its_parallels(shop: Shop) -> None:
    shop.buy("t05", "lonely", event="one")
    shop.buy("t05", "lonely", event="two")
    assert len(qualifiers_between(shop.view, PURCHASED, "t05", "lonely")) == 2
    world = edited(shop.view, [DeleteEdges(PURCHASED, ["t05"], ["lonely"])])
    assert qualifiers_between(world, PURCHASED, "t05", "lonely") == []
    assert len(qualifiers_between(shop.view, PURCHASED, "t05", "lonely")) == 2


@pytest.mark.parametrize(
    ("edit", "error"),
    [
        (UpsertNodes("Ghost", ["x"]), SchemaError),
        (UpsertNodes("Product", ["x"], [{"colour": "red"}]), SchemaError),
        (UpsertNodes("Product", ["x"], [{"price": "dear"}]), InputError),
        (UpsertEdges(HAS_BRAND, ["tea"], ["nobody"]), NotFound),
        (UpsertEdges(HAS_BRAND, ["tea"], ["acme"], weight=float("nan")), InputError),
        (DeleteEdges(HAS_BRAND, ["tea"], ["acme"]), NotFound),
        (DeleteNodes("Product", ["ghost"]), NotFound),
    ],
)
def test_impossible_edits_are_refused(still_shop: Shop, edit: Mutation, error: type[Exception]) -> None:
    with pytest.raises(error):
        edited(still_shop.view, [edit])


def test_what_was_imagined_hides_nothing_that_is_put_after_it(shop: Shop) -> None:
    assert shop.engine.suggest("walr") == []
    what_if(
        shop.engine,
        [UpsertNodes("Product", ["imagined"], [{"title": "Walrus of dreams"}])],
        lambda engine: engine.recommend(Request("t05")),
    )
    assert shop.engine.suggest("walr") == []
    shop.write(UpsertNodes("Product", ["real"], [{"title": "Walrus of stone"}]))
    assert [one.text for one in shop.engine.suggest("walr")] == ["Walrus of stone"]
