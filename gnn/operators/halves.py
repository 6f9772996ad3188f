"""Tables in half precision: numbers of 16 bits where they say as much, so that an answer reads half as many bytes.

A table is rounded once, when its model is fitted; from then on notebook, evaluation, release and service read the
same numbers, widened as they are read. ``docs/decisions/0032`` has the reasons and the figures.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from gnn import compiled
from gnn.data.histories import FloatArray

Table: TypeAlias = npt.NDArray[np.float16] | npt.NDArray[np.float32]
"""Rows of numbers in either precision."""

WORST = 2.0**-10
"""A row may differ from what it was by so much of its length; numbers that are not too small lose half as much."""
_ROWS = 65_536
"""Rows that are looked at together, so that a large table is not copied as a whole."""


def halved(table: Table) -> Table:
    """The table in half precision, or itself where it is so already, or where some of its rows would not bear it: out
    of range, or too small.
    """
    if table.dtype == np.float16:
        return table
    wide = floats(table)
    half = np.empty(table.shape, np.float16)
    for first in range(0, len(table), _ROWS):
        rows = wide[first : first + _ROWS]
        with np.errstate(over="ignore"):
            near = rows.astype(np.float16)
        half[first : first + _ROWS] = near
        if not (np.isfinite(near).all() and (_lengths(rows - floats(near)) <= WORST * _lengths(rows)).all()):
            return table
    return half


def floats(table: Table) -> FloatArray:
    """The table in single precision; itself where it is so already."""
    loops = compiled.kernels("contexts")
    if table.dtype != np.float16:
        return np.asarray(table, np.float32)
    if loops is None or not table.flags.c_contiguous:
        return table.astype(np.float32)
    wide = np.empty(table.shape, np.float32)
    loops.widen(bits(table).reshape(-1), wide.reshape(-1))
    return wide


def weighted_rows(weights: sp.csr_array, table: Table) -> FloatArray:
    """``weights @ table``; of half precision only the rows that are weighed are widened. Shapes: (B, I), (I, D)."""
    if table.dtype != np.float16:
        return np.asarray(weights @ table, np.float32)
    loops = compiled.kernels("contexts")
    if loops is not None and table.flags.c_contiguous:
        out = np.zeros((1, weights.shape[0], table.shape[1]), np.float32)
        weight = np.asarray(weights.data, np.float32)[None, :]
        loops.fold(weights.indptr, weights.indices, weight, bits(table), np.float32(1.0), out)
        return np.asarray(out[0], np.float32)
    rows, place = np.unique(weights.indices, return_inverse=True)
    few = sp.csr_array((weights.data, place.astype(np.int32), weights.indptr), shape=(weights.shape[0], rows.size))
    return np.asarray(few @ floats(table[rows]), np.float32)


def bits(table: Table) -> npt.NDArray[Any]:
    """What compiled loops read: of half precision the bits as integers, since they know no other name for it."""
    return table.view(np.int16) if table.dtype == np.float16 else table


def _lengths(rows: FloatArray) -> npt.NDArray[np.float64]:
    return np.asarray(np.sqrt(np.einsum("id,id->i", rows, rows, dtype=np.float64)))
