"""One history's list, compiled by numba: the scores of its sources and what is made of them, in one call.

The same loops that :mod:`gnn.operators.contexts` and :mod:`gnn.compiled.fused` run one after the other, found by the
addresses of what they read; between them there is no Python. Import it through :mod:`gnn.compiled`. It runs without
Python's lock.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray, njit

from gnn.compiled.contexts import few_dots, fold, spread_contexts, spread_twice
from gnn.compiled.fused import fuse
from graph.compiled.instructions import at_address
from graph.compiled.kernel import kernel

CONSTANT, SPARSE, FACTOR, TABLE, EMBEDDING = 0, 1, 2, 3, 4
"""How a source scores; what follows in its row of places is said where it is read."""
PLACES = 12
"""Numbers to a row of places: how a source scores, its first reading, then addresses and sizes."""


@njit(nogil=True, error_model="numpy")
def _divide(rows: Any, by: Any) -> None:  # pragma: no cover
    for context in range(rows.shape[0]):
        for place in range(rows.shape[2]):
            rows[context, 0, place] /= by[context]


@njit(nogil=True)
def _add(row: Any, scale: Any, more: Any) -> None:  # pragma: no cover
    for item in range(row.size):
        row[item] += scale * more[item]


@njit(nogil=True)
def _matrix(starts: Any, columns: Any, values: Any, rows: Any) -> Any:  # pragma: no cover
    """A sparse matrix by the addresses of where its rows start, of its columns and of its values."""
    indptr = carray(at_address(starts), (rows + 1,), np.int32)
    count = np.int64(indptr[rows])
    indices = carray(at_address(columns), (count,), np.int32)
    return indptr, indices, carray(at_address(values), (count,), np.float32)


@njit(nogil=True)
def _add_sparse(place: Any, ptr: Any, items: Any, weights: Any, scale: Any, out: Any) -> None:  # pragma: no cover
    """``place``: starts of rows, columns, values."""
    indptr, indices, data = _matrix(place[2], place[3], place[4], out.shape[2])
    spread_contexts(ptr, items, weights, indptr, indices, data, scale, out)


@njit(nogil=True)
def _add_factor(place: Any, ptr: Any, items: Any, weights: Any, scale: Any, out: Any) -> None:  # pragma: no cover
    """``place``: the same of the left and of the right matrix, then how many attributes lie between them."""
    left_ptr, left, left_data = _matrix(place[2], place[3], place[4], out.shape[2])
    indptr, indices, data = _matrix(place[5], place[6], place[7], place[8])
    spread_twice(ptr, items, weights, left_ptr, left, left_data, indptr, indices, data, scale, out)


@njit(nogil=True)
def _fold(
    address: Any, is_half: Any, rows: Any, width: Any, ptr: Any, items: Any, weights: Any, scale: Any, out: Any
) -> None:  # pragma: no cover
    if is_half:
        fold(ptr, items, weights, carray(at_address(address), (rows, width), np.int16), scale, out)
    else:
        fold(ptr, items, weights, carray(at_address(address), (rows, width), np.float32), scale, out)


@njit(nogil=True)
def _add_embedding(
    place: Any, ptr: Any, items: Any, weights: Any, user: Any, divisors: Any, scale: Any, out: Any
) -> None:  # pragma: no cover
    """``place``: the table that folds in and whether it is of halves, the items' table and the same, their width,
    users' own vectors and how many, the items' bias or nothing, and by what the folded rows are divided, if at all."""
    count, width = out.shape[2], place[6]
    vectors = np.zeros((out.shape[0], 1, width), np.float32)
    _fold(place[2], place[3], count, width, ptr, items, weights, np.float32(1.0), vectors)
    if place[10] >= 0:
        _divide(vectors, divisors[place[10]])
    if 0 <= user < place[8]:
        own = carray(at_address(place[7]), (place[8], width), np.float32)
        _add(vectors[0, 0], np.float32(1.0), own[user])
    flat, scores = vectors.reshape((out.shape[0], width)), out.reshape((out.shape[0], count))
    if place[5]:
        few_dots(carray(at_address(place[4]), (count, width), np.int16), flat, scale, scores)
    else:
        few_dots(carray(at_address(place[4]), (count, width), np.float32), flat, scale, scores)
    if place[9]:
        bias = carray(at_address(place[9]), (count,), np.float32)
        for context in range(out.shape[0]):
            _add(scores[context], scale, bias)


@kernel(nogil=True)
def list_at_once(
    places: Any,
    scales: Any,
    divisors: Any,
    user: Any,
    ptr: Any,
    items: Any,
    weights: Any,
    scores: Any,
    barred_ptr: Any,
    barred: Any,
    shut: Any,
    limits: Any,
    clip: Any,
    linear: Any,
    ends: Any,
    item_index: Any,
    score: Any,
    contribution: Any,
) -> None:  # pragma: no cover
    """:func:`gnn.compiled.fused.fuse` of one history, of which ``scores`` (R, 1, I) hold what is not at ``places``.

    Shapes: ``places`` (P, :data:`PLACES`) and ``scales`` (P,), of the parts of sources; ``divisors`` (D, 3); ``ptr``,
    ``items`` and ``weights`` as of :class:`gnn.operators.weighed.Weighed`, in three readings.
    """
    for part in range(places.shape[0]):
        place, scale = places[part], scales[part]
        kind, first = place[0], place[1]
        if kind == CONSTANT:
            _add(scores[first, 0], scale, carray(at_address(place[2]), (scores.shape[2],), np.float32))
            continue
        out = scores[first : first + weights.shape[0]]
        if kind == SPARSE:
            _add_sparse(place, ptr, items, weights, scale, out)
        elif kind == FACTOR:
            _add_factor(place, ptr, items, weights, scale, out)
        elif kind == TABLE:
            _fold(place[2], place[3], scores.shape[2], scores.shape[2], ptr, items, weights, scale, out)
        else:
            _add_embedding(place, ptr, items, weights, user, divisors, scale, out)
    fuse(scores, barred_ptr, barred, shut, limits, clip, linear, ends, item_index, score, contribution)
