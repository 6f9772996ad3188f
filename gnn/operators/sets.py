"""The numpy side of a model that reads a history as a set: attention pooling over the vectors of its items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from gnn.data.histories import FloatArray, IntArray
from gnn.operators.sequences import normalised


@dataclass(frozen=True)
class SetOperator:
    """Scores by the inner product of item vectors with a user vector pooled from the items of a history.

    Each head pools its part of the items' values, each item with its own attention, which is the same in every
    history; so pooling is two products with the history's weights. D is the width, H that of the feed-forward part.

    Shapes: ``item_output`` (I, D); ``attention`` (I, heads), positive; ``value`` (I, D); ``forward_norm`` and
    ``final_norm`` (2, D); ``widen`` (D, H), ``narrow`` (H, D), biases (H,), (D,).
    """

    kind: ClassVar[str] = "set"
    item_output: FloatArray
    attention: FloatArray
    value: FloatArray
    forward_norm: FloatArray
    widen: FloatArray
    widen_bias: FloatArray
    narrow: FloatArray
    narrow_bias: FloatArray
    final_norm: FloatArray

    NAMES: ClassVar[tuple[str, ...]] = (
        "item_output",
        "attention",
        "value",
        "forward_norm",
        "widen",
        "widen_bias",
        "narrow",
        "narrow_bias",
        "final_norm",
    )

    def score(self, weights: sp.csr_array, user_index: IntArray | None = None) -> FloatArray:
        return np.asarray(self.user_embedding(weights) @ self.item_output.T, np.float32)

    def user_embedding(self, weights: sp.csr_array) -> FloatArray:
        """The vector of each weighted history, zero for an empty one. Shape (B, D)."""
        heads = self.attention.shape[1]
        spread = np.repeat(self.attention, self.value.shape[1] // heads, axis=1)
        total = np.asarray(weights @ spread, np.float32)
        pooled = np.asarray(weights @ (spread * self.value) / np.maximum(total, 1e-20), np.float32)
        wide = np.maximum(normalised(pooled, self.forward_norm) @ self.widen + self.widen_bias, 0.0)
        embedding = normalised(np.asarray(pooled + wide @ self.narrow + self.narrow_bias, np.float32), self.final_norm)
        embedding[np.diff(weights.indptr) == 0] = 0.0
        return embedding

    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        return {name: getattr(self, name) for name in self.NAMES}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[np.generic]]) -> SetOperator:
        """The operator that :meth:`arrays` described; KeyError or ValueError when they do not fit together."""
        named = {name: np.asarray(arrays[name], np.float32) for name in cls.NAMES}
        (items, dim), heads = named["item_output"].shape, named["attention"].shape[1]
        wide = named["widen"].shape[1]
        expected = {
            "attention": (items, heads),
            "value": (items, dim),
            "forward_norm": (2, dim),
            "widen": (dim, wide),
            "widen_bias": (wide,),
            "narrow": (wide, dim),
            "narrow_bias": (dim,),
            "final_norm": (2, dim),
        }
        if dim % heads or any(named[name].shape != shape for name, shape in expected.items()):
            raise ValueError("shapes differ")
        return cls(**named)
