"""Search and autocomplete over the corner shop: what is found, for whom, and that a put is found at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from api.engine import Engine, Request
from api.engine.finding.corpus import renamed
from api.engine.finding.meaning import Meanings
from api.engine.finding.part import SearchPart
from api.engine.steering import Steering
from gnn.fusion import FusedRanker
from graph.errors import InputError
from graph.records import DeleteNodes, UpsertEdges, UpsertNodes
from graph.view import GraphView
from tests.api.corner_shop import HAS_BRAND, IN_CATEGORY, PRODUCTS, TITLES, Shop


class TopicEncoder:
    """Texts as how much they speak of tea, bath and lamps: words that share no letters can share a meaning."""

    TOPICS = (
        ("tea", "pot", "cup", "saucer", "biscuit", "mug", "brew"),
        ("soap", "bath", "sponge", "wash", "shampoo"),
        ("lamp", "light"),
    )
    width = 4

    def __init__(self) -> None:
        self.texts: list[str] = []

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.texts += texts
        rows = [[sum(word in text.lower() for word in topic) for topic in self.TOPICS] + [0.1] for text in texts]
        matrix = np.asarray(rows, np.float32)
        return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


def with_meaning(shop: Shop, encoder: TopicEncoder) -> Engine:
    """The shop's engine with a text encoder, as a release with one gives it."""
    ids = shop.snapshot.nodes("Product").ids()
    vectors = encoder.encode([TITLES[name] for name in ids])
    part = SearchPart(shop.snapshot, np.ones(len(ids), np.float32), meanings=Meanings.of(vectors), encoder=encoder)
    view = GraphView(shop.snapshot, shop.overlay)
    ranker = FusedRanker(shop.operators, shop.weights)
    return Engine(view, ranker, overlay=shop.overlay, finding=part, clock=lambda: shop.now_s)


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("tea cup", "cup"),
        ("TEA CUPS", "cup"),
        ("tee cup", "cup"),
        ("tea cpu", "cup"),
        ("rubbr duk", "duck"),
        ("teacup", "cup"),
        ("shampooo", "shampoo"),
        ("nivea soap", "soap"),
        ("acme", "cup"),
        ("lonely", "lonely"),
        ("duck", "duck"),
        ("bath tow", "towel"),
    ],
)
def test_the_item_that_is_meant_comes_first(still_shop: Shop, query: str, first: str) -> None:
    assert still_shop.engine.search(query).item_ids[0] == first


def test_what_matches_nothing_is_not_filled_up(still_shop: Shop) -> None:
    for query in ("zzzzzz", "!!!", "\u200b", "' OR 1=1 --", "*" * 400):
        assert still_shop.engine.search(query).items == ()


def test_a_meaning_without_common_letters_is_found(shop: Shop) -> None:
    engine = with_meaning(shop, TopicEncoder())
    answer = engine.search("something to brew")
    assert set(answer.item_ids[:3]) <= {"tea", "pot", "cup", "saucer", "biscuit", "mug"}
    assert answer.items[0].sources[0] == "semantic"
    assert shop.engine.search("something to brew").items == ()


def test_a_customers_taste_settles_near_draws(still_shop: Shop) -> None:
    plain = still_shop.engine.search("nivea", 3).item_ids
    bather = still_shop.engine.search("nivea", 3, user_id="b00")
    assert sorted(plain) == sorted(bather.item_ids) == ["cream", "shampoo", "soap"]
    assert any("personal" in item.sources for item in bather.items)
    assert still_shop.engine.search("nivea", 3, user_id="nobody").unknown_ids == ("nobody",)


def test_a_filter_is_never_broken(still_shop: Shop) -> None:
    found = still_shop.engine.search("tea", 10, steering=Steering(filter='item_id != "tea"'))
    assert found.items
    assert "tea" not in found.item_ids
    with pytest.raises(InputError):
        still_shop.engine.search("tea", steering=Steering(filter="price <"))


def test_an_item_is_found_as_soon_as_it_is_there_and_no_longer_than_that(shop: Shop) -> None:
    shop.write(
        UpsertNodes("Product", ["cosy"], [{"title": "Woollen cosy"}]), UpsertEdges(HAS_BRAND, ["cosy"], ["acme"])
    )
    assert shop.engine.search("wollen cosy").item_ids == ["cosy"]
    assert "cosy" in shop.engine.search("acme").item_ids
    shop.write(UpsertNodes("Product", ["cosy"], [{"title": "Felt hat"}]))
    assert shop.engine.search("woollen").items == ()
    assert shop.engine.search("felt").item_ids == ["cosy"]
    shop.write(UpsertNodes("Product", ["lonely"], [{"title": "Felt lamp"}]))
    assert set(shop.engine.search("felt").item_ids) == {"cosy", "lonely"}
    shop.write(DeleteNodes("Product", ["cosy"]))
    assert shop.engine.search("felt").item_ids == ["lonely"]


def test_what_is_put_bit_by_bit_is_found_as_if_it_had_been_there_before(shop: Shop) -> None:
    for at in range(600):  # more than the small index takes
        shop.write(UpsertNodes("Product", [f"late-{at}"], [{"title": f"Gadget number{at}"}]))
    assert shop.engine.search("number123", 1).item_ids == ["late-123"]
    assert shop.engine.search("number599", 1).item_ids == ["late-599"]
    assert len(shop.engine.search("gadget", 500).items) == 200  # as many candidates as words put forward


