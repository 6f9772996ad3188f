"""The hash that leads from an id to its row."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.snapshot.vocabulary import Vocabulary, hash_of, hashes_of


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(st.binary(max_size=40), max_size=30))
def test_many_at_once_hash_as_one_by_one(keys: list[bytes]) -> None:
    assert hashes_of(pa.array(keys, pa.binary())).tolist() == [hash_of(key) for key in keys]
    wide = pa.array([b"first", *keys], pa.large_binary())[1:]
    assert hashes_of(wide).tolist() == [hash_of(key) for key in keys]


def test_ids_with_equal_hashes_are_told_apart() -> None:
    vocabulary = Vocabulary.of(pa.array(["a", "b", "c"]))
    # All hashes made equal: what is left is the comparison of ids.
    same = Vocabulary(vocabulary.ids, hashes_of(pa.array(["b", "b", "b"])), vocabulary.rows)
    assert same.find("b") == 1
    colliding = pa.array(["b"])
    assert same.rows_of(colliding).tolist() == [1]


def test_a_hundred_thousand_ids_spread_over_distinct_hashes() -> None:
    ids = pa.array([f"item-{number}" for number in range(100_000)])
    assert len(set(hashes_of(ids).tolist())) == 100_000
