"""Items of a user that belong together: what is held back as a block, where a random share would be given away.

A random part of a history is easily told from the rest, because what was chosen on the same trip or for the same
purpose is still there. What comes later is less like what came before, so a part that stands for it is a whole block.
Roberts et al., "Cross-validation strategies for data with temporal, spatial, hierarchical, or phylogenetic structure",
2017.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from gnn.baselines.spectral import item_spectrum, normalised
from gnn.data.histories import FloatArray, IntArray

RANK = 64
"""Spectral directions by which items are alike."""
_CHUNK = 1 << 18


def likeness_to_one(matrix: sp.csr_array, rng: np.random.Generator) -> FloatArray:
    """How much each item of a user is like one of them, drawn at random: a cosine, and 2 for that one.

    Shapes: ``matrix`` (U, I) of who chose what, N entries → (N,), in the order of its entries.
    """
    vectors, values = item_spectrum(normalised(matrix), RANK)
    vectors *= np.sqrt(values)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-9))
    length = np.diff(matrix.indptr)
    some = np.flatnonzero(length > 0)
    drawn = matrix.indptr[some] + rng.integers(0, length[some])
    of_user = np.repeat(drawn, length[some])
    alike = _cosines(vectors, matrix.indices, matrix.indices[of_user])
    alike[drawn] = 2.0
    return alike


def _cosines(vectors: FloatArray, left: IntArray, right: npt.NDArray[np.integer]) -> FloatArray:
    """Row by row. Shapes: (I, D), (N,), (N,) → (N,)."""
    result = np.empty(left.size, np.float32)
    for start in range(0, left.size, _CHUNK):
        part = slice(start, start + _CHUNK)
        result[part] = np.einsum("nd,nd->n", vectors[left[part]], vectors[right[part]])
    return result