def test_suggestions_complete_forgive_and_prefer_what_is_popular(still_shop: Shop) -> None:
    def names(text: str) -> list[str]:
        return [found.text for found in still_shop.engine.suggest(text)]

    assert names("tea")[0] in {"Tea pot", "Tea cup"}
    assert names("nvea") == ["Nivea"]
    assert names("rubber d") == ["Rubber duck"]
    assert names("gren t") == ["Green tea"]
    assert "Care" in names("ca")
    assert "m.0x7" not in names("m")
    assert names("") == names("?!") == []


def test_a_new_item_is_suggested_and_a_deleted_one_is_not(shop: Shop) -> None:
    shop.write(
        UpsertNodes("Product", ["cosy"], [{"title": "Woollen cosy"}]), UpsertEdges(HAS_BRAND, ["cosy"], ["acme"])
    )
    assert [found.text for found in shop.engine.suggest("wool")] == ["Woollen cosy"]
    assert [found.text for found in shop.engine.suggest("acm")] == ["Acme"]
    shop.write(DeleteNodes("Product", ["cosy"]))
    assert shop.engine.suggest("wool") == []


def test_a_renamed_brand_is_found_by_its_new_name_alone(shop: Shop) -> None:
    encoder = TopicEncoder()
    engine = with_meaning(shop, encoder)
    assert set(shop.engine.search("acme").item_ids) == {"cup", "mug"}
    shop.write(UpsertNodes("Brand", ["acme"], [{"name": "Zenith"}]))
    for asked in (shop.engine, engine):
        assert {"cup", "mug"} <= set(asked.search("zenith").item_ids)
        assert not {"cup", "mug"} & set(asked.search("acme").item_ids)
        assert [found.text for found in asked.suggest("zen")] == ["Zenith"]
        assert asked.suggest("acm") == []
    encoder.texts.clear()
    shop.write(UpsertEdges(HAS_BRAND, ["tea"], ["acme"]))
    assert set(shop.engine.search("zenith").item_ids) == {"cup", "mug", "tea"}
    shop.write(DeleteNodes("Brand", ["acme"]))
    assert shop.engine.search("zenith").item_ids == []


def test_items_of_a_renamed_brand_are_those_that_have_it(shop: Shop) -> None:
    before = shop.view.frozen()
    assert renamed(before, None) == set()
    shop.write(UpsertEdges(HAS_BRAND, ["tea"], ["acme"]))
    assert renamed(shop.view.frozen(), before) == set()  # the name is what it was
    shop.write(UpsertNodes("Brand", ["acme"], [{"name": "Zenith"}]))
    now = shop.view.frozen()
    assert renamed(now, before) == renamed(now, None) == {shop.index(name) for name in ("cup", "mug", "tea")}
    assert renamed(now, now) == set()


def test_a_brand_new_item_is_recommended_and_related_by_its_text_alone(shop: Shop) -> None:
    encoder = TopicEncoder()
    engine = with_meaning(shop, encoder)
    shop.write(UpsertNodes("Product", ["caddy"], [{"title": "Tea caddy for a fresh brew"}]))
    assert "caddy" in engine.recommend(Request("t03", n=5)).item_ids
    assert engine.recommend(Request("b03", n=5)).item_ids.count("caddy") == 0
    assert "caddy" in engine.related("saucer", n=6).item_ids
    assert set(engine.related("caddy", n=4).item_ids) <= {"tea", "pot", "cup", "saucer", "biscuit", "mug"}
    assert engine.search("caddy", 1).item_ids == ["caddy"]
    session = engine.recommend(Request(items=("caddy",), n=3))
    assert set(session.item_ids) <= {"tea", "pot", "cup", "saucer", "biscuit", "mug"}


def test_a_brand_new_item_without_text_is_known_by_its_attributes(shop: Shop) -> None:
    shop.write(UpsertNodes("Product", ["x1"]), UpsertEdges(IN_CATEGORY, ["x1"], ["Crockery"]))
    assert "x1" in shop.engine.recommend(Request("t03", n=6)).item_ids
    shop.write(UpsertNodes("Product", ["x2"]))
    assert "x2" not in shop.engine.recommend(Request("t03", n=6)).item_ids


def test_a_text_is_encoded_once_and_a_large_import_beside_the_answers(shop: Shop) -> None:
    encoder = TopicEncoder()
    engine = with_meaning(shop, encoder)
    encoder.texts.clear()
    names = [f"late-{at}" for at in range(150)]
    shop.write(UpsertNodes("Product", names, [{"title": f"Bath sponge {at}"} for at in range(150)]))
    engine.search("sponge", 1)
    assert encoder.texts == ["sponge"]
    while engine.settle():
        pass
    assert len(encoder.texts) == 151
    engine.search("sponge", 1)
    shop.buy("t03", "late-7")
    engine.recommend(Request("t03"))
    assert len(encoder.texts) == 151
    assert "late-9" in engine.related("sponge", n=200).item_ids


def test_a_release_carries_its_search(shop: Shop, tmp_path: Path) -> None:
    engine = shop.released(tmp_path)
    assert engine.search("rubber duck", 1).item_ids == ["duck"]
    assert len(PRODUCTS) == 13
