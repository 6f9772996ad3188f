"""Columns to compressed rows both ways, against a dictionary of lists."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph import compiled, csr, numbering
from graph.csr import BothWays, Rows, csr_from_columns, csr_from_parquet
from graph.numbering import codes_of

EDGES = st.lists(st.tuples(st.sampled_from("abcdé"), st.sampled_from("xyz"), st.integers(-(2**50), 2**50)), max_size=40)


@pytest.fixture(params=["compiled", "plain"], autouse=True, scope="module")
def loops(request: pytest.FixtureRequest) -> Iterator[None]:
    """Everything here is asked of the compiled loops and of numpy's."""
    assert compiled.loops("graph.compiled.csr") is not None, "numba is part of what tests are run with"
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "plain":
            for module in (csr, numbering):
                patch.setattr(module, "loops", lambda name: None)
        yield


def spelled_out(rows: Rows, near: pa.Array, far: pa.Array) -> dict[Any, list[tuple[Any, int]]]:
    said = {}
    for row, name in enumerate(near.to_pylist()):
        part = slice(rows.indptr[row], rows.indptr[row + 1])
        assert rows.timestamp is not None
        ends = [far[int(end)].as_py() for end in rows.indices[part]]
        said[name] = list(zip(ends, rows.timestamp[part].tolist(), strict=True))
    return said


def check(built: BothWays, edges: list[tuple[Any, Any, int]]) -> None:
    out, into = defaultdict(list), defaultdict(list)
    for source, target, time in edges:
        out[source].append((target, time))
        into[target].append((source, time))
    assert spelled_out(built.out, built.source_ids, built.target_ids) == out
    assert spelled_out(built.into, built.target_ids, built.source_ids) == into


@settings(max_examples=50, deadline=None, derandomize=True)
@given(EDGES)
def test_every_edge_is_found_from_both_ends_in_input_order(edges: list[tuple[str, str, int]]) -> None:
    sources, targets, times = ([edge[part] for edge in edges] for part in range(3))
    plain = [pa.array(sources, pa.string()), pa.array(targets, pa.string())]
    check(csr_from_columns(*plain, np.array(times, np.int64)), edges)
    check(csr_from_columns(*(column.dictionary_encode() for column in plain), pa.array(times, pa.int64())), edges)
    # Chunks with a dictionary each, as a file's row groups have them.
    chunked = [pa.chunked_array([column[:7].dictionary_encode(), column[7:].dictionary_encode()]) for column in plain]
    check(csr_from_columns(*chunked, np.array(times, np.int64)), edges)


NAMES = st.text(st.sampled_from("ab\0é7"), max_size=20)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(NAMES, max_size=60), st.integers(0, 60), st.sampled_from([pa.string(), pa.large_string(), pa.binary()]))
def test_names_are_numbered_in_order_of_first_sight(names: list[str], cut: int, kind: pa.DataType) -> None:
    column = pa.array([name.encode() if kind == pa.binary() else name for name in ["before", *names]], kind)[1:]
    first_seen = list(dict.fromkeys(column.to_pylist()))
    ids, codes = codes_of(pa.chunked_array([column[:cut], column[cut:]]), "name")
    assert (ids.type, ids.to_pylist()) == (kind, first_seen)
    assert [first_seen[code] for code in codes] == column.to_pylist()


def test_many_names_and_long_ones_find_room() -> None:
    names = [f"{number:x}" * (1 + number % 30) for number in range(100_000)]
    ids, codes = codes_of(pa.array([*names, *reversed(names)]), "name")
    assert ids.to_pylist() == list(dict.fromkeys(names))
    assert (codes[:100_000] == codes[:99_999:-1]).all()


def test_a_dictionary_with_an_empty_cell_is_refused() -> None:
    column = pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int32()), pa.array(["a", None]))
    with pytest.raises(ValueError, match="a column of ids has empty cells"):
        codes_of(column, "name")


def test_integer_ids_and_edges_without_times() -> None:
    built = csr_from_columns(np.array([7, 5, 7]), np.array([1, 1, 1]))
    assert built.source_ids.to_pylist() == [7, 5]
    assert built.out.indptr.tolist() == [0, 2, 3]
    assert built.into.indices.tolist() == [0, 1, 0]
    assert built.out.timestamp is None


@pytest.mark.parametrize("spelled", ["dictionaries", "spelled out", "given up half-way"])
def test_a_parquet_file_gives_its_rows_however_it_is_encoded(spelled: str, tmp_path: Path) -> None:
    generator = np.random.default_rng(4)
    edges = [
        (f"user-{user}", f"item-{item}", int(time))
        for user, item, time in zip(
            generator.integers(900, size=4000),
            generator.integers(40, size=4000),
            generator.integers(10**9, size=4000),
            strict=True,
        )
    ]
    columns = {name: [edge[part] for edge in edges] for part, name in enumerate(("user", "item", "time"))}
    options: dict[str, Any] = {"row_group_size": 1000, "use_dictionary": spelled != "spelled out"}
    if spelled == "given up half-way":
        options["dictionary_pagesize_limit"] = 1000
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table(columns), path, **options)
    check(csr_from_parquet(path, "user", "item", "time"), edges)


def test_a_column_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"user": ["a", None], "item": ["x", "y"]}), path)
    with pytest.raises(ValueError, match="no such column: expected one of user, item, got when"):
        csr_from_parquet(path, "user", "item", "when")
    with pytest.raises(ValueError, match="a column of ids has empty cells"):
        csr_from_parquet(path, "user", "item")
    with pytest.raises(ValueError, match="columns differ in length"):
        csr_from_columns(np.array([1]), np.array([1, 2]))


def test_an_empty_file_gives_empty_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"user": pa.array([], pa.string()), "item": pa.array([], pa.string())}), path)
    built = csr_from_parquet(path, "user", "item")
    assert (built.out.indptr.tolist(), built.into.indices.size) == ([0], 0)
