"""What a block of users has chosen, as the index tensors a loss wants."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from gnn.data.histories import IntArray


class Targets:
    """The interactions of a training matrix, block by block, over the items that occur in it.

    Items nobody has chosen stay out of every softmax: pushing them down would teach the model that new items
    are bad. ``item_index`` (J,) lists the others; targets number them by position.
    """

    def __init__(self, matrix: sp.csr_array, device: torch.device) -> None:
        self.device = device
        self._matrix = matrix
        chosen = np.bincount(matrix.indices, minlength=matrix.shape[1]) > 0
        self.item_index = np.flatnonzero(chosen).astype(np.int64)
        self._position = np.cumsum(chosen) - 1
        self._user_degree = np.diff(matrix.indptr)
        self._item_degree = np.bincount(matrix.indices, minlength=matrix.shape[1])[self.item_index]

    @property
    def num_items(self) -> int:
        return int(self.item_index.size)

    def block(self, users: IntArray) -> tuple[IntArray, IntArray]:
        """Block row and item index of every interaction of these users. Shapes (P,), (P,)."""
        part = self._matrix[users]
        rows = np.repeat(np.arange(users.size, dtype=np.int32), np.diff(part.indptr))
        return rows, np.asarray(part.indices, np.int32)

    def positions(self, item_index: IntArray) -> Tensor:
        """Where the items stand in ``item_index``."""
        return self.tensor(self.position_of(item_index))

    def position_of(self, item_index: IntArray) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        """:meth:`positions` as an array."""
        return np.asarray(self._position[item_index], np.int64)

    def degrees(self, users: IntArray) -> tuple[Tensor, Tensor]:
        """How many interactions these users have, and the items of ``item_index``. Shapes (B,), (J,), float32."""
        return self.tensor(self._user_degree[users]).float(), self.tensor(self._item_degree).float()

    def sample(self, size: int, rng: np.random.Generator) -> Tensor:
        """Positions of items drawn uniformly, with repetition."""
        return self.tensor(rng.integers(0, self.num_items, size))

    def tensor(self, index: np.ndarray[tuple[int, ...], np.dtype[np.integer]]) -> Tensor:
        return torch.from_numpy(np.asarray(index, np.int64)).to(self.device)
