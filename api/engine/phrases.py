"""The sentences of reasons, one row per kind of path and one column per language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias, get_args

Language: TypeAlias = Literal["en", "zh"]
LANGUAGES: tuple[str, ...] = get_args(Language)

PHRASES: Mapping[str, Mapping[Language, str]] = {
    "present": {"en": "new in the shop", "zh": "新上架"},
    "again": {"en": "you {verb} it before", "zh": "您以前{verb}过"},
    "co_interaction": {
        "en": "{done} by {people} who also {verb} {anchor}",
        "zh": "{people}{verb}过{anchor}，也{verb}过它",
    },
    "basket": {
        "en": "{done} together with {anchor} in {count} baskets",
        "zh": "在 {count} 个购物篮里与{anchor}一起{verb}",
    },
    "basket_few": {"en": "{done} together with {anchor} by {people}", "zh": "{people}把它与{anchor}一起{verb}"},
    "relation": {"en": "{relation} {anchor}", "zh": "{relation}：{anchor}"},
    "attribute": {"en": "{same}: {name}, like {anchor}", "zh": "{same}：{name}，与{anchor}一样"},
    "attribute_here": {"en": "{same}: {name}", "zh": "{same}：{name}"},
    "attribute_many": {
        "en": "{same}: {name}, like {shared} items you chose",
        "zh": "{same}：{name}，与您选过的 {shared} 件商品一样",
    },
    "attribute_unnamed": {"en": "{same} {joined} {anchor}", "zh": "与{anchor}{same}"},
    "chain": {
        "en": "{done} along with {through}, which goes with {anchor}",
        "zh": "常与{through}一起被{verb}，而{through}与{anchor}相配",
    },
    "own_attribute": {"en": "{noun}: {name}", "zh": "{noun}：{name}"},
    "own_attribute_unnamed": {"en": "listed with a {noun}", "zh": "已标明{noun}"},
    "popular": {"en": "{done} by {people}", "zh": "{people}{verb}过"},
}
"""What :func:`api.engine.reasons.wording.describe` fills in; a new kind of path is one row here."""

SOME_ITEM: Mapping[Language, str] = {"en": "an item you chose", "zh": "您选过的一件商品"}
THIS_ITEM: Mapping[Language, str] = {"en": "this item", "zh": "这件商品"}
ANOTHER_ITEM: Mapping[Language, str] = {"en": "another item", "zh": "另一件商品"}

VERBS: Mapping[str, Mapping[Language, str]] = {
    "purchase": {"en": "bought", "zh": "买"},
    "cart": {"en": "put in the basket", "zh": "加购"},
    "rating": {"en": "liked", "zh": "喜欢"},
    "view": {"en": "viewed", "zh": "看"},
}
"""What people did, by the kind of interaction."""
OTHER_VERB: Mapping[Language, str] = {"en": "chose", "zh": "选"}

CHINESE: Mapping[str, str] = {
    "brand": "品牌", "category": "类别", "genre": "类型", "kind of film": "影片种类",
    "actor": "演员", "director": "导演", "writer": "编剧", "producer": "制片人",
    "cinematographer": "摄影师", "language": "语言", "country": "国家",
    "production company": "制作公司", "age rating": "分级", "subject": "题材", "tag": "标签", "color": "颜色",
    "author": "作者", "artist": "艺术家", "maker": "制造商", "publisher": "出版社", "series": "系列",
    "age group": "年龄段",
    "word in the name": "名称用词", "a feature in common": "有共同特点", "a fact in common": "有共同事实",
    "same film series": "同一系列电影", "won the same award": "获得同一奖项",
    "nominated for the same award": "获得同一奖项提名", "goes with": "搭配", "complements": "搭配",
    "also bought": "也常买", "also viewed": "也常看", "often bought together": "常一起购买",
    "often bought by the same people": "同一批人常买", "often viewed by the same people": "同一批人常看",
    "bought together": "一起购买", "viewed together": "一起浏览", "put in the cart together": "一起加购",
    "linked in the knowledge graph": "知识图谱中相关", "next": "接着常选",
}  # fmt: skip
"""English words of schemas in Chinese; a word that is not here stays as the schema has it."""


def language_of(asked: str | None, accepted: str | None) -> Language:
    """The language to answer in: the one asked for, else the first served one that ``Accept-Language`` prefers."""
    if asked in LANGUAGES:
        return asked  # type: ignore[return-value]  # narrowed by the tuple of its values
    wanted: list[tuple[float, int, str]] = []
    for place, entry in enumerate((accepted or "").split(",")[:20]):
        name, _, quality = entry.strip().partition(";q=")
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            continue
        wanted.append((-weight, place, name.split("-")[0].strip().lower()))
    for weight, _, name in sorted(wanted):
        if weight < 0 and name in LANGUAGES:
            return name  # type: ignore[return-value]  # narrowed by the tuple of its values
    return "en"
