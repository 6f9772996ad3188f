"""Every item has a reason, every reason a path, and every path is in the graph now."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.engine import Answer, Event, Reason, Request
from api.engine.reading import MIN_COUNT
from api.engine.reasons.evidence import Evidence, latest_distinct
from api.engine.reasons.telling import Told
from graph.records import DeleteEdges, Mutation, UpsertEdges, UpsertNodes
from graph.view import GraphView
from tests.api.corner_shop import (
    ALSO_VIEWED,
    BATH,
    BRANDS,
    CATEGORIES,
    COMPLEMENTS,
    HAS_BRAND,
    IN_CATEGORY,
    MADE_BY,
    PRODUCTS,
    PURCHASED,
    TEA,
    VIEWED,
    Shop,
    catalogue,
    invoice,
    open_shop,
)  # fmt: skip


def reason(answer: Answer, product: str, kind: str) -> Reason | None:
    item = answer.items[answer.item_ids.index(product)]
    return next((reason for reason in item.reasons if reason.kind == kind), None)


def users_of(view: GraphView, edge_type: tuple[str, str, str], product: str) -> set[int]:
    index = view.index_of("Product", product)
    assert index is not None
    return set(view.neighbors(edge_type, index, "in").indices.tolist())


def assert_true(view: GraphView, reason: Reason, user: str | None) -> None:
    """The path of a reason is in the graph now, hop by hop, and counts what it says it counts."""
    path = reason.path
    own = None if user is None else view.index_of("Customer", user)
    for node_type, node_id in path.nodes:
        assert view.index_of(node_type, node_id) is not None
    for at, (hop, (before, after)) in enumerate(zip(path.hops, pairwise(path.nodes), strict=False)):
        ends = [view.index_of(*before), view.index_of(*after)]
        if hop.direction is None:
            common = users_of(view, hop.edge_type, before[1]) & users_of(view, hop.edge_type, after[1])
            assert common - {own}, f"hop {at} of {reason.text}"
            if hop.count is not None and reason.kind == "co_interaction":
                assert hop.count == len(common - {own}) >= MIN_COUNT
        else:
            source, target = ends if hop.direction == "out" else ends[::-1]
            assert view.has_edge(hop.edge_type, source, target), reason.text  # type: ignore[arg-type]
    if len(path.hops) == len(path.nodes):
        last = path.hops[-1]
        audience = users_of(view, last.edge_type, path.nodes[-1][1])
        assert audience
        assert last.count in (None, len(audience))


def answers(shop: Shop) -> list[tuple[str | None, Answer]]:
    engine = shop.engine
    return [
        *[(user, engine.recommend(Request(user, n=13, reasons=True))) for user in ("t05", "b03", "both", "stranger")],
        (None, engine.recommend(Request(items=("towel",), events=(Event("cup"),), n=13, reasons=True))),
        (None, engine.related("cup", "similar", 12, reasons=True)),
        (None, engine.related("cup", "bought_together", 12, reasons=True)),
        (None, engine.related("lonely", "similar", 12, reasons=True)),
        (None, engine.trending("7d", 13, reasons=True)),
    ]


def test_every_item_has_reasons_that_are_in_the_graph(still_shop: Shop) -> None:
    for user, answer in answers(still_shop):
        for item in answer.items:
            assert 1 <= len(item.reasons) <= 3
            for found in item.reasons:
                assert_true(still_shop.view, found, user)
                assert found.path.nodes[-1] == ("Product", item.item_id) or found.path.nodes[0][1] == item.item_id


def test_reasons_come_strongest_first_and_weigh_at_most_one(still_shop: Shop) -> None:
    for _, answer in answers(still_shop):
        for item in answer.items:
            weights = [found.weight for found in item.reasons]
            assert weights == sorted(weights, reverse=True)
            assert 0 < sum(weights) <= 1 + 1e-9


def test_nobody_else_is_named_in_a_reason(still_shop: Shop) -> None:
    for _, answer in answers(still_shop):
        text = json.dumps([item.to_json()["reasons"] for item in answer.items])
        assert "Customer" not in text
        assert not any(f'"{group}{number:02}"' in text for group in "tb" for number in range(20))
        assert "mugger" not in text


def test_few_customers_are_not_counted(still_shop: Shop) -> None:
    answer = still_shop.engine.recommend(Request(items=("tea",), n=13, reasons=True))
    found = reason(answer, "mug", "co_interaction")
    assert found is not None
    assert found.text == "bought by a few customers who also bought Green tea"
    assert found.path.hops[0].count is None


def test_words_are_those_of_a_shopper(still_shop: Shop) -> None:
    texts = {
        found.text
        for _, answer in answers(still_shop)
        for item in answer.items
        for found in item.reasons
    }  # fmt: skip
    assert "same brand: Nivea, like Olive soap" in texts
    assert "same brand: Acme" in texts, "on the page of the cup itself"
    assert "goes with Green tea" in texts
    assert any(text.startswith("same category: Crockery") for text in texts)
    assert "bought together with this item in 4 baskets" in texts
    assert any(text.startswith("bought by 14 customers") for text in texts)


def test_an_id_is_never_shown_where_it_says_nothing(still_shop: Shop) -> None:
    answer = still_shop.engine.recommend(Request(items=("towel",), n=13, reasons=True))
    found = reason(answer, "sponge", "attribute")
    assert found is not None
    assert found.text == "made by the same maker as Bath towel"
    assert ("Maker", "m.0x7") in found.path.nodes
    assert all("m.0x7" not in each.text for _, told in answers(still_shop) for i in told.items for each in i.reasons)


def test_items_without_titles_are_not_named(shop: Shop) -> None:
    shop.write(
        invoice("t05", ["sku-1", "cup"], 60, "x"), *[invoice(f"n{n}", ["sku-1", "duck"], 60, "y") for n in "abc"]
    )
    answer = shop.engine.recommend(Request("t05", n=14, reasons=True))
    found = reason(answer, "duck", "co_interaction")
    assert found is not None
    assert found.text == "bought by 3 customers who also bought an item you chose"


def test_a_reason_goes_when_its_edge_goes_and_another_comes(shop: Shop) -> None:
    request = Request(items=("soap",), n=13, reasons=True)
    assert reason(shop.engine.recommend(request), "cream", "attribute") is not None
    shop.write(DeleteEdges(HAS_BRAND, ["cream"], ["nivea"]))
    found = reason(shop.engine.recommend(request), "cream", "attribute")
    assert found is not None
    assert found.text == "same category: Care, like Olive soap"
    shop.write(DeleteEdges(IN_CATEGORY, ["cream"], ["Care"]))
    answer = shop.engine.recommend(request)
    assert [each.text for each in answer.items[answer.item_ids.index("cream")].reasons] == ["new in the shop"]


def test_a_relation_is_a_reason_until_it_is_deleted(shop: Shop) -> None:
    request = Request(items=("tea",), n=13, reasons=True)
    found = reason(shop.engine.recommend(request), "biscuit", "relation")
    assert found is not None
    assert found.path.to_json() == [
        {"node": ["Product", "tea"]},
        {"edge": "COMPLEMENTS", "direction": "out"},
        {"node": ["Product", "biscuit"]},
    ]
    shop.write(DeleteEdges(COMPLEMENTS, ["tea"], ["biscuit"]))
    answer = shop.engine.recommend(request)
    assert reason(answer, "biscuit", "relation") is None
    assert reason(answer, "biscuit", "co_interaction") is not None


def test_a_relation_that_is_not_learned_from_is_shown_all_the_same(shop: Shop) -> None:
    request = Request(items=("tea",), n=13, reasons=True)
    ranked = shop.engine.recommend(request).item_ids
    shop.write(UpsertEdges(ALSO_VIEWED, ["lonely"], ["tea"]))
    answer = shop.engine.recommend(request)
    assert answer.item_ids == ranked
    found = reason(answer, "lonely", "relation")
    assert found is not None
    assert found.text == "also viewed with Green tea"
    assert found.path.hops[0].direction == "in"


def test_common_customers_are_counted_as_of_now(shop: Shop) -> None:
    request = Request(items=("tea",), n=13, reasons=True)
    for number in range(4):
        shop.buy(f"lamp{number}", "tea", event="one")
        shop.buy(f"lamp{number}", "lonely", event="two")
    found = reason(shop.engine.recommend(request), "lonely", "co_interaction")
    assert found is not None
    assert found.text == "bought by 4 customers who also bought Green tea"
    shop.write(DeleteEdges(PURCHASED, ["lamp0", "lamp1"], ["lonely", "lonely"]))
    found = reason(shop.engine.recommend(request), "lonely", "co_interaction")
    assert found is not None
    assert found.text == "bought by a few customers who also bought Green tea"


def test_buying_a_thing_twice_makes_one_customer(shop: Shop) -> None:
    for number in range(3):
        shop.buy("regular", "tea", "lonely", event=f"visit-{number}")
    found = reason(shop.engine.recommend(Request(items=("tea",), n=13, reasons=True)), "lonely", "co_interaction")
    assert found is not None
    assert found.path.hops[0].count is None


def test_a_customer_is_not_his_own_company(shop: Shop) -> None:
    shop.buy("solo", "tea", "lonely")
    answer = shop.engine.recommend(Request("solo", n=13, reasons=True, repeat=True))
    [found] = answer.items[answer.item_ids.index("lonely")].reasons
    assert found.text == "you bought it before"
    assert found.path.nodes == (("Customer", "solo"), ("Product", "lonely"))
    for item in answer.items:
        for found in item.reasons:
            assert_true(shop.view, found, "solo")


def test_a_purchase_says_more_than_a_view(shop: Shop) -> None:
    for number in range(9):
        shop.write(UpsertEdges(VIEWED, [f"v{number}"] * 2, ["soap", "towel"], create_missing=True))
    found = reason(shop.engine.related("soap", n=12, reasons=True), "towel", "co_interaction")
    assert found is not None
    assert found.text.startswith("bought by")


def test_two_steps_over_common_customers_when_there_is_no_shorter_way(still_shop: Shop) -> None:
    answer = still_shop.engine.recommend(Request("t05", n=13, reasons=True))
    found = reason(answer, "duck", "chain")
    assert found is not None
    assert found.text == "bought along with Olive soap, which goes with Green tea"
    assert [node[1] for node in found.path.nodes] == ["tea", "soap", "duck"]


def test_reasons_cost_nothing_when_they_are_not_asked_for(still_shop: Shop) -> None:
    answer = still_shop.engine.recommend(Request("t05"))
    assert all(item.reasons == () for item in answer.items)


def test_anchors_are_the_latest_distinct_items() -> None:
    assert latest_distinct(np.array([1, 2, 3, 2, 1], np.int32), 2).tolist() == [1, 2]
    assert latest_distinct(np.array([], np.int32), 2).tolist() == []


CATEGORY = st.sampled_from(sorted(set(CATEGORIES.values())))
PRODUCT = st.sampled_from(PRODUCTS)
EDIT = st.one_of(
    st.builds(lambda a, b: DeleteEdges(HAS_BRAND, [a], [b]), st.sampled_from(sorted(BRANDS)), st.just("nivea")),
    st.builds(lambda a, b: UpsertEdges(HAS_BRAND, [a], [b]), PRODUCT, st.sampled_from(["acme", "nivea"])),
    st.builds(lambda a, b: DeleteEdges(IN_CATEGORY, [a], [b]), PRODUCT, CATEGORY),
    st.builds(lambda a: UpsertEdges(MADE_BY, [a], ["m.0x7"]), PRODUCT),
    st.builds(lambda a, b: UpsertEdges(COMPLEMENTS, [a], [b]), PRODUCT, PRODUCT),
    st.builds(lambda a, b: UpsertEdges(ALSO_VIEWED, [a], [b]), PRODUCT, PRODUCT),
    st.builds(lambda: DeleteEdges(COMPLEMENTS, ["tea"], ["biscuit"])),
    st.builds(lambda a, n: invoice("t05", [a], 60 + n, f"edit-{n}"), PRODUCT, st.integers(0, 9)),
    st.builds(lambda a, n: invoice(f"x{n}", [a, "tea"], 60, f"edit-{n}"), PRODUCT, st.integers(0, 9)),
    st.builds(
        lambda n, a: DeleteEdges(PURCHASED, [f"t{n:02}"], [a]), st.integers(0, 19), st.sampled_from([*TEA, *BATH])
    ),
    st.builds(lambda a: UpsertNodes("Product", [a], [{"title": f"{a} again"}]), PRODUCT),
)  # fmt: skip


@pytest.fixture(scope="module")
def edited_shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return open_shop(tmp_path_factory.mktemp("edited"))


@settings(deadline=None, max_examples=25)
@given(edits=st.lists(EDIT, min_size=1, max_size=4))
def test_whatever_is_edited_reasons_stay_true(edited_shop: Shop, edits: list[Mutation]) -> None:
    edited_shop.write(*edits)
    for user, answer in answers(edited_shop):
        for item in answer.items:
            assert item.reasons
            for found in item.reasons:
                assert_true(edited_shop.view, found, user)


def test_a_shop_without_any_behaviour_still_answers_with_reasons(tmp_path: Path) -> None:
    shop = open_shop(tmp_path, catalogue())
    answer = shop.engine.recommend(Request(items=("cup",), n=12, reasons=True))
    assert len(answer.items) == 12
    assert answer.item_ids[0] == "mug"
    assert all(item.reasons for item in answer.items)
    assert shop.engine.trending("7d", 5).fallback_used == "popularity"
    assert len(shop.engine.related("cup", "bought_together", 5, reasons=True).items) == 5


def test_of_equal_relations_the_one_that_a_person_has_stated_is_told_first(shop: Shop) -> None:
    tea, cup = shop.index("tea"), shop.index("cup")
    found = [
        Evidence("relation", cup, 0.5, shop.view.schema.edge(edge_type), direction, anchor=tea)
        for edge_type, direction in ((ALSO_VIEWED, "out"), (ALSO_VIEWED, "in"), (COMPLEMENTS, "out"))
    ]
    first = Told({cup: found}).reasons_for(shop.view, cup, {"relations": 1.0})[0]
    assert [hop.edge_type for hop in first.path.hops] == [COMPLEMENTS]
