"""Every walk against its naive twin: loops over edges in plain Python."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graph import compiled, walks
from graph.overlay import Overlay
from graph.records import Change, Edge, Node
from graph.snapshot import build_snapshot
from graph.view import GraphView
from tests.graph.graph_in_memory import HAS_BRAND, PURCHASED, VIEWED, GraphInMemory

BOTH = (PURCHASED, VIEWED)


def random_shop(seed: int, *, num_edges: int = 400) -> GraphInMemory:
    generator = np.random.default_rng(seed)
    graph = GraphInMemory(chunk=64)
    for number in range(30):
        graph.add_node("Item", f"i{number:02}")
        for brand in generator.choice(6, generator.integers(0, 3), replace=False).tolist():
            graph.add_edge(HAS_BRAND, f"i{number:02}", f"brand{brand}")
    times = iter(generator.permutation(num_edges).tolist())
    for _ in range(num_edges):
        edge_type = PURCHASED if generator.random() < 0.6 else VIEWED
        user, item = f"u{generator.integers(25):02}", f"i{int(30 * generator.random() ** 2):02}"
        at = None if generator.random() < 0.1 else next(times) * 1000
        qualifier = generator.choice(["", "b1", "b2", "b3"])
        graph.add_edge(edge_type, user, item, at=at, qualifier=str(qualifier))
    return graph


def some_changes(graph: GraphInMemory, seed: int) -> list[Change]:
    generator = np.random.default_rng(seed)
    gone = generator.choice(len(graph.edges), 40, replace=False)
    edges = list(graph.edges.values())
    changes: list[Any] = [("delete", edges[at]) for at in gone]
    changes += [
        ("upsert", Edge(PURCHASED, f"u{n % 27:02}", f"i{n % 32:02}", "b1", 1.0, 500_000 + n * 1000)) for n in range(60)
    ]
    changes += [("delete", Node("Item", "i07", {}, 2)), ("delete", Node("User", "u03", {}, 2))]
    return [Change(operation, record, "1", "batch", "test") for operation, record in changes]


@pytest.fixture(params=["snapshot", "overlay"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[GraphView, GraphInMemory]:
    graph = random_shop(7)
    snapshot = build_snapshot(graph, tmp_path / "snapshot")
    if request.param == "snapshot":
        return GraphView(snapshot), graph
    overlay = Overlay(snapshot)
    changes = some_changes(graph, 8)
    overlay.apply(changes)
    graph.change(changes)
    return GraphView(snapshot, overlay), graph


@pytest.fixture(params=["compiled", "plain"], autouse=True)
def loops(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every walk is asked of the compiled loops and of numpy's."""
    assert compiled.loops("graph.compiled.walks") is not None, "numba is part of what tests are run with"
    if request.param == "plain":
        monkeypatch.setattr(walks, "loops", lambda name: None)


def items_of(graph: GraphInMemory, edge_types: Iterable[Any]) -> dict[str, set[str]]:
    taken: dict[str, set[str]] = defaultdict(set)
    for edge in graph.edges.values():
        if edge.edge_type in edge_types:
            taken[edge.source_id].add(edge.target_id)
    return taken


def by_id(view: GraphView, counts: walks.Counts) -> dict[str, int]:
    assert counts.indices.tolist() == sorted(set(counts.indices.tolist()))
    return {
        view.id_of("Item", row): count
        for row, count in zip(counts.indices.tolist(), counts.counts.tolist(), strict=True)
    }


def every_item(view: GraphView) -> list[tuple[int, str]]:
    return [(row, view.id_of("Item", row)) for row in range(view.num_nodes("Item")) if view.exists("Item", row)]


@pytest.mark.parametrize("edge_types", [PURCHASED, BOTH])
def test_co_interaction_counts_users_in_common(world: Any, edge_types: Any) -> None:
    view, graph = world
    taken = items_of(graph, walks.several(edge_types))
    for row, item in every_item(view):
        wanted = Counter(other for items in taken.values() if item in items for other in items if other != item)
        assert by_id(view, walks.co_interaction(view, edge_types, row)) == wanted


@pytest.mark.parametrize("overlay", [False, True])
def test_without_parallel_edges_counts_are_the_same(overlay: bool, tmp_path: Path) -> None:
    graph = random_shop(9)
    for key, edge in list(graph.edges.items()):
        if edge.qualifier:
            del graph.edges[key]
    snapshot = build_snapshot(graph, tmp_path / "snapshot")
    assert not snapshot.edges(PURCHASED).has_parallel_edges
    view = GraphView(snapshot)
    if overlay:  # also users and items that the snapshot does not know
        changes = [
            Change("upsert", Edge(PURCHASED, f"u{n % 40:02}", f"i{n % 45:02}", "", 1.0, n * 1000), "1", "batch", "test")
            for n in range(50)
        ]
        view = GraphView(snapshot, Overlay(snapshot))
        assert view.overlay is not None
        view.overlay.apply(changes)
        graph.change(changes)
    taken = items_of(graph, [PURCHASED])
    for row, item in every_item(view):
        wanted = Counter(other for items in taken.values() if item in items for other in items if other != item)
        assert by_id(view, walks.co_interaction(view, PURCHASED, row)) == wanted


def test_threads_count_apart(tmp_path: Path) -> None:
    view = GraphView(build_snapshot(random_shop(5), tmp_path / "snapshot"))
    rows = [row for row, _ in every_item(view)]
    alone = [by_id(view, walks.co_interaction(view, PURCHASED, row)) for row in rows]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda row: by_id(view, walks.co_interaction(view, PURCHASED, row)), rows * 20))
    assert together == alone * 20


