"""The edges of one type in a snapshot: compressed rows both ways, weights, times, qualifiers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import scipy.sparse as sp

from graph.schema import EdgeType
from graph.snapshot.vocabulary import IntArray, Vocabulary

_TOGETHER_FROM = 32
"""Qualifiers that are worth looking up together."""

LongArray: TypeAlias = npt.NDArray[np.int64]
FloatArray: TypeAlias = npt.NDArray[np.float32]

NO_TIME = int(np.iinfo(np.int64).min)
"""The timestamp of an edge whose time is unknown; it sorts before every known time."""
SHORT_NO_TIME = np.uint32(0xFFFFFFFF)
"""The same in a column of 32-bit offsets."""


class Csr(NamedTuple):
    """Compressed sparse rows: row r is ``indices[indptr[r]:indptr[r + 1]]``. Shapes: (R + 1,), (E,)."""

    indptr: LongArray
    indices: IntArray

    def row(self, index: int) -> IntArray:
        return self.indices[self.indptr[index] : self.indptr[index + 1]]


@dataclass(frozen=True, eq=False)
class EdgeColumns:
    """The columns beside the rows, in out order, packed as they lie on disk."""

    weight: float | tuple[npt.NDArray[np.uint8], FloatArray] | FloatArray
    """One weight for all, or codes with their codebook, or a weight each."""
    timestamp: npt.NDArray[Any] | None
    """Seconds: ``uint32`` offsets from ``time_offset_s``, or ``int64`` as they are."""
    time_offset_s: int
    millisecond: npt.NDArray[np.uint16] | None
    """The rest below a second, where any edge has one."""
    qualifier: IntArray | None
    qualifier_names: pa.Array
    """Qualifiers by code, ordered by UTF-8 bytes; code -1 stands for the empty one."""
    first_of_pair: npt.NDArray[np.bool_] | None
    """Marks the first of parallel edges; None when no two edges join the same pair."""


class EdgeTable:
    """Edges of one type.

    ``out`` rows are sorted by (timestamp, target, qualifier), ``into`` rows by (timestamp, source, qualifier);
    parallel edges are kept. Column arrays are in out order, shape (E,).
    """

    def __init__(
        self, edge_type: EdgeType, out: Csr, into: Csr, into_rank: npt.NDArray[Any], columns: EdgeColumns
    ) -> None:
        self.edge_type = edge_type
        self.out = out
        self.into = into
        self.columns = columns
        self._into_rank = into_rank

    @property
    def num_edges(self) -> int:
        return int(self.out.indices.size)

    @property
    def has_parallel_edges(self) -> bool:
        return self.columns.first_of_pair is not None

    @cached_property
    def weight(self) -> FloatArray:
        """Shape (E,)."""
        return self.weight_at(slice(None))

    @cached_property
    def timestamp_s(self) -> LongArray | None:
        """Seconds, :data:`NO_TIME` where unknown; None when no edge has a time. Shape (E,)."""
        return None if self.columns.timestamp is None else self.timestamp_s_at(slice(None))

    @property
    def qualifier(self) -> IntArray | None:
        """Codes of qualifiers, -1 for the empty one; None when no edge has one. Shape (E,)."""
        return self.columns.qualifier

    def qualifier_name(self, code: int) -> str:
        return "" if code < 0 else str(self.columns.qualifier_names[code].as_py())

    def qualifier_code(self, name: str) -> int | None:
        """The code of a qualifier, -1 for the empty one, None for one that no edge has."""
        return self._qualifiers.find(name) if name else -1

    def qualifier_codes(self, names: Sequence[str]) -> dict[str, int | None]:
        """:meth:`qualifier_code` of many that are not empty; found together where that is faster."""
        if not len(self.columns.qualifier_names):
            return dict.fromkeys(names)
        if len(names) < _TOGETHER_FROM:
            return {name: self._qualifiers.find(name) for name in names}
        codes = self._qualifiers.find_all(names).tolist()
        return {name: None if code < 0 else code for name, code in zip(names, codes, strict=True)}

    @cached_property
    def _qualifiers(self) -> Vocabulary:
        return Vocabulary.of(self.columns.qualifier_names)

    def into_positions(self, at: slice | LongArray) -> LongArray:
        """Where the edges ``into.indices[at]`` lie in out order."""
        return np.asarray(self.out.indptr[self.into.indices[at]] + self._into_rank[at], np.int64)

    def weight_at(self, at: slice | LongArray) -> FloatArray:
        """Weights of some positions in out order."""
        weight = self.columns.weight
        if isinstance(weight, float):
            size = len(range(*at.indices(self.num_edges))) if isinstance(at, slice) else at.size
            return np.broadcast_to(np.float32(weight), (size,))
        if isinstance(weight, tuple):
            codes, codebook = weight
            return codebook[codes[at]]
        return weight[at]

    def timestamp_s_at(self, at: slice | LongArray) -> LongArray:
        """Seconds of some positions in out order, :data:`NO_TIME` where unknown."""
        packed = self.columns.timestamp
        if packed is None:
            size = len(range(*at.indices(self.num_edges))) if isinstance(at, slice) else at.size
            return np.broadcast_to(np.int64(NO_TIME), (size,))
        chosen = packed[at]
        if chosen.dtype == np.int64:
            return chosen
        seconds = chosen.astype(np.int64) + self.columns.time_offset_s
        seconds[chosen == SHORT_NO_TIME] = NO_TIME
        return seconds

    def timestamp_ms_at(self, at: slice | LongArray) -> LongArray:
        """Milliseconds of some positions in out order, :data:`NO_TIME` where unknown."""
        seconds = self.timestamp_s_at(at)
        known = seconds != NO_TIME
        milliseconds = np.where(known, seconds, 0) * 1000
        if self.columns.millisecond is not None:
            milliseconds += self.columns.millisecond[at]
        milliseconds[~known] = NO_TIME
        return milliseconds

    def qualifier_at(self, at: slice | LongArray) -> IntArray:
        """Qualifier codes of some positions in out order."""
        if self.columns.qualifier is None:
            size = len(range(*at.indices(self.num_edges))) if isinstance(at, slice) else at.size
            return np.broadcast_to(np.int32(-1), (size,))
        return self.columns.qualifier[at]

    def matrix(self) -> sp.csr_array:
        """Which pairs are joined: binary, float32, sorted indices, parallel edges merged. Shape (sources, targets)."""
        shape = (self.out.indptr.size - 1, self.into.indptr.size - 1)
        ones = np.ones(self.num_edges, np.float32)
        matrix = sp.csr_array((ones, self.out.indices.copy(), self.out.indptr.copy()), shape=shape)
        matrix.sum_duplicates()
        matrix.data[:] = 1.0
        return matrix
