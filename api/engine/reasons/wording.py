"""The words of a reason: what people did, how items are alike, in the shopper's language."""

from __future__ import annotations

import re

from api.engine.naming import name_of
from api.engine.phrases import ANOTHER_ITEM, CHINESE, OTHER_VERB, PHRASES, SOME_ITEM, VERBS, Language
from api.engine.reading import MIN_COUNT
from api.engine.reasons.evidence import Evidence
from graph.schema import EdgeSpec
from graph.view import GraphView

_PARTICIPLES = {"chose": "chosen", "saw": "seen", "took": "taken", "ate": "eaten", "wore": "worn"}
_SHOPPING = frozenset({"purchase", "cart"})
_LEADING = re.compile(r"^(has|have|in|of|is|belongs to|same|with)\s+", re.IGNORECASE)


def describe(view: GraphView, evidence: Evidence, *, anchor_name: str | None = None, language: Language = "en") -> str:
    """One line that says why; ``anchor_name`` stands for the item of the history (e.g. "this item")."""
    item_type = view.schema.item_type
    spec, middle = evidence.spec, evidence.middle
    if spec is None:
        return PHRASES["present"][language]
    anchor = anchor_name or (name_of(view, item_type, evidence.anchor) if evidence.anchor >= 0 else None)
    name = None if middle is None or evidence.kind == "again" else name_of(view, *middle)
    # A name is asked for by a template only where there is one, so that none is ever an opaque id.
    words = {
        "anchor": anchor or SOME_ITEM[language],
        "verb": _verb(spec, language),
        "done": _done(spec, language),
        "people": people(spec, evidence.count, language),
        "count": f"{evidence.count:,}",
        "shared": str(evidence.shared),
        "relation": _relation_words(spec, evidence.direction, language),
        "same": _same_words(spec, middle[0] if middle is not None and name is None else None, language),
        "noun": _noun(spec, language),
        "name": name or "",
        "through": name or ANOTHER_ITEM[language],
    }
    words["joined"] = "as" if "same" in words["same"] else "with"
    row = _row(evidence, named=name is not None, like=anchor is not None and anchor_name is None)
    return PHRASES[row][language].format_map(words)


def _row(evidence: Evidence, *, named: bool, like: bool) -> str:
    """Which row of the table says it; ``like``: the history's item can be named beside the attribute."""
    if evidence.kind == "basket":
        return "basket_few" if evidence.count < MIN_COUNT else "basket"
    if evidence.kind == "attribute":
        if not named:
            return "attribute_unnamed"
        return "attribute_many" if evidence.shared > 1 else ("attribute" if like else "attribute_here")
    if evidence.kind == "own_attribute" and not named:
        return "own_attribute_unnamed"
    return evidence.kind


def people(spec: EdgeSpec, count: int, language: Language = "en") -> str:
    """How many stand behind an interaction, without singling anyone out."""
    if language == "zh":
        noun = "顾客" if spec.kind in _SHOPPING else "人"
        return f"少数{noun}" if count < MIN_COUNT else f"{count:,} 位{noun}" if noun == "顾客" else f"{count:,} 人"
    noun = "customers" if spec.kind in _SHOPPING else "people"
    return f"a few {noun}" if count < MIN_COUNT else f"{count:,} {noun}"


def _verb(spec: EdgeSpec, language: Language = "en") -> str:
    """What people did: "bought", "chose"."""
    known = VERBS.get(spec.kind or "", OTHER_VERB)[language]
    return (spec.words or known) if language == "en" else known


def _done(spec: EdgeSpec, language: Language = "en") -> str:
    """What was done to the item: "bought", "chosen"."""
    verb = _verb(spec, language)
    return _PARTICIPLES.get(verb, verb)


_LEADS_ON = frozenset({"with", "as", "to", "after", "before", "by", "for", "from", "like", "of", "in"})
_JOINED_BY = {"together": "with", "people": "as", "customers": "as"}
"""How a schema's words for a relation go on to the item's name; after others stands a colon."""


def _plain(relation: str) -> str:
    return relation.replace("_", " ").lower()


def _noun(spec: EdgeSpec, language: Language = "en") -> str:
    """What an attribute edge leads to: "brand" for HAS_BRAND or for the words "same brand"."""
    noun = _LEADING.sub("", spec.words or _plain(spec.relation))
    return noun if language == "en" else CHINESE.get(noun, noun)


def _same_words(spec: EdgeSpec, unnamed: str | None = None, language: Language = "en") -> str:
    """How two items share an attribute; ``unnamed`` is the type of one that has no name."""
    noun = _noun(spec)
    if language == "zh":
        whole = CHINESE.get(spec.words or "")
        return whole or f"{CHINESE.get(noun, noun)}相同"
    if spec.words:
        return spec.words
    if noun.endswith(" by"):
        return f"{noun} the same {unnamed.lower()}" if unnamed else f"also {noun}"
    return f"same {noun}"


def _relation_words(spec: EdgeSpec, direction: str, language: Language = "en") -> str:
    words = spec.words or _plain(spec.relation)
    if language == "zh":
        if words.endswith("next"):
            return "在其之后常选" if direction == "out" else "在其之前常选"
        return CHINESE.get(words, words)
    if words.endswith("next"):
        return "often chosen next after" if direction == "out" else "often chosen just before"
    if words.startswith("also") and spec.words is None:
        return f"{words} with"
    last = words.rsplit(" ", 1)[-1]
    return words if last in _LEADS_ON else f"{words} {_JOINED_BY[last]}" if last in _JOINED_BY else f"{words}:"
