"""Embeddings of a release in Neo4j: found by vector, switched in one step, gone when the next is there."""

from __future__ import annotations

import itertools
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from api.curator import Examples, Spelling, saved_queries
from api.curator.publishing import learned_neighbors, publication_of
from graph.digest import graph_hash
from graph.embeddings import Publication
from graph.errors import InputError, NotFound
from graph.neo4j.curating.slots import SLOTS
from graph.neo4j.cypher import curation
from graph.neo4j.cypher.names import Names
from graph.release import current_release
from tests.api.corner_shop import HAS_BRAND, IN_CATEGORY, MADE_BY, PRODUCTS, SCHEMA, Shop, open_shop
from tests.api.http_release import publish
from tests.neo4j.curated_shop import Hand, curated

EXAMPLES = Examples("tea", "mug", "tea", {HAS_BRAND: "acme", IN_CATEGORY: "Food", MADE_BY: "m.0x7"})
NOT_THERE = "DUPLICATE ID"
QUERIES = {query.title: query.text for query in saved_queries(Spelling(SCHEMA), EXAMPLES)}
SIMILAR, LEARNED = QUERIES["Similar items by vector"], QUERIES["Learned neighbours of an item"]


def other_release(publication: Publication, release_id: str) -> Publication:
    """Another release: the same ids with other vectors."""
    vector = np.random.default_rng(1).normal(size=publication.items.vector.shape).astype(np.float32)
    return replace(publication, release_id=release_id, items=replace(publication.items, vector=vector))


def test_every_saved_query_runs_and_similar_items_are_the_models(shop: Shop, hand: Hand, tmp_path: Path) -> None:
    publication = publication_of(current_release(tmp_path / "releases"), neighbors=3)
    assert publication.model == "als"
    before = graph_hash(shop.store)
    published = curated(shop).publish(publication)
    known = int((np.linalg.norm(publication.items.vector, axis=1) > 0).sum())
    assert (published.items, published.absent) == (known, len(PRODUCTS) - known)  # nobody bought the others
    assert graph_hash(shop.store) == before  # no part of the graph
    assert curated(shop).reconcile() == 0
    assert curated(shop).problems() == []
    vector = dict(zip(publication.items.node_ids, publication.items.vector, strict=True))
    best = [row["id"] for row in hand(SIMILAR)]
    unit = {item: row / np.linalg.norm(row) for item, row in vector.items() if np.any(row)}
    close = sorted((item for item in unit if item != "tea"), key=lambda item: -float(unit[item] @ unit["tea"]))
    assert set(best[:4]) == set(close[:4])
    for query in saved_queries(Spelling(SCHEMA), EXAMPLES):
        rows = hand(query.text)
        if query.group == "look" or (query.group == "repair" and NOT_THERE not in query.text):
            assert rows, query.title


def test_checks_find_what_is_wrong_and_a_merge_puts_it_right(shop: Shop, hand: Hand) -> None:
    hand("CREATE (:Brand {id: 'ACME', name: ' aCMe'})<-[:HAS_BRAND]-(:Product {id: 'double', title: 'GREEN TEA'})")
    hand("CREATE (:Category {id: 'Empty'}) CREATE (:Product {title: 'no id'})")
    queries = {query.title: query.text for query in saved_queries(Spelling(SCHEMA), EXAMPLES)}
    (brands,) = hand(queries["Brand names that differ by case or spaces"])
    assert set(brands["ids"]) == {"acme", "ACME"}
    (items,) = hand(queries["Product duplicates"])
    assert set(items["ids"]) == {"tea", "double"}
    assert "Empty" in {row["node"].get("id") for row in hand(queries["Orphans"])}
    assert len(hand(queries["Nodes without an id"])) == 1
    assert "lonely" in {row["id"] for row in hand(queries["Products without IN_CATEGORY"])}
    hand(queries["Hide an item"])
    assert [row["id"] for row in hand(queries["Hidden and pinned items"])] == ["tea"]
    hand(queries["Merge a duplicate Brand (HAS_BRAND)"].replace(NOT_THERE, "ACME"))
    assert hand("MATCH (:Product {id: 'double'})-[:HAS_BRAND]->(b) RETURN b.id AS id")[0]["id"] == "acme"
    assert not hand("MATCH (b:Brand {id: 'ACME'}) RETURN b")
    changed = hand(queries["What changed lately"])
    assert changed


