"""Node ids ↔ rows without a dictionary in memory: sorted ids, and sorted 64-bit hashes that point at them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

IntArray: TypeAlias = npt.NDArray[np.int32]
Hashes: TypeAlias = npt.NDArray[np.uint64]

_REMEMBERED = 4096
"""Ids found lately that are kept; one request asks for the same id several times."""
_MASK = (1 << 64) - 1
_STEP = 0x9E3779B97F4A7C15
_MIX = 0xD6E8FEB86659FD93


def hash_of(key: bytes) -> int:
    """The 64-bit hash of one id. It spreads ids, it protects nothing: every hit is compared with the id."""
    state = (len(key) * _STEP) & _MASK
    for start in range(0, len(key), 8):
        word = int.from_bytes(key[start : start + 8], "little")
        state = ((state ^ word) * _MIX) & _MASK
        state ^= state >> 32
    return state


def hashes_of(keys: pa.Array) -> Hashes:
    """:func:`hash_of` every id of an Arrow string or binary array. Shape (N,)."""
    starts, lengths, data = _layout(keys)
    words = np.ndarray((data.size - 7,), "<u8", data, strides=(1,))
    state = lengths.astype(np.uint64) * np.uint64(_STEP)
    order = np.argsort(-lengths, kind="stable")
    active = int(np.count_nonzero(lengths))
    position = 0
    while active:
        rows = order[:active]
        rest = lengths[rows] - position
        word = words[starts[rows] + position]
        short = rest < 8
        bits = (8 * rest[short]).astype(np.uint64)
        word[short] &= (np.uint64(1) << bits) - np.uint64(1)
        mixed = (state[rows] ^ word) * np.uint64(_MIX)
        state[rows] = mixed ^ (mixed >> np.uint64(32))
        position += 8
        active = int(np.count_nonzero(rest > 8))
    return state


def _layout(keys: pa.Array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Start and length of each key, and the bytes with eight more so that the last word can be read."""
    wide = keys.type in (pa.large_string(), pa.large_binary())
    _, offsets_buffer, data_buffer = keys.buffers()
    if len(keys) == 0 or offsets_buffer is None:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(8, np.uint8)
    offsets = np.frombuffer(offsets_buffer, np.int64 if wide else np.int32)
    offsets = offsets[keys.offset : keys.offset + len(keys) + 1].astype(np.int64)
    data = np.zeros(0, np.uint8) if data_buffer is None else np.frombuffer(data_buffer, np.uint8)
    used = data[offsets[0] : offsets[-1]]
    return offsets[:-1] - offsets[0], np.diff(offsets), np.concatenate([used, np.zeros(8, np.uint8)])


class Vocabulary:
    """The ids of one node type and the row of each.

    ``ids`` is ordered by UTF-8 bytes; ``hashes`` is ascending and ``rows[i]`` is the row whose id has ``hashes[i]``.
    """

    def __init__(self, ids: pa.Array, hashes: Hashes, rows: IntArray) -> None:
        self.ids = ids
        self.hashes = hashes
        self.rows = rows
        self._found: dict[str, int] = {}

    @classmethod
    def of(cls, ids: pa.Array) -> Vocabulary:
        """The vocabulary of ids that are ordered and distinct."""
        hashes = hashes_of(ids)
        order = np.argsort(hashes, kind="stable")
        return cls(ids, hashes[order], order.astype(np.int32))

    def __len__(self) -> int:
        return len(self.ids)

    def id_of(self, row: int) -> str:
        return str(self.ids[row].as_py())

    def find(self, node_id: str) -> int | None:
        """The row of one id, or None."""
        row = self._found.get(node_id)
        if row is not None:
            return row
        # A lone surrogate is no valid UTF-8: encoded this way it equals no stored id instead of raising.
        key = hash_of(node_id.encode("utf-8", "surrogatepass"))
        at = int(np.searchsorted(self.hashes, np.uint64(key)))
        while at < len(self.hashes) and int(self.hashes[at]) == key:
            row = int(self.rows[at])
            if self.id_of(row) == node_id:
                if len(self._found) >= _REMEMBERED:
                    self._found = {}
                self._found[node_id] = row
                return row
            at += 1
        return None

    def find_all(self, node_ids: Sequence[str]) -> IntArray:
        """The row of each id, -1 for an unknown one. Shape (N,)."""
        keys = pa.array([node_id.encode("utf-8", "surrogatepass") for node_id in node_ids], pa.binary())
        return self.rows_of(keys)

    def rows_of(self, keys: pa.Array) -> IntArray:
        """The row of each id in an Arrow string or binary array, -1 for an unknown one. Shape (N,)."""
        found = np.full(len(keys), -1, np.int32)
        if len(self.ids) == 0 or len(keys) == 0:
            return found
        wanted = hashes_of(keys)
        order = np.argsort(wanted)  # looked up in order, since neighbours share what the processor has just read
        at = np.empty(len(keys), np.int64)
        at[order] = np.searchsorted(self.hashes, wanted[order])
        open_ = np.arange(len(keys))
        while open_.size:
            inside = at[open_] < self.hashes.size
            open_ = open_[inside]
            same = self.hashes[at[open_]] == wanted[open_]
            open_ = open_[same]
            if not open_.size:
                break
            candidates = self.rows[at[open_]]
            equal = _equal(self.ids, candidates, keys, open_)
            found[open_[equal]] = candidates[equal]
            open_ = open_[~equal]
            at[open_] += 1
        return found


def _equal(ids: pa.Array, rows: IntArray, keys: pa.Array, at: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    left = ids.take(pa.array(rows)).cast(pa.large_binary())
    right = keys.take(pa.array(at)).cast(pa.large_binary())
    return np.asarray(pc.equal(left, right).to_numpy(zero_copy_only=False), bool)
