"""A start compares nothing when nobody has edited meanwhile, and all of it when that is not certain."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from graph.neo4j import CuratedStore
from graph.neo4j.curating import hand_edits
from graph.neo4j.server import dump, load_dump
from graph.records import DeleteNodes, UpsertEdges, UpsertNodes
from graph.store import open_store
from tests.api.corner_shop import COMPLEMENTS, PURCHASED, SCHEMA
from tests.neo4j.curated_shop import Hand, slow_url
from tests.neo4j_servers import TestServer


@contextmanager
def process(server: TestServer) -> Iterator[CuratedStore]:
    """The store as a process that starts has it, until that process ends."""
    with open_store(slow_url(server)) as store:
        assert isinstance(store, CuratedStore)
        yield store


def quiet_start(server: TestServer) -> int:
    """How many comparisons a start costs that finds nothing."""
    with process(server) as store:
        for _ in range(2):
            assert store.reconcile() == 0
        return store.hand_edits.diffs


@pytest.fixture
def left(empty_neo4j: TestServer) -> TestServer:
    """The server with a little graph, as a process leaves it that has looked and ended."""
    with process(empty_neo4j) as store:
        store.ensure_schema(SCHEMA)
        products = [UpsertNodes("Product", ["tea", "cup", "mug", "lonely"], [{"title": "T"}, {}, {}, {}])]
        store.apply([*products, UpsertEdges(COMPLEMENTS, ["tea"], ["cup"])], batch_id="b", actor="t")
        bought = UpsertEdges(PURCHASED, ["u"], ["tea"], qualifiers=["m"], create_missing=True)
        store.apply([bought, UpsertNodes("Product", ["cup"], [{"price": 1.0}])], batch_id="b", actor="t")
    quiet_start(empty_neo4j)  # the first one makes names in the database, which counts as somebody's commit
    quiet_start(empty_neo4j)
    return empty_neo4j


def test_a_start_with_nothing_edited_compares_nothing(left: TestServer) -> None:
    assert [quiet_start(left) for _ in range(2)] == [0, 0]


def test_a_start_that_compared_nothing_does_so_before_the_first_edit(
    left: TestServer, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first comparison of a process takes several times as long as the next."""
    monkeypatch.setattr(hand_edits, "FIRST_AFTER_S", 0.0)
    with process(left) as store:
        assert store.reconcile() == 0
        assert store.hand_edits.diffs == 0
        for _ in range(2):
            assert store.reconcile() == 0
            assert store.hand_edits.diffs == 1
        hand("MATCH (p:Product {id: 'tea'}) SET p.title = 'Black tea'")
        assert store.reconcile() == 1


def test_two_processes_keep_what_each_knows_and_a_third_starts_from_it(left: TestServer, hand: Hand) -> None:
    with process(left) as first, process(left) as second:
        for number, store in enumerate([first, second, first, first, second]):
            hand("MATCH (p:Product {id: 'tea'}) SET p.title = $title", title=f"title {number}")
            assert store.reconcile() == 1
            store.hand_edits.save()
            assert len(list(first.changes_since("0"))) == len(list(second.changes_since("0")))
            assert second.reconcile() == first.reconcile() == 0
    assert quiet_start(left) == 0


def test_what_was_edited_while_no_process_ran_is_found(left: TestServer, hand: Hand) -> None:
    hand("MATCH (p:Product {id: 'tea'}) SET p.title = 'Black tea'")
    hand("CREATE (:Product {id: 'new'})")
    hand("MATCH (:Product {id: 'tea'})-[r:COMPLEMENTS]->() DELETE r")
    with process(left) as store:
        at = store.watermark()
        assert store.reconcile() == 3
        assert [change.actor for change in store.changes_since(at)] == ["browser"] * 3
    quiet_start(left)  # the first tombstone of this database has brought a name with it
    assert quiet_start(left) == 0


def test_our_own_rows_since_then_are_known_without_a_comparison(left: TestServer, hand: Hand) -> None:
    """Edits of these by hand are found, though no look of any process has compared them before."""
    with open_store(slow_url(left)) as other:
        other.apply([UpsertNodes("Product", ["tea", "cup"], [{"price": 1.5}, {}])], batch_id="b", actor="api")
        other.apply(
            [UpsertEdges(PURCHASED, ["u"], ["cup"], qualifiers=["n"], create_missing=True)], batch_id="e", actor="api"
        )
    with process(left) as store:
        assert store.reconcile() == 0
        assert store.hand_edits.diffs == 0
        hand("MATCH (p:Product {id: 'tea'}) SET p.price = 99.0")
        assert store.reconcile() == 1


def test_rows_that_were_added_or_deleted_without_a_look_are_compared(left: TestServer) -> None:
    with open_store(slow_url(left)) as other:
        other.apply([UpsertEdges(COMPLEMENTS, ["tea"], ["mug"])], batch_id="b", actor="api")
        other.apply([DeleteNodes("Product", ["lonely"])], batch_id="b", actor="api")
    assert quiet_start(left) >= 1
    assert quiet_start(left) == 0


MEDDLED = (
    "MATCH (m:KindredMeta) REMOVE m.vouched",
    "MATCH (m:KindredMeta) SET m.vouched = left(m.vouched, 20)",
    "MATCH (m:KindredMeta) SET m.vouched = replace(m.vouched, left(m.vouched, 30), '[\"another database')",
    "MATCH (k:KindredKnown) DELETE k",
    "MATCH (k:KindredKnown) WITH k LIMIT 1 DELETE k",
)
"""The mark missing, torn or of another database; what is known of the part gone, or some of it."""


def test_what_cannot_be_trusted_is_compared_anew(left: TestServer, hand: Hand) -> None:
    for meddling in MEDDLED:
        hand(meddling)
        assert quiet_start(left) == 1, meddling
        assert quiet_start(left) == 0, meddling


def test_known_content_that_cannot_be_read_is_as_none(left: TestServer, hand: Hand) -> None:
    hand("MATCH (k:KindredKnown) SET k.content = $torn", torn=b"torn")
    assert quiet_start(left) == 1
    assert quiet_start(left) == 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_edits_in_a_restored_dump_are_found(left: TestServer, hand: Hand, tmp_path: Path) -> None:
    """The dump holds an edit that no process had seen; meanwhile others were made and seen."""
    hand("MATCH (p:Product {id: 'tea'}) SET p.title = 'In the dump'")
    left.stop()
    dump(left.home, tmp_path / "older.dump", lambda _: None)
    left.start()
    with process(left) as store:
        assert store.reconcile() == 1
    left.stop()
    load_dump(left.home, tmp_path / "older.dump", lambda _: None, overwrite=True)
    left.start()
    with process(left) as store:
        at = store.watermark()
        assert store.reconcile() == 1
        (change,) = store.changes_since(at)
        assert "In the dump" in str(change.record)
    assert quiet_start(left) == 0
