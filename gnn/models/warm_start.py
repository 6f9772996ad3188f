"""Where training starts: the spectral solution of the interactions, which a model would need hours to find."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from gnn.baselines.spectral import item_spectrum
from gnn.data.histories import FloatArray
from gnn.propagation.adjacency import scaled


def spectral_start(
    matrix: sp.csr_array, embedding_dim: int, *, scale: float, seed: int
) -> tuple[FloatArray, FloatArray]:
    """User and item embeddings whose inner products are the truncated SVD of the normalised interactions.

    ``scale`` is the length of the strongest direction before normalisation: 0.1–0.3 leaves an entry's usual
    size near that of a random start. Directions beyond the matrix's rank get small random values. Rows without
    interactions are zero. Shapes: (U, I) → (U, D), (I, D).
    """
    rng = np.random.default_rng(seed)
    normalised = scaled(matrix, row_power=0.5, column_power=0.5)
    vectors, values = item_spectrum(normalised, embedding_dim, seed=seed)
    root = np.sqrt(np.maximum(values, 1e-6)).astype(np.float32)
    num_users, num_items = matrix.shape
    users = (0.01 * rng.standard_normal((num_users, embedding_dim))).astype(np.float32)
    items = (0.01 * rng.standard_normal((num_items, embedding_dim))).astype(np.float32)
    users[:, : root.size] = scale * np.asarray(normalised @ vectors, np.float32) / root
    items[:, : root.size] = scale * vectors * root
    users[np.diff(matrix.indptr) == 0] = 0.0
    items[np.bincount(matrix.indices, minlength=num_items) == 0] = 0.0
    return users, items


def text_start(
    text: FloatArray, items: FloatArray, chosen: npt.NDArray[np.bool_], *, ridge: float = 0.02
) -> FloatArray:
    """The projection of text that best predicts item embeddings, by ridge regression on the chosen items.

    ``ridge`` is relative to the number of items. Shapes: (I, T), (I, D), (I,) → (T, D).
    """
    known = chosen & (np.abs(text).sum(axis=1) > 0)
    inputs = text[known].astype(np.float64)
    gram = inputs.T @ inputs
    gram[np.diag_indices_from(gram)] += max(ridge * float(known.sum()), 1e-6)
    return np.asarray(np.linalg.solve(gram, inputs.T @ items[known].astype(np.float64)), np.float32)
