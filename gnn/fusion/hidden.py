"""A hidden layer beside the linear fusion: what several sources say together and none says alone.

A multi-layer perceptron with one hidden layer of H rectified units (ReLU) over the F features and the length of the
history, added to the linear score. It starts at zero, so that the linear score is what it departs from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gnn.data.histories import FloatArray


@dataclass(frozen=True)
class HiddenLayer:
    """``max(0, (features, length) @ into + bias) @ out``.

    Shapes: ``into`` (F + 1, H), the last row for the standardised length; ``bias`` and ``out`` (H,).
    """

    into: FloatArray
    bias: FloatArray
    out: FloatArray

    def scores(self, features: FloatArray, length: FloatArray) -> FloatArray:
        """What the layer adds to each score. Shapes: (B, C, F), (B,) → (B, C)."""
        return np.asarray(np.maximum(self._inner(features, length), 0.0) @ self.out, np.float32)

    def slopes(self, features: FloatArray, length: FloatArray) -> FloatArray:
        """How the layer's score moves with each feature, at these features. Shapes: (B, C, F), (B,) → (B, C, F).

        Where no unit switches the score is linear, so a feature times its slope is what the feature contributes.
        """
        active = (self._inner(features, length) > 0) * self.out
        return np.asarray(active @ self.into[:-1].T, np.float32)

    def strength(self) -> FloatArray:
        """About how much each feature counts, comparable to the absolute linear weights. Shape (F,)."""
        return np.asarray(0.5 * np.abs(self.into[:-1]) @ np.abs(self.out), np.float32)

    def _inner(self, features: FloatArray, length: FloatArray) -> FloatArray:
        shift = self.bias + length[:, None] * self.into[-1]
        return np.asarray(features @ self.into[:-1] + shift[:, None, :], np.float32)

    def to_document(self) -> dict[str, Any]:
        return {"into": self.into.tolist(), "bias": self.bias.tolist(), "out": self.out.tolist()}

    @classmethod
    def from_document(cls, document: Mapping[str, Any], num_features: int) -> HiddenLayer:
        """The layer that :meth:`to_document` described.

        Raises:
            ValueError: when it is not a layer over so many features, or not finite.
        """
        parts = [np.array(document[name], np.float32) for name in ("into", "bias", "out")]
        units = parts[1].shape
        if parts[0].shape != (num_features + 1, *units) or parts[2].shape != units or len(units) != 1:
            raise ValueError(f"a hidden layer of shapes {[part.shape for part in parts]}")
        if not all(np.isfinite(part).all() for part in parts):
            raise ValueError("a hidden layer with weights that are no numbers")
        return cls(*parts)
