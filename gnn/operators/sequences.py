"""The numpy side of a model that reads a history in order: causal attention over the vectors of its items."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from gnn.data.histories import FloatArray, Histories, IntArray
from gnn.operators.gaps import gap_buckets

_EPSILON = 1e-5
"""What torch's LayerNorm adds to the variance."""
_BLOCK_EVENTS = 4096
"""Events, padding included, that are read at a time; what that needs stays in the cache."""


class Aligned(NamedTuple):
    """A block of histories side by side, each ending at the right.

    Shapes: ``rows`` (B,), rows of the histories; ``at`` (B, L), positions in their columns of events, -1 in front of
    short ones.
    """

    rows: npt.NDArray[np.int64]
    at: npt.NDArray[np.int64]


@dataclass(frozen=True)
class AttentionLayer:
    """The weights of one layer, applied as ``x @ weight + bias``. D is the width, H that of the feed-forward part.

    Shapes: ``norm`` and ``forward_norm`` (2, D), factor and offset; ``distance`` (heads, L), how much more readily an
    event is read that lies so many steps back; ``query_key_value`` (D, 3D); ``mix`` (D, D); ``widen`` (D, H);
    ``narrow`` (H, D); biases (3D,), (D,), (H,), (D,). ``gap`` (heads, G + 1), the same for how long ago it was, in the
    buckets of :func:`gnn.operators.gaps.gap_buckets`, an unknown time last; None for a layer that does not read times.
    """

    norm: FloatArray
    distance: FloatArray
    query_key_value: FloatArray
    query_key_value_bias: FloatArray
    mix: FloatArray
    mix_bias: FloatArray
    forward_norm: FloatArray
    widen: FloatArray
    widen_bias: FloatArray
    narrow: FloatArray
    narrow_bias: FloatArray
    gap: FloatArray | None = None

    NAMES: ClassVar[tuple[str, ...]] = (
        "norm",
        "distance",
        "query_key_value",
        "query_key_value_bias",
        "mix",
        "mix_bias",
        "forward_norm",
        "widen",
        "widen_bias",
        "narrow",
        "narrow_bias",
    )


