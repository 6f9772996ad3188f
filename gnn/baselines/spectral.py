"""The strongest spectral directions of the user–item graph, by randomised subspace iteration."""

from __future__ import annotations

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from gnn.baselines.neighbors import degrees, inverse_power, scaled_columns, scaled_rows
from gnn.data.histories import FloatArray


def normalised(matrix: sp.csr_array) -> sp.csr_array:
    """The matrix divided by the square roots of its row and column sums. Shape (U, I)."""
    of_user, of_item = degrees(matrix)
    return scaled_columns(scaled_rows(matrix, inverse_power(of_user, 0.5)), inverse_power(of_item, 0.5))


def item_spectrum(
    matrix: sp.csr_array, rank: int, *, iterations: int = 4, oversampling: int = 32, seed: int = 42
) -> tuple[FloatArray, FloatArray]:
    """Right singular vectors and singular values, strongest first. Shapes: (U, I) → (I, rank), (rank,).

    Reference: Halko, Martinsson & Tropp, "Finding structure with randomness", 2011, algorithm 4.4.
    """
    num_users, num_items = matrix.shape
    rank = min(rank, num_users, num_items)
    width = min(rank + oversampling, num_users, num_items)
    transposed = sp.csr_array(matrix.T)
    basis = np.random.default_rng(seed).standard_normal((num_items, width), np.float32)
    for _ in range(iterations + 1):
        basis = _orthonormal(np.asarray(transposed @ (matrix @ basis), np.float32))
    image = np.asarray(matrix @ basis, np.float32)
    energy, rotation = scipy.linalg.eigh((image.T @ image).astype(np.float64))
    strongest = np.argsort(-energy, kind="stable")[:rank]
    vectors = basis @ rotation[:, strongest].astype(np.float32)
    return np.ascontiguousarray(vectors), np.sqrt(np.maximum(energy[strongest], 0.0)).astype(np.float32)


def _orthonormal(basis: FloatArray) -> FloatArray:
    return np.asarray(scipy.linalg.qr(basis, mode="economic", overwrite_a=True, check_finite=False)[0], np.float32)
