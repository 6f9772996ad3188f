"""What changes in the graph changes the next answer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from api.engine import Engine, Request
from graph.errors import NotFound
from graph.records import DeleteEdges, DeleteNodes, UpsertEdges, UpsertNodes
from tests.api.corner_shop import COMPLEMENTS, HAS_BRAND, IN_CATEGORY, VIEWED, Shop, invoice


def ids(engine: Engine, user: str, n: int = 13) -> list[str]:
    return engine.recommend(Request(user, n=n)).item_ids


def test_a_purchase_counts_in_the_next_answer(shop: Shop) -> None:
    before = ids(shop.engine, "t05")
    shop.buy("t05", "soap", "towel")
    after = ids(shop.engine, "t05")
    assert {"soap", "towel"}.isdisjoint(after)
    assert before.index("shampoo") > after.index("shampoo")


def test_a_new_customer_has_a_history_after_the_first_event(shop: Shop) -> None:
    shop.write(UpsertEdges(VIEWED, ["newcomer"], ["soap"], timestamp_ms=[1], create_missing=True))
    answer = shop.engine.recommend(Request("newcomer", n=3))
    assert answer.fallback_used is None
    assert answer.unknown_ids == ()
    assert set(answer.item_ids) <= {"shampoo", "towel", "sponge", "duck", "cream"}


def test_a_curators_edge_moves_an_item_up(shop: Shop) -> None:
    before = ids(shop.engine, "t05")
    shop.write(UpsertEdges(HAS_BRAND, ["lonely"], ["acme"]), UpsertEdges(IN_CATEGORY, ["lonely"], ["Food"]))
    after = ids(shop.engine, "t05")
    assert after.index("lonely") < before.index("lonely")


def test_a_curated_relation_moves_an_item_up_and_its_removal_down(shop: Shop) -> None:
    before = ids(shop.engine, "t05")
    shop.write(UpsertEdges(COMPLEMENTS, ["tea"], ["lonely"]))
    assert ids(shop.engine, "t05").index("lonely") < before.index("lonely")
    shop.write(DeleteEdges(COMPLEMENTS, ["tea"], ["lonely"]))
    assert ids(shop.engine, "t05") == before


def test_a_new_item_is_found_through_its_attributes(shop: Shop) -> None:
    shop.write(
        UpsertNodes("Product", ["aardvark mug"], [{"title": "Aardvark mug"}]),
        UpsertEdges(HAS_BRAND, ["aardvark mug"], ["acme"]),
        UpsertEdges(IN_CATEGORY, ["aardvark mug"], ["Crockery"]),
    )
    answer = shop.engine.recommend(Request("t05", n=14, reasons=True))
    assert answer.item_ids.index("aardvark mug") <= answer.item_ids.index("mug") + 1
    item = answer.items[answer.item_ids.index("aardvark mug")]
    assert "attributes" in item.sources
    assert item.reasons[0].text.startswith(("same brand: Acme", "same category: Crockery"))


def test_a_new_brand_node_can_be_what_two_items_share(shop: Shop) -> None:
    shop.write(
        UpsertNodes("Brand", ["zen"], [{"name": "Zen"}]),
        UpsertEdges(HAS_BRAND, ["tea", "lonely"], ["zen", "zen"]),
    )
    answer = shop.engine.recommend(Request("t05", n=13, reasons=True))
    item = answer.items[answer.item_ids.index("lonely")]
    assert item.reasons[0].text == "same brand: Zen, like Green tea"


def test_a_deleted_item_is_gone_from_every_list(shop: Shop) -> None:
    shop.write(DeleteNodes("Product", ["biscuit"]))
    assert "biscuit" not in ids(shop.engine, "t05")
    assert "biscuit" not in ids(shop.engine, "stranger")
    assert "biscuit" not in shop.engine.related("tea", n=13).item_ids
    assert "biscuit" not in shop.engine.related("tea", "bought_together", n=13).item_ids
    assert "biscuit" not in shop.engine.trending("99d", n=13).item_ids
    with pytest.raises(NotFound):
        shop.engine.related("biscuit")


def test_a_deleted_item_that_comes_back_is_shown_again(shop: Shop) -> None:
    shop.write(DeleteNodes("Product", ["duck"]))
    shop.write(UpsertNodes("Product", ["duck"], [{"title": "Another duck"}]))
    answer = shop.engine.recommend(Request("b01", n=13))
    assert {item.title for item in answer.items if item.item_id == "duck"} == {"Another duck"}


def test_an_erased_customer_is_a_stranger(shop: Shop) -> None:
    shop.write(DeleteNodes("Customer", ["t05"]))
    answer = shop.engine.recommend(Request("t05", n=3))
    assert answer.unknown_ids == ("t05",)
    assert answer.fallback_used == "popularity"


def test_a_new_title_is_in_the_next_answer(shop: Shop) -> None:
    shop.write(UpsertNodes("Product", ["saucer"], [{"title": "Blue saucer"}]))
    answer = shop.engine.recommend(Request("t05", n=13))
    assert answer.items[answer.item_ids.index("saucer")].title == "Blue saucer"


def test_refresh_does_nothing_while_nothing_moves(shop: Shop) -> None:
    assert not shop.engine.refresh()
    shop.buy("t05", "soap")
    assert shop.engine.refresh()
    assert not shop.engine.refresh()


def test_an_event_does_not_fit_the_curated_sources_again(shop: Shop) -> None:
    sources = shop.engine._keeper.current().sources
    shop.buy("t05", "soap")
    assert shop.engine._keeper.current().sources is sources
    shop.write(UpsertEdges(HAS_BRAND, ["lonely"], ["acme"]))
    assert shop.engine._keeper.current().sources is not sources


def test_answers_carry_the_watermark_they_were_made_at(shop: Shop) -> None:
    before = shop.engine.recommend(Request("t05")).graph_watermark
    shop.buy("t05", "soap")
    after = shop.engine.recommend(Request("t05")).graph_watermark
    assert before != after == shop.store.watermark()


def test_an_engine_opened_after_the_edits_answers_like_one_that_lived_through_them(shop: Shop, tmp_path: Path) -> None:
    shop.write(
        invoice("t05", ["soap"], 70, "late"),
        UpsertEdges(HAS_BRAND, ["lonely"], ["acme"]),
        UpsertNodes("Product", ["zebra"], [{"title": "Zebra"}]),
        DeleteNodes("Product", ["duck"]),
    )
    opened_later = shop.released(tmp_path / "releases", shop.overlay)
    for user in ("t05", "b03", "stranger"):
        assert ids(opened_later, user) == ids(shop.engine, user)
    assert opened_later.related("mug").item_ids == shop.engine.related("mug").item_ids


def test_answers_stay_whole_while_the_graph_moves(shop: Shop) -> None:
    def ask(number: int) -> None:
        for answer in (
            shop.engine.recommend(Request("t05", n=10, reasons=True)),
            shop.engine.related("cup", "bought_together", 10, reasons=True),
            shop.engine.trending("99d", 10, reasons=True),
            shop.engine.related("cup", n=10, reasons=True),
        ):
            assert len(set(answer.item_ids)) == 10, number
            assert all(item.reasons for item in answer.items)

    def change(number: int) -> None:
        shop.write(
            UpsertNodes("Product", [f"fresh-{number}"], [{"title": f"Fresh {number}"}]),
            invoice(f"visitor-{number}", [f"fresh-{number}", "cup"], 61, f"visit-{number}"),
            UpsertEdges(HAS_BRAND, [f"fresh-{number}"], ["acme"]),
        )

    with ThreadPoolExecutor(4) as threads:
        reads = [threads.submit(ask, number) for number in range(40)]
        for number in range(20):
            change(number)
        for read in reads:
            read.result()
    assert "fresh-19" in shop.engine.related("cup", n=40).item_ids
