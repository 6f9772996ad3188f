"""Names that the driver has for nodes are used only while they are surely those nodes'."""

from __future__ import annotations

import pytest

from graph.neo4j import elements
from graph.neo4j.elements import Elements

FIRST, SECOND = frozenset(["first"]), frozenset(["second"])


def made(known: Elements, ids: list[str], names: list[str], bookmark: frozenset[str]) -> None:
    known.created("Item", ids, names)
    known.committed(bookmark)


def test_names_last_until_somebody_else_commits() -> None:
    known = Elements()
    known.begin(lambda: FIRST)
    made(known, ["a"], ["4:x:1"], FIRST)
    known.begin(lambda: FIRST)
    assert known.of("Item", ["a", "b"]) == ["4:x:1", None]
    known.begin(lambda: SECOND)
    assert known.of("Item", ["a"]) == [None]


def test_what_a_transaction_made_is_known_in_it_and_not_after_it_was_rolled_back() -> None:
    known = Elements()
    known.begin(lambda: FIRST)
    made(known, ["a"], ["4:x:1"], FIRST)
    known.begin(lambda: FIRST)
    known.created("Item", ["a", "b"], ["4:x:8", "4:x:9"])
    assert known.of("Item", ["a", "b"]) == ["4:x:8", "4:x:9"]
    known.begin(lambda: FIRST)
    assert known.of("Item", ["a", "b"]) == ["4:x:1", None]


def test_a_commit_whose_answer_was_lost_ends_it() -> None:
    known = Elements()
    made(known, ["a"], ["4:x:1"], FIRST)
    known.begin(lambda: FIRST)
    known.created("Item", ["b"], ["4:x:2"])
    known.begin(lambda: SECOND)
    assert known.of("Item", ["a", "b"]) == [None, None]


def test_a_node_made_again_is_not_looked_for_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elements, "KEPT_NODES", 1)
    known = Elements()
    made(known, ["a"], ["4:x:1"], FIRST)
    known.begin(lambda: FIRST)
    made(known, ["a", "b"], ["4:x:2", "4:x:3"], SECOND)
    assert known.of("Item", ["a", "b"]) == [None, None]
