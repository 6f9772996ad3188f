"""Embeddings of items the model has never seen, from their text and attributes, in numpy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from gnn.data.histories import FloatArray
from gnn.operators import Arrays
from gnn.operators.sequences import normalised
from graph.errors import InputError, ReleaseError
from graph.schema import EdgeType


class FoldedItems(NamedTuple):
    """Rows to append to an :class:`~gnn.operators.EmbeddingOperator`. Shapes: both (N, D)."""

    item_embedding: FloatArray
    fold_in: FloatArray


@dataclass(frozen=True)
class AttributeWeights:
    """One attribute edge type: which attribute nodes the model knows, and per layer what they say.

    Shapes: ``node_index`` (K,), ``messages`` (layers, K, D): the attribute nodes' features, ready to be averaged.
    """

    node_index: npt.NDArray[np.int64]
    messages: FloatArray


@dataclass(frozen=True)
class ItemFoldIn:
    """The item side of a trained graph network (GraphSAGE, the flagship) without torch.

    Shapes: ``text_weight`` (T, D) or None; ``root_weight`` (layers, D, D); ``out_weight`` (D, D). ``scale``
    multiplies the sum of messages in each layer. ``text_mean`` (T,), where the model reads texts around their mean;
    ``norm`` (2, D), where a layer norm ends the item side instead of a projection to unit length.
    """

    text_weight: FloatArray | None
    root_weight: FloatArray
    out_weight: FloatArray
    scale: float
    attributes: Mapping[EdgeType, AttributeWeights]
    text_mean: FloatArray | None = None
    norm: FloatArray | None = None

    def apply(self, text: FloatArray | None, attributes: Mapping[EdgeType, sp.csr_array]) -> FoldedItems:
        """Embeddings of N new items; attributes and edge types the model does not know are passed over.

        Shapes: ``text`` (N, T), a row of zeros without text; ``attributes`` per edge type (N, A), incidence.

        Raises:
            InputError: when neither is given, or their sizes do not fit the model or each other.
        """
        known = {kind: matrix for kind, matrix in attributes.items() if kind in self.attributes}
        count = self._count(text, attributes)
        dim = self.out_weight.shape[0]
        hidden = np.zeros((count, dim), np.float32)
        if text is not None and self.text_weight is not None:
            hidden = self._read(np.asarray(text, np.float32)) @ self.text_weight
        shares = {kind: _shares(matrix, self.attributes[kind].node_index) for kind, matrix in known.items()}
        for layer, root in enumerate(self.root_weight):
            received = np.zeros((count, dim), np.float32)
            for kind, share in shares.items():
                received += share @ self.attributes[kind].messages[layer]
            hidden = hidden + hidden @ root + received * np.float32(self.scale)
        if self.norm is not None:
            rows = normalised(np.asarray(hidden, np.float32), self.norm)
            return FoldedItems(rows, rows)
        length = np.maximum(np.linalg.norm(hidden, axis=1, keepdims=True), 1e-12)
        return FoldedItems(np.asarray(hidden / length, np.float32), np.asarray(hidden @ self.out_weight, np.float32))

    def arrays(self) -> Arrays:
        """Everything needed to rebuild the fold-in, as named arrays."""
        kinds = json.dumps([list(kind) for kind in self.attributes]).encode()
        named: Arrays = {
            "root_weight": self.root_weight,
            "out_weight": self.out_weight,
            "scale": np.array([self.scale], np.float64),
            "edge_types": np.frombuffer(kinds, np.uint8),
        }
        if self.text_weight is not None:
            named["text_weight"] = self.text_weight
        if self.text_mean is not None:
            named["text_mean"] = self.text_mean
        if self.norm is not None:
            named["norm"] = self.norm
        for number, weights in enumerate(self.attributes.values()):
            named[f"node_index_{number}"] = weights.node_index
            named[f"messages_{number}"] = weights.messages
        return named

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[np.generic]]) -> ItemFoldIn:
        """The fold-in that :meth:`arrays` described.

        Raises:
            ReleaseError: when arrays are missing or do not fit together.
        """
        try:
            kinds = [(str(a), str(b), str(c)) for a, b, c in json.loads(bytes(np.asarray(arrays["edge_types"])))]
            root, out = _float(arrays["root_weight"]), _float(arrays["out_weight"])
            text = _float(arrays["text_weight"]) if "text_weight" in arrays else None
            attributes = {
                kind: AttributeWeights(
                    np.asarray(arrays[f"node_index_{number}"], np.int64), _float(arrays[f"messages_{number}"])
                )
                for number, kind in enumerate(kinds)
            }
            mean = _float(arrays["text_mean"]) if "text_mean" in arrays else None
            norm = _float(arrays["norm"]) if "norm" in arrays else None
            layers, dim = root.shape[0], out.shape[0]
            fits = out.shape == (dim, dim) and root.shape == (layers, dim, dim)
            fits = fits and (text is None or (text.ndim == 2 and text.shape[1] == dim))
            fits = fits and (norm is None or norm.shape == (2, dim))
            fits = fits and (mean is None or (text is not None and mean.shape == text.shape[:1]))
            for weights in attributes.values():
                fits = fits and weights.messages.shape == (layers, weights.node_index.size, dim)
            if not fits:
                raise ValueError("shapes differ")
            return cls(text, root, out, float(np.asarray(arrays["scale"], np.float64)[0]), attributes, mean, norm)
        except (KeyError, ValueError, IndexError, TypeError) as error:
            raise ReleaseError("the fold-in's arrays do not fit together", got=error) from error

    def _read(self, text: FloatArray) -> FloatArray:
        """Texts as the model was given them: around the mean of its own, where it was. Shape (N, T)."""
        if self.text_mean is None:
            return text
        around = np.where((text != 0).any(axis=1, keepdims=True), text - self.text_mean, 0.0)
        return np.asarray(around / np.maximum(np.linalg.norm(around, axis=1, keepdims=True), 1e-12), np.float32)

    def _count(self, text: FloatArray | None, attributes: Mapping[EdgeType, sp.csr_array]) -> int:
        counts = {int(matrix.shape[0]) for matrix in attributes.values()}
        if text is not None:
            counts.add(int(text.shape[0]))
            width = None if self.text_weight is None else self.text_weight.shape[0]
            if width is not None and text.shape[1] != width:
                raise InputError(
                    "new items cannot be embedded",
                    expected=f"text embeddings of width {width}",
                    got=text.shape[1],
                    remedy="Encode them with the release's own text model.",
                )
        if len(counts) != 1:
            raise InputError(
                "new items cannot be embedded", expected="text or attributes with one row per item", got=sorted(counts)
            )
        return counts.pop()


def _shares(matrix: sp.csr_array, node_index: npt.NDArray[np.int64]) -> sp.csr_array:
    """Each item's known attributes with weights that sum to 1. Shape (N, K)."""
    if node_index.size and int(node_index.max()) >= matrix.shape[1]:
        # Attributes that no column stands for are ones the new items do not have.
        matrix = sp.csr_array((matrix.data, matrix.indices, matrix.indptr), shape=(matrix.shape[0], _width(node_index)))
    chosen = sp.csr_array(sp.csc_array(matrix)[:, node_index])
    chosen.sum_duplicates()
    count = np.maximum(np.diff(chosen.indptr), 1)
    chosen.data = np.repeat(1.0 / count, np.diff(chosen.indptr)).astype(np.float32)
    return chosen


def _width(node_index: npt.NDArray[np.int64]) -> int:
    return int(node_index.max()) + 1


def _float(array: npt.NDArray[np.generic]) -> FloatArray:
    return np.asarray(array, np.float32)
