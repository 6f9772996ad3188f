"""Joins: a table of the mapping held as sorted keys, to look values up in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graph.errors import InputError, MappingError
from ingest.validation.frame import Frame, as_text

MAX_LOOKUP_ROWS = 5_000_000


@dataclass(frozen=True)
class Index:
    """Distinct keys, and the value of each; of several values the smallest, so that row order does not matter."""

    keys: pa.Array
    values: pa.Array

    def find(self, keys: pa.Array) -> pa.Array:
        """The value for each key, null where there is none."""
        return self.values.take(pc.index_in(keys, value_set=self.keys))

    def has(self, keys: pa.Array) -> pa.Array:
        """Whether each key is known."""
        return pc.is_in(keys, value_set=self.keys)


@dataclass
class LookupTable:
    """One table's columns, kept in memory while others look into it."""

    name: str
    columns: Mapping[str, pa.ChunkedArray]
    _indexes: dict[tuple[str, str], Index] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, frames: Iterable[Frame], wanted: frozenset[str]) -> LookupTable:
        """The ``wanted`` columns of all frames.

        Raises:
            InputError: when there are more rows than fit.
        """
        parts: dict[str, list[pa.Array]] = {column: [] for column in wanted}
        rows = 0
        for frame in frames:
            rows += len(frame)
            if rows > MAX_LOOKUP_ROWS:
                raise InputError(
                    f"the table {name!r} is too large to look into",
                    expected=f"at most {MAX_LOOKUP_ROWS:,} rows",
                    remedy="Drop rows with drop_if, or join the files beforehand.",
                )
            for column in wanted:
                if column not in frame.columns:
                    raise no_column(column, frame.columns, f"table {name}")
                parts[column].append(as_text(frame.columns[column].values))
        return cls(name, {column: pa.chunked_array(values, pa.string()) for column, values in parts.items()})

    def index(self, key: str, take: str) -> Index:
        """The index from the column ``key`` to the column ``take``."""
        if (key, take) not in self._indexes:
            pairs = pa.table({"key": pc.utf8_trim_whitespace(self.columns[key]), "value": self.columns[take]})
            pairs = pairs.filter(pc.and_(pairs["key"].is_valid(), pairs["value"].is_valid()))
            pairs = pairs.sort_by([("key", "ascending"), ("value", "ascending")]).combine_chunks()
            keys = _whole(pairs["key"])
            first = np.ones(len(keys), dtype=np.bool_)
            if len(keys) > 1:
                first[1:] = pc.not_equal(keys[1:], keys[:-1]).to_numpy(zero_copy_only=False)
            chosen = pa.array(first)
            self._indexes[key, take] = Index(keys.filter(chosen), _whole(pairs["value"]).filter(chosen))
        return self._indexes[key, take]


def _whole(column: pa.ChunkedArray) -> pa.Array:
    combined = column.combine_chunks()
    return combined if isinstance(combined, pa.Array) else pa.concat_arrays(combined.chunks)


def no_column(name: str, columns: Iterable[str], where: str) -> MappingError:
    """The error for a column that a file does not have."""
    return MappingError(
        f"there is no column {name!r}", expected="one of " + (", ".join(columns) or "(no columns)"), where=where
    )
