"""How reasons read."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from api.engine import Request
from api.engine.naming import name_of
from api.engine.phrases import LANGUAGES, PHRASES, language_of
from api.engine.reasons.evidence import Evidence
from api.engine.reasons.wording import describe
from graph.schema import EdgeSpec
from tests.api.corner_shop import Shop


def spec(relation: str, **given: Any) -> EdgeSpec:
    role = given.pop("role", "attribute")
    source = "Customer" if role == "interaction" else "Product"
    target = given.pop("target", "Product")
    return EdgeSpec(source=source, relation=relation, target=target, role=role, **given)


@pytest.mark.parametrize(
    ("given", "count", "text"),
    [
        ({"kind": "purchase"}, 41, "bought by 41 customers who also bought Green tea"),
        ({"kind": "purchase", "words": "bought"}, 1_234, "bought by 1,234 customers who also bought Green tea"),
        ({"kind": "rating"}, 3, "liked by 3 people who also liked Green tea"),
        ({"kind": "interaction", "words": "chose"}, 2, "chosen by a few people who also chose Green tea"),
        ({"kind": "listen", "words": "listened to"}, 5, "listened to by 5 people who also listened to Green tea"),
        ({"kind": "interaction"}, 9, "chosen by 9 people who also chose Green tea"),
        ({"kind": "cart"}, 0, "put in the basket by a few customers who also put in the basket Green tea"),
    ],
)
def test_common_customers(still_shop: Shop, given: dict[str, Any], count: int, text: str) -> None:
    edge = spec("DID", role="interaction", **given)
    evidence = Evidence(
        "co_interaction", still_shop.index("cup"), 1.0, edge, anchor=still_shop.index("tea"), count=count
    )
    assert describe(still_shop.view, evidence) == text


@pytest.mark.parametrize(
    ("relation", "words", "named", "unnamed"),
    [
        ("HAS_BRAND", None, "same brand: Nivea, like Green tea", "same brand as Green tea"),
        ("HAS_BRAND", "same label", "same label: Nivea, like Green tea", "same label as Green tea"),
        ("MADE_BY", None, "also made by: Nivea, like Green tea", "made by the same maker as Green tea"),
        ("HAS_FACT", "a fact in common", "a fact in common: Nivea, like Green tea", "a fact in common with Green tea"),
    ],
)
def test_shared_attributes(still_shop: Shop, relation: str, words: str | None, named: str, unnamed: str) -> None:
    view = still_shop.view
    nivea, maker = view.index_of("Brand", "nivea"), view.index_of("Maker", "m.0x7")
    assert nivea is not None
    assert maker is not None
    for middle, text in ((("Brand", nivea), named), (("Maker", maker), unnamed)):
        evidence = Evidence(
            "attribute", still_shop.index("cup"), 1.0, spec(relation, target=middle[0], words=words),
            anchor=still_shop.index("tea"), middle=middle,
        )  # fmt: skip
        assert describe(view, evidence) == text


@pytest.mark.parametrize(
    ("relation", "words", "direction", "text"),
    [
        ("NEXT", None, "out", "often chosen next after Green tea"),
        ("NEXT", "often chosen next", "out", "often chosen next after Green tea"),
        ("NEXT", "often chosen next", "in", "often chosen just before Green tea"),
        ("ALSO_BOUGHT", None, "in", "also bought with Green tea"),
        ("COMPLEMENTS", None, "out", "complements: Green tea"),
        ("IN_SERIES", "same film series", "in", "same film series: Green tea"),
    ],
)
def test_relations(
    still_shop: Shop, relation: str, words: str | None, direction: Literal["out", "in"], text: str
) -> None:
    edge = spec(relation, role="item_relation", words=words)
    evidence = Evidence("relation", still_shop.index("cup"), 1.0, edge, direction, anchor=still_shop.index("tea"))
    assert describe(still_shop.view, evidence) == text


def test_several_items_that_share_an_attribute_are_counted(still_shop: Shop) -> None:
    view = still_shop.view
    brand = view.index_of("Brand", "nivea")
    assert brand is not None
    evidence = Evidence(
        "attribute", still_shop.index("cream"), 1.0, spec("HAS_BRAND", target="Brand"),
        anchor=still_shop.index("soap"), middle=("Brand", brand), shared=4,
    )  # fmt: skip
    assert describe(view, evidence) == "same brand: Nivea, like 4 items you chose"


def test_a_node_is_named_by_its_title_else_by_an_id_that_reads_like_words(still_shop: Shop) -> None:
    view = still_shop.view
    names = {
        (node_type, node_id): name_of(view, node_type, index)
        for node_type, node_id in (("Product", "tea"), ("Category", "Food"), ("Maker", "m.0x7"), ("Customer", "t05"))
        if (index := view.index_of(node_type, node_id)) is not None
    }
    assert list(names.values()) == ["Green tea", "Food", None, None]


@pytest.mark.parametrize(
    ("kind", "given", "text"),
    [
        ("co_interaction", {"kind": "purchase"}, "41 位顾客买过Green tea，也买过它"),
        ("co_interaction", {"kind": "rating", "words": "liked"}, "41 人喜欢过Green tea，也喜欢过它"),
        ("basket", {"kind": "purchase"}, "在 41 个购物篮里与Green tea一起买"),
        ("popular", {"kind": "purchase"}, "41 位顾客买过"),
    ],
)
def test_chinese(still_shop: Shop, kind: Any, given: dict[str, Any], text: str) -> None:
    edge = spec("DID", role="interaction", **given)
    evidence = Evidence(kind, still_shop.index("cup"), 1.0, edge, anchor=still_shop.index("tea"), count=41)
    assert describe(still_shop.view, evidence, language="zh") == text


def test_chinese_names_attributes_and_blurs_small_counts(still_shop: Shop) -> None:
    view = still_shop.view
    brand = view.index_of("Brand", "nivea")
    assert brand is not None
    shared = Evidence(
        "attribute", still_shop.index("cream"), 1.0, spec("HAS_BRAND", target="Brand"),
        anchor=still_shop.index("soap"), middle=("Brand", brand),
    )  # fmt: skip
    assert describe(view, shared, language="zh") == "品牌相同：Nivea，与Olive soap一样"
    edge = spec("DID", role="interaction", kind="purchase")
    few = Evidence("co_interaction", still_shop.index("cup"), 1.0, edge, anchor=still_shop.index("tea"), count=2)
    assert describe(view, few, language="zh").startswith("少数顾客")


def test_every_kind_of_path_has_a_sentence_in_every_language(still_shop: Shop) -> None:
    assert all(set(row) == set(LANGUAGES) for row in PHRASES.values())
    english = still_shop.engine.recommend(Request("t05", n=13, reasons=True))
    chinese = still_shop.engine.recommend(Request("t05", n=13, reasons=True, language="zh"))
    for one, other in zip(english.items, chinese.items, strict=True):
        assert [reason.path for reason in one.reasons] == [reason.path for reason in other.reasons]
        assert all(any("\u4e00" <= letter <= "\u9fff" for letter in reason.text) for reason in other.reasons)


@pytest.mark.parametrize(
    ("asked", "accepted", "language"),
    [
        (None, None, "en"),
        ("zh", "en", "zh"),
        (None, "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        (None, "en;q=0.2, zh;q=0.7", "zh"),
        (None, "de, fr", "en"),
        (None, "zh;q=0, en;q=0.1", "en"),
        (None, ";;q=x,,zh;q=nonsense", "en"),
    ],
)
def test_the_language_is_the_one_asked_for_or_preferred(asked: str | None, accepted: str | None, language: str) -> None:
    assert language_of(asked, accepted) == language
