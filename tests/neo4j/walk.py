"""What the guide says, done by hand: the guide's own queries, and the answer before and after each."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from api.curator import Examples, Spelling, saved_queries
from api.curator.repairs import DUPLICATE_ID, WRONG_ID
from graph.schema import EdgeType
from tests.neo4j.curated_shop import Hand, asked

PATIENCE_S = 120.0
PINS = {"promotions": [{"name": "pinned by hand", "filter": "pinned = true", "at_most": 3}]}


@dataclass(frozen=True)
class Cast:
    """Who appears: an item with a wrong attribute, a duplicate attribute and an item that has it, and a partner."""

    attribute: EdgeType
    item: str
    wrong: str
    right: str
    duplicate: str
    keeps: str
    has_duplicate: str
    partner: str
    pinned: str


@dataclass(frozen=True)
class Step:
    """An edit, what is asked before and after it, and how the answer shows it."""

    title: str
    says: str
    cypher: str
    path: str
    shows: Callable[[Any], bool]


@dataclass(frozen=True)
class Taken:
    """A step that was taken: both answers, and how long after the commit the second one was there."""

    step: Step
    before: Any
    after: Any
    seconds: float


def corrections(spelling: Spelling, cast: Cast) -> list[Step]:
    """What the guide offers for attributes and relations, in its words; only what was wrong is changed at the end."""
    related = related_to(cast)
    complementary = f"/v1/items/{cast.item}/related?kind=complementary&n=8&include=reasons,properties"
    target = cast.attribute[2]
    label, relation = spelling.names.plain_label(target), spelling.names.plain_type(cast.attribute)
    queries = _queries(spelling, Examples(cast.item, cast.partner, attributes={cast.attribute: cast.right}))
    merging = _queries(spelling, Examples(cast.item, attributes={cast.attribute: cast.keeps}))
    merge = merging[f"Merge a duplicate {label} ({relation})"]
    duplicate = f"/v1/items/{cast.has_duplicate}/related?n=8&include=reasons,properties"
    has = _has_node
    return [
        Step(
            f"A wrong {label.lower()}",
            f"“{cast.wrong}” is no {label.lower()} of this item. It goes, “{cast.right}” is there, the others stay.",
            queries[f"Correct an item's {label} ({relation})"].replace(WRONG_ID, cast.wrong),
            related,
            lambda answer: not has(answer, target, cast.wrong),
        ),
        Step(
            f"The same {label.lower()} twice",
            f"“{cast.duplicate}” and “{cast.keeps}” are one. What hangs on the first moves to the second.",
            merge.replace(DUPLICATE_ID, cast.duplicate),
            duplicate,
            lambda answer: not has(answer, target, cast.duplicate) and has(answer, target, cast.keeps),
        ),
        Step(
            "Two items that go together",
            "A relation of a curator's own becomes a reason.",
            queries["Add the relation COMPLEMENTS"],
            complementary,
            lambda answer: "COMPLEMENTS" in _edges(answer, cast.partner),
        ),
        Step(
            "… and when they do not",
            "The relation goes, and the reason with it.",
            queries["Take the relation COMPLEMENTS away"],
            complementary,
            lambda answer: "COMPLEMENTS" not in str(answer),
        ),
    ]


def marks(spelling: Spelling, cast: Cast) -> list[Step]:
    """Hiding and pinning, in the guide's words; at the end the item is as it was."""
    related = related_to(cast)
    pins = _queries(spelling, Examples(cast.pinned))
    return [
        Step(
            "An item that must not be shown",
            "Hidden items are in no answer, of any kind, to anybody.",
            pins["Hide an item"],
            related,
            lambda answer: cast.pinned not in _ids(answer),
        ),
        Step(
            "… and shown again",
            "",
            pins["Show it again"],
            related,
            lambda answer: cast.pinned in _ids(answer),
        ),
        Step(
            "An item for the top",
            "The rule that looks for pinned items is in `PUT /v1/rules`, once for all of them.",
            pins["Pin an item"],
            related,
            lambda answer: _ids(answer)[0] == cast.pinned and answer["items"][0]["promotion"] == "pinned by hand",
        ),
        Step(
            "… and back to where it was",
            "",
            pins["Unpin it"],
            related,
            lambda answer: "pinned by hand" not in str(answer),
        ),
    ]


def related_to(cast: Cast) -> str:
    """Where the items related to the cast's are asked for."""
    return f"/v1/items/{cast.item}/related?n=8&include=reasons,properties"


def _queries(spelling: Spelling, examples: Examples) -> dict[str, str]:
    return {query.title: query.text for query in saved_queries(spelling, examples)}


def taken(steps: Sequence[Step], port: int, hand: Hand) -> Iterator[Taken]:
    """Each step once the answer shows it; AssertionError when it did before, or never does."""
    for step in steps:
        before, _ = _asked_until(lambda answer, step=step: not step.shows(answer), step, port)
        hand(step.cypher)
        after, seconds = _asked_until(step.shows, step, port)
        yield Taken(step, before, after, seconds)


def _asked_until(reached: Callable[[Any], bool], step: Step, port: int) -> tuple[Any, float]:
    """The first answer that is as expected, and how long it took."""
    began = time.monotonic()
    while not reached(answer := asked(port, step.path)):
        assert time.monotonic() - began < PATIENCE_S, f"{step.title}: not in the answer\n{listed(answer)}"
        time.sleep(0.02)
    return answer, time.monotonic() - began


def put_rules(port: int, rules: dict[str, Any]) -> None:
    """Nothing; the shop has these rules."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/rules",
        json.dumps(rules).encode(),
        {"Content-Type": "application/json", "If-Match": "*"},
        method="PUT",
    )
    urllib.request.urlopen(request, timeout=120).close()


def listed(answer: Any, width: int = 150) -> str:
    """An answer as people read it: a line an item, with the reasons."""
    lines = []
    for item in answer["items"]:
        title = (item.get("properties") or {}).get("title", "")
        reasons = "; ".join(reason["text"] for reason in item.get("reasons", ()))
        promoted = f" [{item['promotion']}]" if item["promotion"] else ""
        line = f"{item['rank']}. {item['item_id']}  {title}{promoted}" + (f"  ({reasons})" if reasons else "")
        lines.append(line if len(line) <= width else line[: width - 1] + "…")
    return "\n".join(lines) or "nothing"


def _ids(answer: Any) -> list[str]:
    return [item["item_id"] for item in answer["items"]]


def _edges(answer: Any, item_id: str) -> set[str]:
    """Relations in the reasons for one item."""
    return {
        step["edge"]
        for item in answer["items"]
        if item["item_id"] == item_id
        for reason in item["reasons"]
        for step in reason["path"]
        if "edge" in step
    }


def _has_node(answer: Any, node_type: str, node_id: str) -> bool:
    """Whether a node is in a reason of the answer."""
    return any(
        step.get("node") == [node_type, node_id]
        for item in answer["items"]
        for reason in item["reasons"]
        for step in reason["path"]
    )