@dataclass(frozen=True)
class SequenceOperator:
    """Scores by the inner product of item vectors with a user vector that attention makes of the last events.

    Shapes: ``item_input`` and ``item_output`` (I, D), how items are read and how they are ranked; ``final_norm``
    (2, D); ``item_bias`` (I,) or None; ``kind_input`` (K, D), what is added to an event's item vector for its kind, by
    the names ``kinds``, or None. A history's last events are read, as many as the layers know distances. An empty one
    scores by the bias alone.
    """

    kind: ClassVar[str] = "sequence"
    item_input: FloatArray
    item_output: FloatArray
    layers: tuple[AttentionLayer, ...]
    final_norm: FloatArray
    item_bias: FloatArray | None = None
    kind_input: FloatArray | None = None
    kinds: tuple[str, ...] = ()

    @property
    def num_events(self) -> int:
        """How many events are read at most."""
        return int(self.layers[0].distance.shape[1])

    def score_ordered(self, histories: Histories) -> FloatArray:
        """Scores of all items, from histories with their order. Shape (B, I)."""
        scores = self.user_embedding(histories) @ self.item_output.T
        return scores if self.item_bias is None else np.asarray(scores + self.item_bias, np.float32)

    def score(self, weights: sp.csr_array, user_index: IntArray | None = None) -> FloatArray:
        """Scores from weighted histories, whose order is taken to be that of their weights, the heaviest last."""
        return self.score_ordered(by_weight(weights))

    def user_embedding(self, histories: Histories, late: FloatArray | None = None) -> FloatArray:
        """The vector of each history, zero for an empty one; ``late`` are vectors of items behind the known ones.

        Shapes: ``late`` (N, D) → (B, D).
        """
        result = np.zeros((len(histories), self.item_output.shape[1]), np.float32)
        kinds = histories.kind_among(self.kinds)
        for rows, at in aligned(histories, self.num_events):
            vectors = self._vectors(histories.item_index[at], late)
            if self.kind_input is not None:
                vectors = vectors + np.pad(self.kind_input, ((0, 1), (0, 0)))[kinds[at]]
            result[rows] = self._read(vectors, at < 0, histories.timestamp_s[at])
        return result

    def _vectors(self, items: IntArray, late: FloatArray | None) -> FloatArray:
        """How items are read, known or late. Shape (B, L) → (B, L, D)."""
        if late is None:
            return self.item_input[items]
        known = len(self.item_input)
        vectors = self.item_input[np.minimum(items, known - 1)]
        vectors[items >= known] = late[items[items >= known] - known]
        return vectors

    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        named: dict[str, npt.NDArray[np.generic]] = {
            "item_input": self.item_input,
            "final_norm": self.final_norm,
        }
        if self.item_output is not self.item_input:
            named["item_output"] = self.item_output
        if self.item_bias is not None:
            named["item_bias"] = self.item_bias
        for name in AttentionLayer.NAMES:
            named[f"layer_{name}"] = np.stack([getattr(layer, name) for layer in self.layers])
        gaps = [layer.gap for layer in self.layers if layer.gap is not None]
        if gaps:
            named["layer_gap"] = np.stack(gaps)
        if self.kind_input is not None:
            named["kind_input"] = self.kind_input
            named["kinds"] = np.frombuffer("\n".join(self.kinds).encode(), np.uint8)
        return named

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[np.generic]]) -> SequenceOperator:
        """The operator that :meth:`arrays` described; KeyError or ValueError when they do not fit together."""

        def floats(name: str) -> FloatArray:
            return np.asarray(arrays[name], np.float32)

        item_input = floats("item_input")
        item_output = floats("item_output") if "item_output" in arrays else item_input
        stacked = {name: floats(f"layer_{name}") for name in AttentionLayer.NAMES}
        # Releases from before times and kinds were read do not have these.
        gap = floats("layer_gap") if "layer_gap" in arrays else None
        kind_input = floats("kind_input") if "kind_input" in arrays else None
        kinds = () if kind_input is None else tuple(arrays["kinds"].astype(np.uint8).tobytes().decode().split("\n"))
        layers = tuple(
            AttentionLayer(
                **{name: stacked[name][number] for name in AttentionLayer.NAMES},
                gap=None if gap is None else gap[number],
            )
            for number in range(len(stacked["norm"]))
        )
        layer = layers[0]
        (dim, wide), num_heads = layer.widen.shape, layer.distance.shape[0]
        expected = {
            "norm": (2, dim),
            "distance": (num_heads, layer.distance.shape[1]),
            "query_key_value": (dim, 3 * dim),
            "query_key_value_bias": (3 * dim,),
            "mix": (dim, dim),
            "mix_bias": (dim,),
            "forward_norm": (2, dim),
            "widen": (dim, wide),
            "widen_bias": (wide,),
            "narrow": (wide, dim),
            "narrow_bias": (dim,),
        }
        fits = item_input.shape[1] == dim and item_output.shape == item_input.shape and dim % num_heads == 0
        fits = fits and floats("final_norm").shape == (2, dim)
        fits = fits and (kind_input is None or kind_input.shape == (len(kinds), dim))
        fits = fits and (gap is None or (gap.shape[:2] == (len(layers), num_heads) and gap.shape[2] > 1))
        if not fits or any(stacked[name].shape != (len(layers), *shape) for name, shape in expected.items()):
            raise ValueError("shapes differ")
        bias = floats("item_bias") if "item_bias" in arrays else None
        return cls(item_input, item_output, layers, floats("final_norm"), bias, kind_input, kinds)

    def _read(
        self, hidden: FloatArray, padding: npt.NDArray[np.bool_], timestamp_s: npt.NDArray[np.int64]
    ) -> FloatArray:
        """The vectors of histories that end at the right. Shapes (B, L, D), (B, L), (B, L) → (B, D)."""
        length, last = hidden.shape[1], self.layers[-1]
        asking = 1 if len(self.layers) == 1 else length
        gaps = None if last.gap is None else gap_buckets(timestamp_s, asking, last.gap.shape[1] - 1)
        for layer in self.layers[:-1]:
            hidden = _layer(layer, hidden, length, padding, gaps)
        return normalised(_layer(last, hidden, 1, padding, gaps)[:, 0], self.final_norm)


def by_weight(weights: sp.csr_array) -> Histories:
    """Weighted histories in the order of their weights, the heaviest last. Shape (B, I)."""
    matrix = sp.csr_array(weights)
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    order = np.lexsort((matrix.indices, matrix.data, rows))
    order = order[matrix.data[order] > 0]
    indptr = np.zeros(matrix.shape[0] + 1, np.int64)
    np.cumsum(np.bincount(rows[order], minlength=matrix.shape[0]), out=indptr[1:])
    return Histories.of_rows(indptr, matrix.indices[order], matrix.shape[1])


