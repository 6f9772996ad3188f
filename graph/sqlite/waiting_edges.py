"""Edges of a load that wait to be written until there are many, in the order of the table's key.

The table of edges is ordered by source, and files come in order of time: a block of them touches most pages of a large
table. What waits is written in runs of neighbouring rows, each of which touches its own pages alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from graph.sorting import stable_order
from graph.sqlite.edge_writing import EdgeRows

Packed = dict[str, npt.NDArray[Any]]

_TEXT_BYTES = 64
"""What a text is taken to need, beside its pointer."""


class WaitingEdges:
    """Edges in columns; of each type all rows have the same columns, and the same weight where it is none of them."""

    def __init__(self) -> None:
        self.memory = 0
        """Bytes, about, of what was added since there were none."""
        self._parts: dict[int, list[Packed]] = {}
        self._weight: dict[int, float] = {}
        self._ordered = set[int]()

    @property
    def rows(self) -> int:
        """How many wait."""
        return sum(part["source"].size for parts in self._parts.values() for part in parts)

    def takes(self, edges: EdgeRows) -> bool:
        """Whether these can wait behind the others of their type."""
        if edges.patches is not None:
            return False
        parts = self._parts.get(edges.edge_type)
        return parts is None or (
            list(parts[0]) == list(edges.columns) and self._weight[edges.edge_type] == edges.weight
        )

    def add(self, edges: EdgeRows) -> None:
        """Nothing; rows that :meth:`takes` are the last of their type."""
        self._add(edges.edge_type, edges.weight, {name: _packed(name, cells) for name, cells in edges.columns.items()})

    def add_all(self, others: WaitingEdges) -> None:
        """Nothing; the others wait here as well, behind those of their types, which fit them."""
        for edge_type, parts in others._parts.items():
            for part in parts:
                self._add(edge_type, others._weight[edge_type], part)

    def keep(self, nodes: npt.NDArray[np.int64]) -> None:
        """Nothing; edges stay whose ends are among these nodes. Shape (N,)."""
        for edge_type, parts in list(self._parts.items()):
            for part in parts:
                stay = np.isin(part["source"], nodes) & np.isin(part["target"], nodes)
                part.update({name: column[stay] for name, column in part.items()})
            self._put(edge_type, parts)

    def next_run(self, rows: int) -> EdgeRows:
        """At most so many of one type, in order of source and target, of equals the earlier first; they wait no more.

        Nothing is added until none are left.
        """
        edge_type, parts = next(iter(self._parts.items()))
        if edge_type not in self._ordered:
            columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
            order = stable_order(columns["target"], columns["source"])
            parts[:] = [{name: column[order] for name, column in columns.items()}]
            self._ordered.add(edge_type)
        run = {name: column[:rows].tolist() for name, column in parts[0].items()}
        self._put(edge_type, [{name: column[rows:] for name, column in parts[0].items()}])
        return EdgeRows(edge_type, run, self._weight[edge_type])

    def _put(self, edge_type: int, parts: list[Packed]) -> None:
        """Nothing; these wait, of their type alone; a type of which nothing is left is forgotten."""
        self._parts[edge_type] = [part for part in parts if part["source"].size]
        if not self._parts[edge_type]:
            del self._parts[edge_type]
            self._ordered.discard(edge_type)
            self.memory *= bool(self._parts)

    def _add(self, edge_type: int, weight: float, part: Packed) -> None:
        texts = sum(column.size for column in part.values() if column.dtype == object)
        self.memory += sum(column.nbytes for column in part.values()) + _TEXT_BYTES * texts
        self._weight[edge_type] = weight
        if part["source"].size:
            self._parts.setdefault(edge_type, []).append(part)


def _packed(name: str, column: list[Any]) -> npt.NDArray[Any]:
    if name in ("source", "target") or (name == "timestamp_ms" and None not in column):
        return np.array(column, np.int64)
    return np.array(column, np.float64 if name == "weight" else object)
