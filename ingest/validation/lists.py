"""Lists of values in a column: lengths, parents, and where a bad one is."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.readers.rows import Bools, Ints


def first_bad_values(lists: pa.Array, bad: Bools, flat: pa.Array) -> tuple[Bools, pa.Array]:
    """Which rows hold a bad value, and the first bad value of each."""
    parents = list_parents(lists)
    places = np.flatnonzero(bad)
    first = np.full(len(lists), -1, dtype=np.int64)
    first[parents[places[::-1]]] = places[::-1]
    rows: Bools = first >= 0
    return rows, flat.take(pa.array(np.where(rows, first, 0), mask=~rows))


def list_lengths(lists: pa.Array) -> Ints:
    """How many values each list has; 0 for null."""
    lengths: Ints = pc.fill_null(pc.list_value_length(lists), 0).to_numpy().astype(np.int64)
    return lengths


def list_parents(lists: pa.Array) -> Ints:
    """For each value of the flattened lists, the row it stems from."""
    parents: Ints = np.repeat(np.arange(len(lists), dtype=np.int64), list_lengths(lists))
    return parents