def _layer(
    layer: AttentionLayer,
    hidden: FloatArray,
    num_asking: int,
    padding: npt.NDArray[np.bool_],
    gaps: npt.NDArray[np.int64] | None,
) -> FloatArray:
    """What the last ``num_asking`` events become; each reads itself and those before it, and never the padding.

    Shapes: ``hidden`` (B, L, D), ``padding`` (B, L), ``gaps`` (B, Q or more, L) → (B, Q, D).
    """
    batch, length, dim = hidden.shape
    heads = layer.distance.shape[0]
    width = dim // heads
    read = normalised(hidden, layer.norm)
    whole = read.reshape(-1, dim) @ layer.query_key_value[:, dim:] + layer.query_key_value_bias[dim:]
    key, value = whole.reshape(batch, length, 2, heads, width).transpose(2, 0, 3, 1, 4)
    query = read[:, length - num_asking :] @ layer.query_key_value[:, :dim] + layer.query_key_value_bias[:dim]
    query = query.reshape(batch, num_asking, heads, width).transpose(0, 2, 1, 3)
    attention = np.matmul(query, key.transpose(0, 1, 3, 2)) * np.float32(width**-0.5)
    back = np.arange(length - num_asking, length)[:, None] - np.arange(length)
    attention += np.where(back >= 0, layer.distance[:, np.maximum(back, 0)], np.float32(-1e9))
    if layer.gap is not None and gaps is not None:
        attention += layer.gap[:, gaps[:, -num_asking:]].swapaxes(0, 1)
    attention += np.where(padding, np.float32(-1e9), np.float32(0.0))[:, None, None, :]
    attention = np.exp(attention - attention.max(axis=-1, keepdims=True))
    attention /= attention.sum(axis=-1, keepdims=True)
    found = np.matmul(attention, value).transpose(0, 2, 1, 3).reshape(batch, num_asking, dim)
    middle = hidden[:, length - num_asking :] + found @ layer.mix + layer.mix_bias
    wide = np.maximum(normalised(middle, layer.forward_norm) @ layer.widen + layer.widen_bias, 0.0)
    return np.asarray(middle + wide @ layer.narrow + layer.narrow_bias, np.float32)


def normalised(rows: FloatArray, norm: FloatArray) -> FloatArray:
    """Rows with mean 0 and variance 1, times ``norm[0]`` plus ``norm[1]``: torch's LayerNorm. Shape as ``rows``."""
    centred = rows - rows.mean(axis=-1, keepdims=True)
    variance = np.mean(centred * centred, axis=-1, keepdims=True)
    return np.asarray(centred / np.sqrt(variance + np.float32(_EPSILON)) * norm[0] + norm[1], np.float32)


def aligned(
    histories: Histories,
    limit: int,
    rows: npt.NDArray[np.integer] | None = None,
    ends: npt.NDArray[np.integer] | None = None,
) -> Iterator[Aligned]:
    """Blocks of non-empty histories of about one length, at most their last ``limit`` events; ``rows`` chooses some.

    Shape: ``ends`` like ``rows``, the positions in the columns of events before which each is cut off.
    """
    chosen = np.arange(len(histories)) if rows is None else np.asarray(rows, np.int64)
    stops = histories.indptr[chosen + 1] if ends is None else np.asarray(ends, np.int64)
    lengths = np.minimum(stops - histories.indptr[chosen], limit)
    order = np.argsort(lengths, kind="stable")
    chosen, stops, lengths = chosen[order], stops[order], lengths[order]
    start = int(np.searchsorted(lengths, 0, side="right"))
    while start < chosen.size:
        # Sorted by length, so the longest of a block is its last; a block ends where padding would be over a third.
        widest = max(int(lengths[start]) + 2, int(lengths[start]) * 3 // 2)
        stop = min(int(np.searchsorted(lengths, widest, side="right")), start + max(1, _BLOCK_EVENTS // widest))
        block = chosen[start:stop]
        at = stops[start:stop, None] + np.arange(-int(lengths[stop - 1]), 0)
        yield Aligned(block, np.where(at >= histories.indptr[block, None], at, -1))
        start = stop
