"""Lists of what is alike one item, compiled by numba: from the row that each source keeps of it in one call.

Import it through :mod:`gnn.compiled`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray, njit

from gnn.compiled.rows import best_of_sum, likeness
from graph.compiled.instructions import at_address, number
from graph.compiled.kernel import kernel

SPARSE, HALF, SINGLE = 0, 1, 2
"""How a source keeps a row: as the entries that are not nothing, or in full in either precision."""


@njit(nogil=True)
def _best_alike(
    places: Any, weights: Any, item: Any, shut: Any, factor: Any, index: Any, value: Any, parts: Any
) -> Any:  # pragma: no cover
    """Writes the items most alike ``item``, their likeness and what each source adds; returns how many there are.

    Shapes: ``places`` (S, 4), how and at which addresses each source keeps its rows; ``weights`` (S,); ``shut`` (I,);
    ``parts`` (k, S), no number where a source adds nothing. ``factor`` is empty, or what each sum counts.
    """
    width = shut.size
    scores = np.zeros((weights.size, width), np.float32)
    for source in range(weights.size):
        row = scores[source]
        if places[source, 0] == SPARSE:
            indptr = carray(at_address(places[source, 1]), (width + 1,), np.int64)
            indices = carray(at_address(places[source, 2]), (indptr[width],), np.int32)
            data = carray(at_address(places[source, 3]), (indptr[width],), np.float32)
            for edge in range(indptr[item], indptr[item + 1]):
                row[np.uint64(indices[edge])] += data[edge]
        elif places[source, 0] == HALF:
            half = carray(at_address(places[source, 1] + 2 * item * width), (width,), np.int16)
            for place in range(width):
                row[place] = number(half[place])
        else:
            single = carray(at_address(places[source, 1] + 4 * item * width), (width,), np.float32)
            for place in range(width):
                row[place] = single[place]
    likeness(scores, weights)
    count = best_of_sum(scores, shut, factor, index, value)
    for at in range(count):
        for source in range(weights.size):
            part = scores[source, index[at]]
            parts[at, source] = part if part > 0 else np.float32(np.nan)
    return count


@kernel()
def best_alike(
    places: Any, weights: Any, item: Any, shut: Any, factor: Any, index: Any, value: Any, parts: Any
) -> Any:  # pragma: no cover
    """:func:`_best_alike` with Python's lock: of a short row it is no sooner given away than it is needed again."""
    return _best_alike(places, weights, item, shut, factor, index, value, parts)


@kernel(nogil=True)
def best_alike_of_many(
    places: Any, weights: Any, item: Any, shut: Any, factor: Any, index: Any, value: Any, parts: Any
) -> Any:  # pragma: no cover
    """:func:`_best_alike` without Python's lock."""
    return _best_alike(places, weights, item, shut, factor, index, value, parts)


@kernel()
def order_of(value: Any, column: Any, order: Any, counts: Any) -> None:  # pragma: no cover
    """Writes which of a row's numbers is how high, the highest first, and how many there are; no number is left out.

    Of equal ones the earlier of ``column`` (S,), by which columns are named, comes first. Shapes: ``value`` and
    ``order`` (K, S), ``counts`` (K,).
    """
    for row in range(value.shape[0]):
        count = 0
        for at in range(column.size):
            own = value[row, column[at]]
            if own != own:
                continue
            place = count
            while place > 0 and value[row, column[order[row, place - 1]]] < own:
                order[row, place] = order[row, place - 1]
                place -= 1
            order[row, place] = at
            count += 1
        counts[row] = count
