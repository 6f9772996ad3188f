"""The groups items belong to, by what a cap or a calibration names: a property, a relation, a node type."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from api.engine.filters.masks import mask_of
from api.engine.filters.names import ItemProperty, Joined, meaning_of
from api.engine.filters.syntax import Among, Name, Scalar, Value
from api.engine.filters.tokens import FilterError
from api.engine.filters.values import Mask
from gnn.data.histories import IntArray
from graph.sorting import distinct
from graph.view import GraphView, Side


@dataclass(frozen=True, slots=True)
class Grouping:
    """The groups of N items, one item after the other. Shapes: ``indptr`` (N + 1,), ``group`` (M,).

    Group numbers mean the same for every set of items of one view.
    """

    indptr: IntArray
    group: IntArray

    @property
    def owner(self) -> IntArray:
        """Which of the N items each entry belongs to. Shape (M,)."""
        return np.repeat(np.arange(self.indptr.size - 1, dtype=np.int32), np.diff(self.indptr))

    def of(self, position: int) -> IntArray:
        return self.group[self.indptr[position] : self.indptr[position + 1]]


class Groups:
    """Reads the groups of items. Made for one view."""

    def __init__(self, view: GraphView, by: str, field: str = "by") -> None:
        """
        Raises:
            FilterError: when items have nothing of this name.
        """
        self._view = view
        self._by = by
        self._numbers: dict[Scalar, int] = {}
        try:
            self._meaning = meaning_of(view.schema, Name(by, 1))
        except FilterError as error:
            error.field = field
            raise
        self._first: dict[str, int] = {}
        start = 0
        for node_type in self._meaning.node_types if isinstance(self._meaning, Joined) else ():
            self._first[node_type] = start
            start += view.num_nodes(node_type)

    def of(self, item_index: IntArray) -> Grouping:
        """The groups of some items."""
        lengths, groups = self._read(np.asarray(item_index, np.int32))
        indptr = np.zeros(item_index.size + 1, np.int32)
        np.cumsum(lengths, out=indptr[1:])
        return Grouping(indptr, groups)

    def members(self, groups: list[int]) -> Mask:
        """The items of some groups. Shape (I,)."""
        view = self._view
        if not isinstance(self._meaning, Joined):
            values = [value for value, number in self._numbers.items() if number in set(groups)]
            if not values:
                return np.zeros(view.num_nodes(view.schema.item_type), bool)
            return mask_of(view, Among(Name(self._by, 1), tuple(Value(value, 1) for value in values)))
        mask = np.zeros(view.num_nodes(view.schema.item_type), bool)
        wanted = np.asarray(groups, np.int64)
        for end in self._meaning.ends:
            first, width = self._first[end.node_type], view.num_nodes(end.node_type)
            rows = (wanted[(wanted >= first) & (wanted < first + width)] - first).astype(np.int32)
            side: Side = "in" if end.direction == "out" else "out"
            mask[view.expand(end.spec.edge_type, rows, side).indices] = True
        return mask

    def _read(self, rows: IntArray) -> tuple[IntArray, IntArray]:
        if isinstance(self._meaning, Joined):
            return self._read_joined(self._meaning, rows)
        item_type = self._view.schema.item_type
        lengths, groups = [], []
        for row in rows.tolist():
            if isinstance(self._meaning, ItemProperty):
                value = self._view.properties(item_type, row).get(self._meaning.name)
            else:
                value = self._view.id_of(item_type, row)
            values = value if isinstance(value, list) else [] if value is None else [value]
            distinct = dict.fromkeys(text.lower() if isinstance(text, str) else text for text in values)
            lengths.append(len(distinct))
            groups += [self._numbers.setdefault(text, len(self._numbers)) for text in distinct]
        return np.asarray(lengths, np.int32), np.asarray(groups, np.int32)

    def _read_joined(self, meaning: Joined, rows: IntArray) -> tuple[IntArray, IntArray]:
        owners, groups = [np.empty(0, np.int64)], [np.empty(0, np.int32)]
        for end in meaning.ends:
            step = self._view.expand(end.spec.edge_type, rows, end.direction, distinct=True)
            owners.append(step.owner)
            groups.append(step.indices + np.int32(self._first[end.node_type]))
        owner, group = np.concatenate(owners), np.concatenate(groups)
        pairs = distinct(owner.astype(np.int64) << 32 | group)
        lengths = np.bincount(pairs >> 32, minlength=rows.size)
        return lengths.astype(np.int32), (pairs & 0xFFFFFFFF).astype(np.int32)
