"""A view over a snapshot and an overlay reads as a fresh snapshot of the changed graph would."""

from __future__ import annotations

import copy
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph.overlay import Overlay
from graph.overlay.grown import GrownRow
from graph.overlay.persistent import FrozenRows
from graph.overlay.state import EdgeState
from graph.records import Change, Edge, Node, UpsertEdges
from graph.schema import EdgeType
from graph.snapshot import build_snapshot
from graph.view import GraphView
from tests.graph.graph_in_memory import HAS_BRAND, NEXT, PURCHASED, GraphInMemory

EDGE_TYPES = (PURCHASED, HAS_BRAND, NEXT)
NODE_IDS = st.sampled_from(["a", "b", "c", "d", "e"])
EDGE = st.tuples(
    st.sampled_from(EDGE_TYPES),
    NODE_IDS,
    NODE_IDS,
    st.sampled_from(["", "q", "r"]),
    st.none() | st.integers(0, 5000),
    st.sampled_from([1.0, 0.5]),
)
NODE = st.tuples(st.sampled_from(["User", "Item", "Brand"]), NODE_IDS, st.sampled_from([None, "one", "two"]))


def changed(operation: str, record: Any, watermark: str = "9") -> Change:
    return Change(operation, record, watermark, "batch", "test")  # type: ignore[arg-type]


def edge_change(drawn: tuple[Any, ...], operation: str) -> Change:
    edge_type, source, target, qualifier, time, weight = drawn
    return changed(operation, Edge(edge_type, source, target, qualifier, weight, time))


def node_change(drawn: tuple[str, str, str | None], operation: str) -> Change:
    node_type, node_id, name = drawn
    title = {"Item": "title", "Brand": "name"}.get(node_type)
    return changed(operation, Node(node_type, node_id, {title: name} if title and name else {}, 1))


OPERATION = st.sampled_from(["upsert", "upsert", "delete"])
CHANGES = st.lists(st.builds(edge_change, EDGE, OPERATION) | st.builds(node_change, NODE, OPERATION), max_size=25)


def what_it_says(view: GraphView) -> dict[str, Any]:
    """Everything a view answers, by id, times in order."""
    said: dict[str, Any] = {}
    for spec in view.schema.nodes:
        rows = [row for row in range(view.num_nodes(spec.name)) if view.exists(spec.name, row)]
        said[spec.name] = {
            view.id_of(spec.name, row): (view.title(spec.name, row), view.properties(spec.name, row)) for row in rows
        }
        named = [(view.id_of(spec.name, row), view.title(spec.name, row)) for row in rows]
        assert view.all_named(spec.name, rows) == named == [view.named(spec.name, row) for row in rows]
        for row in rows:
            assert view.index_of(spec.name, view.id_of(spec.name, row)) == row
            has = view.properties(spec.name, row)
            assert {name: view.property(spec.name, row, name) for name in spec.properties} == {
                name: has.get(name) for name in spec.properties
            }
        assert sorted([*rows, *view.missing(spec.name).tolist()]) == list(range(view.num_nodes(spec.name)))
    for edge_type in EDGE_TYPES:
        said["-".join(edge_type)] = edges_said(view, edge_type, "out") | edges_said(view, edge_type, "in")
        source_type, _, target_type = edge_type
        matrix = view.matrix(edge_type).tocoo()
        pairs = zip(matrix.row.tolist(), matrix.col.tolist(), strict=True)
        said["-".join(edge_type) + " pairs"] = {
            (view.id_of(source_type, source), view.id_of(target_type, target)) for source, target in pairs
        }
        assert set(matrix.data.tolist()) <= {1.0}
        assert view.matrix(edge_type).shape == (view.num_nodes(source_type), view.num_nodes(target_type))
        for source in range(view.num_nodes(source_type)):
            ends, times = view.events(edge_type, source)
            row = view.neighbors(edge_type, source)
            assert (ends.tolist(), times.tolist()) == (row.indices.tolist(), row.timestamp_s.tolist())
            for target in range(view.num_nodes(target_type)):
                joined = view.matrix(edge_type)[source, target] == 1
                assert view.has_edge(edge_type, source, target) == joined
    return said