def test_a_cap_keeps_the_most_recent_users(world: Any) -> None:
    view, graph = world
    taken = items_of(graph, BOTH)
    for row, item in every_item(view):
        last: dict[int, int] = {}
        for edge in graph.edges.values():
            if edge.edge_type in BOTH and edge.target_id == item:
                user = view.index_of("User", edge.source_id)
                assert user is not None
                last[user] = max(last.get(user, -(2**62)), -(2**62) if edge.timestamp_ms is None else edge.timestamp_ms)
        users = sorted(sorted(last, key=lambda user: (last[user], user))[-3:])
        assert sorted(walks.users_of(view, BOTH, row, max_users=3).tolist()) == users
        wanted = Counter(other for user in users for other in taken[view.id_of("User", user)] if other != item)
        assert by_id(view, walks.co_interaction(view, BOTH, row, max_users=3)) == wanted


def test_baskets_count_what_was_bought_together(world: Any) -> None:
    view, graph = world
    together: dict[tuple[str, str], set[str]] = defaultdict(set)
    for edge in graph.edges.values():
        if edge.edge_type == PURCHASED and edge.qualifier:
            together[edge.source_id, edge.qualifier].add(edge.target_id)
    for row, item in every_item(view):
        wanted = Counter(other for basket in together.values() if item in basket for other in basket if other != item)
        assert by_id(view, walks.baskets(view, PURCHASED, row)) == wanted


def test_a_cap_keeps_the_most_recent_baskets(world: Any) -> None:
    view, _ = world
    for row, _ in every_item(view):
        few, all_ = walks.baskets(view, PURCHASED, row, max_baskets=2), walks.baskets(view, PURCHASED, row)
        assert set(few.indices.tolist()) <= set(all_.indices.tolist())
        assert few.counts.max(initial=0) <= 2


def test_shared_attributes_count_attribute_nodes_in_common(world: Any) -> None:
    view, graph = world
    brands = items_of(graph, [HAS_BRAND])
    holders = Counter(brand for owned in brands.values() for brand in owned)
    for row, item in every_item(view):
        own = brands.get(item, set())
        wanted = {other: len(own & theirs) for other, theirs in brands.items() if other != item and own & theirs}
        assert by_id(view, walks.shared_attributes(view, HAS_BRAND, row)) == wanted
        rare = {brand for brand in own if holders[brand] <= 4}
        wanted = {other: len(rare & theirs) for other, theirs in brands.items() if other != item and rare & theirs}
        assert by_id(view, walks.shared_attributes(view, HAS_BRAND, row, max_items=4)) == wanted
        for other_row, other in every_item(view):
            shared = walks.common_neighbors(view, HAS_BRAND, row, other_row)
            assert {view.id_of("Brand", int(brand)) for brand in shared} == own & brands.get(other, set())


@pytest.mark.parametrize("edge_types", [PURCHASED, BOTH])
def test_next_items_follow_in_time(world: Any, edge_types: Any) -> None:
    view, graph = world
    events: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    for edge in graph.edges.values():
        if edge.edge_type in walks.several(edge_types) and edge.timestamp_ms is not None:
            row = view.index_of("Item", edge.target_id)
            assert row is not None
            events[edge.source_id].append((edge.timestamp_ms, row, edge.target_id))
    followed: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for user, row in events.items():
        for (_, _, earlier), (_, _, later) in pairwise(sorted(row)):
            followed[earlier].add((user, later))
    for row, item in every_item(view):
        wanted = Counter(later for _, later in followed[item] if later != item)
        assert by_id(view, walks.next_item(view, edge_types, row)) == wanted
        near, far = walks.next_item(view, edge_types, row), walks.next_item(view, edge_types, row, window=3)
        assert set(near.indices.tolist()) <= set(far.indices.tolist())


def test_evidence_counts_users_of_both_items(world: Any) -> None:
    view, graph = world
    taken = items_of(graph, BOTH)
    rows = np.asarray([row for row, _ in every_item(view)], np.int32)
    for candidate, candidate_id in every_item(view)[:6]:
        users = {user for user, items in taken.items() if candidate_id in items}
        wanted = [len({user for user in users if view.id_of("Item", int(row)) in taken[user]}) for row in rows]
        assert walks.common_user_counts(view, BOTH, rows, candidate).tolist() == wanted
        both = walks.common_users(view, BOTH, int(rows[2]), candidate)
        item = view.id_of("Item", int(rows[2]))
        assert {view.id_of("User", int(user)) for user in both} == {user for user in users if item in taken[user]}
        for asking in sorted(users)[:2]:
            others = users - {asking}
            without = view.index_of("User", asking)
            wanted = [len({user for user in others if view.id_of("Item", int(row)) in taken[user]}) for row in rows]
            counted = walks.common_user_counts(view, BOTH, rows, candidate, without_user=without)
            assert counted.tolist() == wanted


def test_strongest_is_highest_count_then_lowest_row() -> None:
    counts = walks.Counts(np.array([1, 4, 6, 9], np.int32), np.array([2, 5, 5, 1]))
    best = counts.strongest(3)
    assert best.indices.tolist() == [4, 6, 1]
    assert best.counts.tolist() == [5, 5, 2]


def test_an_item_nobody_took_leads_nowhere(tmp_path: Path) -> None:
    graph = GraphInMemory()
    graph.add_node("Item", "alone")
    view = GraphView(build_snapshot(graph, tmp_path / "snapshot"))
    for counts in (
        walks.co_interaction(view, BOTH, 0),
        walks.baskets(view, BOTH, 0),
        walks.next_item(view, BOTH, 0),
        walks.shared_attributes(view, HAS_BRAND, 0),
    ):
        assert counts.indices.size == 0
    assert walks.common_user_counts(view, BOTH, [0], 0).tolist() == [0]
