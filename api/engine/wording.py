"""The words of a reason: titles and names a shopper knows, never a bare id where there is a name."""

from __future__ import annotations

import re

from api.engine.evidence import Evidence
from api.engine.reading import MIN_COUNT
from graph.schema import EdgeSpec
from graph.view import GraphView

_VERBS = {"purchase": "bought", "cart": "put in the basket", "rating": "liked", "view": "viewed"}
_PARTICIPLES = {"chose": "chosen", "saw": "seen", "took": "taken", "ate": "eaten", "wore": "worn"}
_SHOPPING = frozenset({"purchase", "cart"})
_LEADING = re.compile(r"^(has|have|in|of|is|belongs to|same|with)\s+", re.IGNORECASE)
_WORDLIKE = re.compile(r"[^\W\d_]{3,}")
_MAX_NAME = 80


def describe(view: GraphView, evidence: Evidence, *, anchor_name: str | None = None) -> str:
    """One line that says why; ``anchor_name`` stands for the item of the history (e.g. "this item")."""
    item_type = view.schema.item_type
    anchor = anchor_name or (name_of(view, item_type, evidence.anchor) if evidence.anchor >= 0 else None)
    spec, middle = evidence.spec, evidence.middle
    if spec is None:
        return "new in the shop"
    if evidence.kind == "again":
        return f"you {_verb(spec)} it before"
    if evidence.kind == "co_interaction":
        return f"{_done(spec)} by {people(spec, evidence.count)} who also {_verb(spec)} {anchor or 'an item you chose'}"
    if evidence.kind == "basket":
        few = evidence.count < MIN_COUNT
        many = f"by {people(spec, evidence.count)}" if few else f"in {evidence.count:,} baskets"
        return f"{_done(spec)} together with {anchor or 'an item you chose'} {many}"
    if evidence.kind == "relation":
        return f"{_relation_words(spec, evidence.direction)} {anchor or 'an item you chose'}"
    if evidence.kind == "attribute" and middle is not None:
        name = name_of(view, *middle)
        if name is None:
            words = _same_words(spec, middle[0])
            return f"{words} {'as' if 'same' in words else 'with'} {anchor or 'an item you chose'}"
        if evidence.shared > 1:
            return f"{_same_words(spec)}: {name}, like {evidence.shared} items you chose"
        return f"{_same_words(spec)}: {name}" + (f", like {anchor}" if anchor and not anchor_name else "")
    if evidence.kind == "chain" and middle is not None:
        through = name_of(view, *middle) or "another item"
        return f"{_done(spec)} along with {through}, which goes with {anchor or 'an item you chose'}"
    if evidence.kind == "own_attribute" and middle is not None:
        name = name_of(view, *middle)
        return f"{_noun(spec)}: {name}" if name else f"listed with a {_noun(spec)}"
    return f"{_done(spec)} by {people(spec, evidence.count)}"


def people(spec: EdgeSpec, count: int) -> str:
    """How many stand behind an interaction, without singling anyone out."""
    noun = "customers" if spec.kind in _SHOPPING else "people"
    return f"a few {noun}" if count < MIN_COUNT else f"{count:,} {noun}"


def name_of(view: GraphView, node_type: str, index: int) -> str | None:
    """The display name of a node, or ``None`` when all there is is an opaque id.

    A node type without a title property is named by its ids, if they read like words ("Nivea", not "m.03q8").
    """
    node_id, title = view.id_of(node_type, index), view.title(node_type, index)
    if title != node_id and title.strip():
        return _shortened(title)
    reads_like_words = _WORDLIKE.search(node_id) is not None and not any(letter.isdigit() for letter in node_id)
    return _shortened(node_id) if reads_like_words else None


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MAX_NAME else line[: _MAX_NAME - 1].rstrip() + "…"


def _verb(spec: EdgeSpec) -> str:
    """What people did: "bought", "chose"."""
    return spec.words or _VERBS.get(spec.kind or "", "chose")


def _done(spec: EdgeSpec) -> str:
    """What was done to the item: "bought", "chosen"."""
    return _PARTICIPLES.get(_verb(spec), _verb(spec))


def _plain(relation: str) -> str:
    return relation.replace("_", " ").lower()


def _noun(spec: EdgeSpec) -> str:
    """What an attribute edge leads to: "brand" for HAS_BRAND or for the words "same brand"."""
    return _LEADING.sub("", spec.words or _plain(spec.relation))


def _same_words(spec: EdgeSpec, unnamed: str | None = None) -> str:
    """How two items share an attribute; ``unnamed`` is the type of one that has no name."""
    if spec.words:
        return spec.words
    noun = _noun(spec)
    if noun.endswith(" by"):
        return f"{noun} the same {unnamed.lower()}" if unnamed else f"also {noun}"
    return f"same {noun}"


def _relation_words(spec: EdgeSpec, direction: str) -> str:
    words = spec.words or _plain(spec.relation)
    if words.endswith("next"):
        return "often chosen next after" if direction == "out" else "often chosen just before"
    return f"{words} with" if words.startswith("also") and spec.words is None else f"{words}:"
