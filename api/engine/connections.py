"""Everything but interactions that touches an item, side by side in one sparse matrix.

Shared attributes, knowledge and item relations are looked up for many items per request. One CSR whose columns are
``(edge type, direction, node)`` makes that one gather instead of one lookup per edge type.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from gnn.data.histories import FloatArray, IntArray
from graph.schema import EdgeRole, EdgeSpec, GraphSchema
from graph.view import GraphView

_ATTRIBUTE_ROLES = frozenset({EdgeRole.ATTRIBUTE, EdgeRole.KNOWLEDGE})


@dataclass(frozen=True, slots=True)
class Block:
    """The columns of one edge type in one direction, seen from the item: ``start`` to ``start + width``."""

    spec: EdgeSpec
    direction: Literal["out", "in"]
    node_type: str
    start: int
    width: int

    @property
    def relates_items(self) -> bool:
        """Whether the other end is an item too."""
        return self.spec.source == self.spec.target


def item_edges(schema: GraphSchema) -> tuple[EdgeSpec, ...]:
    """The edge types other than interactions with an item at one end or both, in schema order."""
    item = schema.item_type
    roles = _ATTRIBUTE_ROLES | {EdgeRole.ITEM_RELATION}
    return tuple(
        spec
        for spec in schema.edges
        if spec.role in roles and item in (spec.source, spec.target) and schema.user_type != spec.source
    )


@dataclass(frozen=True)
class Connections:
    """Per item the columns it is connected to.

    Shapes: ``matrix`` (I, C) binary; ``rarity`` (C,), 1 for a node of one item, near 0 for a node of all.
    """

    blocks: tuple[Block, ...]
    matrix: sp.csr_array
    rarity: FloatArray

    @classmethod
    def of(cls, view: GraphView) -> Connections:
        """The connections of every item of the view."""
        item = view.schema.item_type
        num_items = view.num_nodes(item)
        blocks: list[Block] = []
        parts: list[sp.csr_array] = []
        start = 0
        for spec in item_edges(view.schema):
            matrix = view.matrix(spec.edge_type)
            if spec.source == item:
                blocks.append(Block(spec, "out", spec.target, start, matrix.shape[1]))
                parts.append(grown(matrix, num_items, matrix.shape[1]))
                start += matrix.shape[1]
            if spec.target == item:
                blocks.append(Block(spec, "in", spec.source, start, matrix.shape[0]))
                parts.append(grown(sp.csr_array(matrix.T), num_items, matrix.shape[0]))
                start += matrix.shape[0]
        nothing = sp.csr_array((num_items, 0), dtype=np.float32)
        stacked = sp.csr_array(sp.hstack([nothing, *parts], format="csr"))
        stacked.sort_indices()
        degree = np.bincount(stacked.indices, minlength=stacked.shape[1])
        return cls(tuple(blocks), stacked, _rarity(degree, num_items))

    def of_item(self, item_index: int) -> npt.NDArray[np.int64]:
        """The columns of one item, ascending."""
        indptr = self.matrix.indptr
        return self.matrix.indices[indptr[item_index] : indptr[item_index + 1]].astype(np.int64)

    def of_items(self, item_index: IntArray) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The columns of several items one after the other, and the position of the item each belongs to."""
        starts, ends = self.matrix.indptr[item_index], self.matrix.indptr[item_index + 1]
        lengths = (ends - starts).astype(np.int64)
        position = np.repeat(np.arange(item_index.size), lengths)
        at = np.arange(int(lengths.sum())) + np.repeat(starts - (np.cumsum(lengths) - lengths), lengths)
        return self.matrix.indices[at].astype(np.int64), position

    def block_of(self, column: int) -> Block:
        """The block a column belongs to."""
        return self.blocks[bisect_right(self._starts, column) - 1]

    @cached_property
    def attribute_rarity(self) -> FloatArray:
        """The rarity of attributes, 0 for item relations: what goes with the same item is not alike. Shape (C,)."""
        rarity = self.rarity.copy()
        for block in self.blocks:
            if block.relates_items:
                rarity[block.start : block.start + block.width] = 0.0
        return rarity

    @cached_property
    def _starts(self) -> list[int]:
        return [block.start for block in self.blocks]


def _rarity(degree: npt.NDArray[np.int64], num_items: int) -> FloatArray:
    scale = np.log(max(num_items, 2))
    clipped = np.clip(np.log(max(num_items, 2) / np.maximum(degree, 1)) / scale, 0.02, 1.0)
    return np.asarray(clipped, np.float32)


def grown(matrix: sp.csr_array[Any], num_rows: int, num_columns: int) -> sp.csr_array:
    """The matrix with empty rows and columns added up to a shape; the data are shared, not copied."""
    missing = num_rows - matrix.shape[0]
    indptr = np.concatenate([matrix.indptr, np.full(missing, matrix.indptr[-1], matrix.indptr.dtype)])
    return sp.csr_array((matrix.data, matrix.indices, indptr), shape=(num_rows, max(num_columns, matrix.shape[1])))
