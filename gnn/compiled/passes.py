"""Passes over rows of scores: by a compiled loop where there is one, else by numpy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from gnn import compiled
from gnn.data.histories import FloatArray, IntArray
from gnn.ranker import top_k


def sparse_scores(weights: sp.csr_array, matrix: sp.csr_array) -> FloatArray:
    """``weights @ matrix``, dense. Shapes: (B, J) and (J, I) → (B, I)."""
    loops = compiled.kernels()
    if loops is None:
        return np.asarray((weights @ matrix).toarray(), np.float32)
    out = np.zeros((weights.shape[0], matrix.shape[1]), np.float32)
    loops.spread(*_parts(weights), *_parts(matrix), out)
    return out


def standardized(scores: FloatArray) -> FloatArray:
    """Each row's z-scores; all 0 where a row does not tell items apart. Shape (B, I)."""
    centred = scores - scores.mean(axis=1, keepdims=True, dtype=np.float64).astype(np.float32)
    spread = np.sqrt(np.einsum("bi,bi->b", centred, centred, dtype=np.float64) / scores.shape[1])
    scale = np.where(spread > 1e-12, 1.0 / np.maximum(spread, 1e-12), 0.0).astype(np.float32)
    return np.asarray(centred * scale[:, None], np.float32)


def best(scores: FloatArray, k: int) -> tuple[IntArray, FloatArray]:
    """Each row's ``k`` highest scores, best first, ties by the lower index: columns and values. Shapes (B, k).

    -1 and -inf where nothing above -inf is left.
    """
    width = min(k, scores.shape[1])
    loops = compiled.kernels()
    if loops is None or width < 1:
        index = top_k(scores, width)
        values = np.take_along_axis(scores, np.maximum(index, 0), axis=1)
        values[index < 0] = -np.inf
        return index, values
    index = np.empty((len(scores), width), np.int32)
    value = np.empty(index.shape, np.float32)
    loops.best(np.ascontiguousarray(scores, np.float32), width, index, value)
    return index, value


def best_of_sum(
    parts: FloatArray, shut: npt.NDArray[np.bool_], k: int, factor: FloatArray | None = None
) -> tuple[IntArray, FloatArray]:
    """The items of the ``k`` highest positive sums, best first, ties by the lower index, with these sums.

    Shapes: ``parts`` (S, I); ``shut`` (I,), True where an item is left out; ``factor`` (I,), what a sum counts.
    """
    width = min(k, shut.size)
    if width < 1:
        return np.empty(0, np.int32), np.empty(0, np.float32)
    loops = compiled.kernels()
    if loops is None:
        total = parts.sum(axis=0, dtype=np.float32)
        if factor is not None:
            total *= factor
        index = top_k(np.where(shut | (total <= 0), np.float32(-np.inf), total)[None, :], width)[0]
        index = index[index >= 0].astype(np.int32)
        return index, total[index]
    index, value = np.empty(width, np.int32), np.empty(width, np.float32)
    weighs = np.empty(0, np.float32) if factor is None else factor.astype(np.float32, copy=False)
    count = loops.best_of_sum(np.ascontiguousarray(parts, np.float32), shut, weighs, index, value)
    return index[:count], value[:count]


def marked(indptr: npt.NDArray[np.int64], index: IntArray, mark: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """How many of each row's entries are marked. Shapes: (R + 1,), (N,), (M,) → (R,)."""
    loops = compiled.kernels()
    if loops is None:
        before = np.concatenate([[0], np.cumsum(mark[index])])
        return np.asarray(before[indptr[1:]] - before[indptr[:-1]], np.int64)
    count = np.empty(indptr.size - 1, np.int64)
    loops.count_marked(indptr, index, mark, count)
    return count


def likeness(scores: FloatArray, weights: FloatArray) -> FloatArray:
    """``weight · log(1 + max(z, 0))`` of each row's z-scores, in place of the scores. Shapes (S, I), (S,)."""
    loops = compiled.kernels()
    if loops is None:
        scores[:] = weights[:, None] * np.log1p(np.maximum(standardized(scores), 0.0))
    else:
        loops.likeness(scores, weights)
    return scores


def orders(value: FloatArray, column: npt.NDArray[np.int64]) -> list[bytes]:
    """The order of each row's numbers, highest first: at which places of ``column`` (S,) they are, a byte each.

    Of equal ones the earlier place comes first; what is no number is left out. Shapes: ``value`` (K, S), S at most 255.
    """
    loops = compiled.kernels("alike")
    if loops is None:
        named = value[:, column]
        order = np.argsort(-named, axis=1, kind="stable").astype(np.uint8)  # what is no number comes last
        counts = (named == named).sum(axis=1)
    else:
        order, counts = np.empty(value.shape, np.uint8), np.empty(len(value), np.int64)
        loops.order_of(np.ascontiguousarray(value, np.float32), column, order, counts)
    width, places = column.size, order.tobytes()
    return [places[row * width : row * width + count] for row, count in enumerate(counts.tolist())]


def _parts(matrix: sp.csr_array) -> tuple[IntArray, IntArray, FloatArray]:
    """The arrays of a matrix; those of a large one are the matrix's own, whatever their types."""
    return matrix.indptr, matrix.indices, matrix.data
