"""Rows both ways in order of time, compiled and by numpy, against Python's own sorting; whole snapshots by both."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph import compiled, numbering
from graph.errors import StoreError
from graph.snapshot import build_snapshot, ordering
from graph.snapshot.edges import NO_TIME
from graph.snapshot.end_nodes import EndNodes
from graph.snapshot.ordering import in_time
from tests.graph.graph_in_memory import PURCHASED
from tests.graph.test_snapshot import files_of, shop

ROWS = 7
EDGE = st.tuples(st.integers(0, ROWS - 1), st.integers(0, ROWS - 2), st.sampled_from([NO_TIME, -5, 0, 1, 2, 2**42]))


def plainly(patch: pytest.MonkeyPatch) -> None:
    """numpy's loops, as where numba is not installed."""
    for module in (numbering, ordering):
        patch.setattr(module, "loops", lambda name: None)


@pytest.fixture(params=["compiled", "plain"])
def loops(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    assert compiled.loops("graph.compiled.ordering") is not None, "numba is part of what tests are run with"
    if request.param == "plain":
        plainly(monkeypatch)


def check(edges: list[tuple[int, int, int]]) -> None:
    """Edges sorted by (source, target), parallel ones in the order of their qualifiers, beside ``sorted``."""
    source, target, time = (np.array([edge[part] for edge in edges], np.int64) for part in range(3))
    got = in_time(source.astype(np.int32), target.astype(np.int32), time, (ROWS, ROWS - 1))
    by_time = sorted(range(len(edges)), key=lambda edge: (edges[edge][2], edge))
    out = [[edge for edge in by_time if source[edge] == row] for row in range(ROWS)]
    into = [[edge for edge in by_time if target[edge] == row] for row in range(ROWS - 1)]
    assert got.out_order.tolist() == list(chain.from_iterable(out))
    assert np.diff(got.out_indptr).tolist() == [len(row) for row in out]
    assert np.diff(got.into_indptr).tolist() == [len(row) for row in into]
    assert got.into_indices.tolist() == [source[edge] for edge in chain.from_iterable(into)]
    rank = {edge: place for row in out for place, edge in enumerate(row)}
    assert got.out_rank.tolist() == [rank[edge] for edge in range(len(edges))]
    assert got.into_rank.tolist() == [rank[edge] for edge in chain.from_iterable(into)]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(EDGE, max_size=40))
def test_rows_are_in_order_of_time_and_then_of_key(edges: list[tuple[int, int, int]]) -> None:
    edges.sort(key=lambda edge: edge[:2])
    check(edges)
    with pytest.MonkeyPatch.context() as patch:
        plainly(patch)
        check(edges)


def test_long_rows_are_too(loops: None) -> None:
    rng = np.random.default_rng(3)
    few = rng.integers(0, 2, (3_000, 2)) * 5
    times = rng.integers(0, 50, 3_000)
    check(sorted(((int(a), int(b), int(time)) for (a, b), time in zip(few, times, strict=True)), key=lambda e: e[:2]))


def test_a_snapshot_is_the_same_bytes_without_numba(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    edges = [
        (f"user {user}" * 3, f"物品 {item}", ("", "basket", "z")[way], None if way == 2 else int(time), float(way))
        for user, item, way, time in rng.integers([0, 0, 0, -5_000], [9, 200, 3, 5_000], (2_000, 4)).tolist()
    ]
    graph = shop(edges, chunk=64)
    build_snapshot(graph, tmp_path / "compiled").close()
    plainly(monkeypatch)
    build_snapshot(graph, tmp_path / "plain").close()
    assert files_of(tmp_path / "compiled") == files_of(tmp_path / "plain")


def test_an_end_that_no_node_has_is_named(loops: None, tmp_path: Path) -> None:
    with build_snapshot(shop([("ann", "tea", "", 1, 1.0), ("bob", "pot", "", 1, 1.0)]), tmp_path / "s") as snapshot:
        ends = EndNodes(snapshot.nodes("User").vocabulary)
        assert ends.rows_of(pa.array(["bob", "ann", "bob"]), PURCHASED).tolist() == [1, 0, 1]
        for _ in range(2):  # it has been looked for by then, which makes it no node
            with pytest.raises(StoreError, match="without its end node: got nobody"):
                ends.rows_of(pa.array(["ann", "nobody"]), PURCHASED)