def test_no_query_sees_two_releases_and_the_old_one_goes(shop: Shop, hand: Hand, tmp_path: Path) -> None:
    store = curated(shop)
    first = publication_of(current_release(tmp_path / "releases"), neighbors=3)
    store.publish(first)
    second = other_release(first, "the-next-one")
    stop = threading.Event()
    mixed: list[Any] = []
    seen: set[str] = set()
    answers = {name: tops(part) for name, part in ((first.release_id, first), (second.release_id, second))}

    def look() -> None:
        while not stop.is_set():
            rows = hand(SIMILAR)
            releases = {row["release"] for row in rows}
            edges = {edge["release"] for row in hand(LEARNED) for edge in row["path"].relationships}
            best = {row["id"] for row in rows[:3]}
            seen.update(releases)
            if len(releases) != 1 or len(edges) > 1 or best != answers[min(releases)]:
                mixed.append((releases, edges, best))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        for _ in range(2):
            store.publish(second)
            store.publish(first)
        store.publish(second)
    finally:
        stop.set()
        looking.join(60)
    assert not mixed
    assert seen == {first.release_id, second.release_id}
    slots = hand("MATCH (p:Product {id: 'tea'}) RETURN p.embedding_a IS NULL AS a, p.embedding_b IS NULL AS b")[0]
    assert sorted((slots["a"], slots["b"])) == [False, True]
    assert len(hand("SHOW VECTOR INDEXES YIELD name")) == 2
    assert len(hand("MATCH (r:KindredRelease) RETURN r")) == 1
    assert len(hand("MATCH (r:KindredCurrent) RETURN r")) == 1
    assert {row["release"] for row in hand("MATCH ()-[r:SIMILAR_TO]->() RETURN r.release AS release")} == {
        "the-next-one"
    }


def test_every_query_during_200_switches_finds_exactly_one_release(shop: Shop, hand: Hand, tmp_path: Path) -> None:
    curated(shop).publish(publication_of(current_release(tmp_path / "releases"), neighbors=3))
    names = Names()
    hand("MATCH ()-[r:SIMILAR_TO]->() DELETE r")
    releases = ("first", "second")
    for slot, release in enumerate(releases):
        same = {"item_index": "i", "user_index": "u", "dimensions": 8, "model": release, "embedding": SLOTS[slot]}
        hand(curation.write_release(names), release=release, slot=slot, **same)
        pairs = [["tea", "mug", 0.5], ["tea", "pot", 0.25]]
        hand(curation.write_similar(names, "Product"), rows=pairs, release=release, slot=slot)
    switched = threading.Event()
    wrong: list[Any] = []
    seen: list[str] = []
    pointed = curation.current_release(names)

    def look(own: Hand) -> None:
        while not switched.is_set():
            rows = [(row["release"], row["model"]) for row in own(pointed)]
            edges = [edge["release"] for row in own(LEARNED) for edge in row["path"].relationships]
            seen.append(str(rows))
            if rows not in [[(name, name)] for name in releases] or edges not in [[name] * 2 for name in releases]:
                wrong.append((rows, edges))

    looking = [threading.Thread(target=look, args=(hand,)) for _ in range(2)]
    for reader in looking:
        reader.start()
    try:
        for number in itertools.count():
            hand(curation.switch_release(names), slot=number % 2)
            if number >= 200 and len(seen) > 200:
                break
    finally:
        switched.set()
        for reader in looking:
            reader.join(60)
    assert not wrong
    assert len(set(seen)) == 2


def tops(publication: Publication) -> set[str]:
    """The three items closest to tea."""
    known = dict(zip(publication.items.node_ids, publication.items.vector, strict=True))
    unit = {item: row / np.linalg.norm(row) for item, row in known.items() if np.any(row)}
    others = [item for item in unit if item != "tea"]
    return set(sorted(others, key=lambda item: -float(unit[item] @ unit["tea"]))[:3])


def test_learned_neighbors_are_the_closest_by_cosine() -> None:
    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(40, 6)).astype(np.float32)
    vectors[7] = 0
    ids = [f"i{at}" for at in range(40)]
    found = learned_neighbors(vectors, ids, 4)
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    for at in range(40):
        close = unit @ unit[at]
        close[at] = -1
        best = [ids[other] for other in np.argsort(-close, kind="stable")[:4] if close[other] > 0]
        pairs = zip(found.source_ids, found.target_ids, strict=True)
        assert [target for source, target in pairs if source == ids[at]] == best
    assert "i7" not in found.source_ids


def test_a_release_without_embeddings_says_which_models_have_some(tmp_path: Path) -> None:
    shop = open_shop(tmp_path)
    publish(shop, tmp_path / "releases")
    release = current_release(tmp_path / "releases")
    with pytest.raises(NotFound, match="lightgcn"):
        publication_of(release)
    shop.store.close()
    shop.snapshot.close()


def test_more_neighbors_than_one_step_takes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = open_shop(tmp_path, models=("popularity", "als"))
    publish(shop, tmp_path / "releases")
    monkeypatch.setattr("api.curator.publishing.MAX_NEIGHBOR_EDGES", 30)
    release = current_release(tmp_path / "releases")
    assert publication_of(release, neighbors=2).neighbors is not None
    with pytest.raises(InputError, match="at most 2"):
        publication_of(release, neighbors=3)
    shop.store.close()
    shop.snapshot.close()