def edges_said(view: GraphView, edge_type: EdgeType, direction: Any) -> dict[Any, Any]:
    near, far = (edge_type[0], edge_type[2]) if direction == "out" else (edge_type[2], edge_type[0])
    said = {}
    rows = np.arange(view.num_nodes(near), dtype=np.int32)
    for distinct in (False, True):
        whole = view.expand(edge_type, rows, direction, distinct=distinct, columns=True)
        starts = np.cumsum(whole.lengths) - whole.lengths
        for row in rows.tolist():
            neighbors = view.neighbors(edge_type, row, direction)
            times = view.edge_row(edge_type, row, direction).timestamp_ms
            part = slice(starts[row], starts[row] + whole.lengths[row])
            if distinct:
                assert sorted(whole.indices[part].tolist()) == sorted(set(neighbors.indices.tolist()))
                continue
            assert whole.indices[part].tolist() == neighbors.indices.tolist()
            assert whole.timestamp_ms is not None
            assert whole.timestamp_ms[part].tolist() == times.tolist()
            assert times.tolist() == sorted(times.tolist())
            edges = zip(
                neighbors.indices.tolist(), neighbors.weight.tolist(), neighbors.timestamp_s.tolist(), strict=True
            )
            if neighbors.indices.size:
                said[direction, view.id_of(near, row)] = Counter(
                    (view.id_of(far, end), weight, time) for end, weight, time in edges
                )
    return said


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(edges=st.lists(EDGE, max_size=15), batches=st.lists(CHANGES, max_size=3))
def test_it_reads_as_a_fresh_snapshot_of_the_changed_graph(
    edges: list[Any], batches: list[list[Change]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("overlay")
    graph = GraphInMemory()
    graph.change(edge_change(drawn, "upsert") for drawn in edges)
    snapshot = build_snapshot(graph, place / "before")
    overlay = Overlay(snapshot)
    view = GraphView(snapshot, overlay)
    for batch in batches:
        graph.change(batch)
        overlay.apply(batch)
    fresh = GraphView(build_snapshot(graph, place / "after"))
    assert what_it_says(view) == what_it_says(fresh)


@pytest.fixture
def graph() -> GraphInMemory:
    graph = GraphInMemory()
    graph.add_edge(PURCHASED, "u", "tea", at=1000)
    graph.add_edge(HAS_BRAND, "tea", "acme")
    return graph


def test_the_same_changes_again_change_nothing(graph: GraphInMemory, tmp_path: Path) -> None:
    overlay = Overlay(build_snapshot(graph, tmp_path / "snapshot"))
    view = GraphView(overlay.snapshot, overlay)
    known = changed("upsert", Edge(PURCHASED, "u", "tea", timestamp_ms=1000))
    assert overlay.apply([known]) == 0
    assert view.version == 0
    changes = [
        changed("upsert", Edge(PURCHASED, "u", "cup", timestamp_ms=2)),
        changed("delete", Node("Brand", "acme", {}, 2)),
    ]
    assert overlay.apply(changes) == 2
    matrix = view.matrix(PURCHASED)
    assert overlay.apply(changes) == 0
    assert (view.version, view.watermark) == (1, "9")
    assert view.matrix(PURCHASED) is matrix


def test_a_change_moves_the_version_and_only_the_matrix_it_concerns(graph: GraphInMemory, tmp_path: Path) -> None:
    overlay = Overlay(build_snapshot(graph, tmp_path / "snapshot"))
    view = GraphView(overlay.snapshot, overlay)
    bought, branded = view.matrix(PURCHASED), view.matrix(HAS_BRAND)
    overlay.apply([changed("delete", Edge(HAS_BRAND, "tea", "acme"))])
    assert view.version == 1
    assert view.matrix(PURCHASED) is bought
    assert view.matrix(HAS_BRAND) is not branded
    assert view.matrix(HAS_BRAND).nnz == 0
    with pytest.raises(ValueError, match="read-only"):
        view.matrix(PURCHASED).data[:] = 2


def test_an_edge_of_a_deleted_node_does_not_come_back_with_the_node(graph: GraphInMemory, tmp_path: Path) -> None:
    overlay = Overlay(build_snapshot(graph, tmp_path / "snapshot"))
    view = GraphView(overlay.snapshot, overlay)
    overlay.apply([changed("delete", Node("Item", "tea", {}, 2)), changed("upsert", Node("Item", "tea", {}, 3))])
    tea = view.index_of("Item", "tea")
    assert tea is not None
    assert view.neighbors(PURCHASED, tea, "in").indices.size == 0


def test_types_the_snapshot_does_not_know_wait_for_the_next(graph: GraphInMemory, tmp_path: Path) -> None:
    overlay = Overlay(build_snapshot(graph, tmp_path / "snapshot"))
    new = [
        changed("upsert", Node("Shop", "s", {}, 1)),
        changed("upsert", Edge(("User", "KNOWS", "User"), "u", "v"), "7"),
    ]
    assert overlay.apply(new) == 0
    assert GraphView(overlay.snapshot, overlay).watermark == "7"


def test_a_frozen_view_stays_as_it_was(graph: GraphInMemory, tmp_path: Path) -> None:
    overlay = Overlay(build_snapshot(graph, tmp_path / "snapshot"))
    view = GraphView(overlay.snapshot, overlay)
    frozen = view.frozen()
    overlay.apply([changed("upsert", Edge(PURCHASED, "new", "cup"))])
    assert (view.num_nodes("User"), frozen.num_nodes("User")) == (2, 1)
    assert frozen.index_of("Item", "cup") is None
    assert (view.version, frozen.version) == (1, 0)


def test_readers_see_whole_batches_while_a_writer_works(graph: GraphInMemory, tmp_path: Path) -> None:
    overlay = Overlay(build_snapshot(graph, tmp_path / "snapshot"))
    view = GraphView(overlay.snapshot, overlay)
    torn: list[tuple[int, int]] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            now = view.frozen()
            rows = (now.matrix(PURCHASED).nnz, now.matrix(NEXT).nnz)
            if rows[0] != rows[1] + 1:
                torn.append(rows)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(150):
        batch = [
            changed("upsert", Edge(PURCHASED, "u", f"i{number}")),
            changed("upsert", Edge(NEXT, "tea", f"i{number}")),
        ]
        overlay.apply(copy.deepcopy(batch))
    done.set()
    for reader in readers:
        reader.join()
    assert torn == []
    assert view.matrix(NEXT).nnz == 150


STATE = st.none() | st.builds(EdgeState, st.just(1.0), st.integers(0, 9))
ADDED = st.lists(
    st.dictionaries(st.tuples(st.integers(0, 200), st.just(-1)), STATE, min_size=1, max_size=40), max_size=12
)


@given(ADDED)
def test_a_grown_row_reads_as_a_dictionary_and_stays_as_it_was(
    added: list[dict[tuple[int, int], EdgeState | None]],
) -> None:
    row, twin = GrownRow(), {}
    for changes in added:
        before, twin_before = row, dict(twin)
        row = row.with_changes(changes)
        twin.update(changes)
        assert dict(row.items()) == {key: row[key] for key in row} == twin
        assert len(row) == len(twin)
        assert all(key in row for key in twin)
        assert (300, -1) not in row
        assert dict(before.items()) == twin_before


def test_many_edges_at_once_read_as_a_fresh_snapshot(graph: GraphInMemory, tmp_path: Path) -> None:
    for number in range(40):
        graph.add_edge(PURCHASED, f"u{number % 3}", "tea", at=number, qualifier=f"q{number}")
    snapshot = build_snapshot(graph, tmp_path / "before")
    overlay = Overlay(snapshot)
    batch = [
        changed("upsert", Edge(PURCHASED, f"u{number % 5}", f"tea{number % 2}", f"q{number}", 1.0, 100 + number))
        for number in range(20, 100)
    ]
    batch += [changed("delete", Edge(PURCHASED, f"u{number % 3}", "tea", f"q{number}")) for number in range(0, 40, 3)]
    graph.change(batch)
    overlay.apply(batch)
    assert what_it_says(GraphView(snapshot, overlay)) == what_it_says(
        GraphView(build_snapshot(graph, tmp_path / "after"))
    )


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(
    edges=st.lists(EDGE, max_size=15),
    deleted=CHANGES,
    batches=st.lists(st.lists(EDGE, max_size=8) | st.lists(EDGE, min_size=40, max_size=60), max_size=3),
)
def test_written_edges_read_as_what_the_feed_says_of_them(
    edges: list[Any],
    deleted: list[Change],
    batches: list[list[Any]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    graph = GraphInMemory()
    graph.change(edge_change(drawn, "upsert") for drawn in edges)
    snapshot = build_snapshot(graph, tmp_path_factory.mktemp("overlay") / "snapshot")
    written, fed = Overlay(snapshot), Overlay(snapshot)
    for overlay in (written, fed):
        overlay.apply(deleted)
    for batch in batches:
        latest = {(drawn[0], *drawn[1:4]): drawn for drawn in batch}
        changed_written = written.add(written_columns(list(latest.values())), "10")
        assert changed_written == fed.apply(
            [changed("upsert", edge_change(drawn, "upsert").record, "10") for drawn in latest.values()]
        )
        assert what_it_says(GraphView(snapshot, written)) == what_it_says(GraphView(snapshot, fed))
    assert written.state.watermark == fed.state.watermark


def written_columns(drawn: list[tuple[Any, ...]]) -> list[UpsertEdges]:
    """The edges by type, as a store is asked to write them."""
    columns = []
    for edge_type in EDGE_TYPES:
        rows = [row for row in drawn if row[0] == edge_type]
        _, sources, targets, qualifiers, times, weights = zip(*rows, strict=True) if rows else ((),) * 6
        columns.append(UpsertEdges(edge_type, sources, targets, weights, times, qualifiers))
    return columns


ROWS = st.lists(st.dictionaries(st.integers(0, 1500), st.integers(0, 9), max_size=30), max_size=8)


@given(ROWS, st.integers(0, 600), st.integers(0, 8))
def test_frozen_rows_read_as_a_dictionary_and_know_what_changed(
    updates: list[dict[int, int]], bulk: int, since: int
) -> None:
    rows: FrozenRows[tuple[int]] = FrozenRows()
    twin: dict[int, tuple[int]] = {}
    states = [(rows, dict(twin))]
    for update in [dict.fromkeys(range(0, 2 * bulk, 2), 0), *updates]:
        put = {row: (value,) for row, value in update.items()}
        rows = rows.updated(put)
        twin = twin | put
        states.append((rows, twin))
    for state, then in states:
        assert len(state) == len(then)
        assert sorted(state) == sorted(then)
        assert all(state.get(row) is value and row in state for row, value in then.items())
        assert (state.get(1501), 1501 in state) == (None, False)
    before, then = states[since % len(states)]
    assert sorted(rows.changed_since(before)) == sorted(
        row for row, value in twin.items() if then.get(row) is not value
    )
