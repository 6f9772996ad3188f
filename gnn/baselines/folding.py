"""A fold-in for models that learn one embedding per user: history in, user embedding out."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from gnn.baselines.neighbors import degrees, inverse_power, scaled_rows
from gnn.data.histories import FloatArray
from gnn.operators import EmbeddingOperator


def folded(
    interactions: sp.csr_array,
    user_embedding: FloatArray,
    item_embedding: FloatArray,
    *,
    item_bias: FloatArray | None = None,
    ridge: float = 0.1,
    length_power: float = 0.5,
    iterations: int = 60,
) -> EmbeddingOperator:
    """An operator that scores training histories exactly as the embeddings do, and any other history nearly so.

    The fold-in is the ridge regression of user embeddings on normalised histories, solved by conjugate gradients;
    what it misses of each training user is kept as the user's residual. Shapes: ``interactions`` (U, I) binary,
    ``user_embedding`` (U, D), ``item_embedding`` (I, D). ``ridge`` is relative to the mean column energy.
    """
    length, _ = degrees(interactions)
    histories = scaled_rows(interactions, inverse_power(length, length_power))
    known = length > 0
    target = np.where(known[:, None], user_embedding, 0.0).astype(np.float32)
    transposed = sp.csr_array(histories.T)
    energy = float((histories.data.astype(np.float64) ** 2).sum()) / max(1, interactions.shape[1])
    fold_in = _ridge(histories, transposed, target, np.float32(max(ridge * energy, 1e-6)), iterations)
    residual = target - np.asarray(histories @ fold_in, np.float32)
    return EmbeddingOperator(
        np.ascontiguousarray(item_embedding, np.float32), fold_in, residual, item_bias, length_power
    )


def _ridge(
    matrix: sp.csr_array, transposed: sp.csr_array, target: FloatArray, penalty: np.float32, iterations: int
) -> FloatArray:
    """Solves (AᵀA + penalty) X = AᵀB by conjugate gradients, all columns side by side."""
    right = np.asarray(transposed @ target, np.float32)
    solution = np.zeros_like(right)
    residual = right.copy()
    direction = residual.copy()
    energy = np.einsum("id,id->d", residual, residual)
    goal = np.maximum(energy * 1e-10, 1e-20)
    for _ in range(iterations):
        if (energy <= goal).all():
            break
        image = np.asarray(transposed @ (matrix @ direction), np.float32) + penalty * direction
        step = energy / np.maximum(np.einsum("id,id->d", direction, image), 1e-20)
        solution += step * direction
        residual -= step * image
        renewed = np.einsum("id,id->d", residual, residual)
        direction = residual + (renewed / np.maximum(energy, 1e-20)) * direction
        energy = renewed
    return np.asarray(solution, np.float32)
