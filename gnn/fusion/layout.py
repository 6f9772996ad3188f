"""Where sources keep what they score with, so that one compiled call makes a history's list of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from gnn import compiled
from gnn.data.histories import FloatArray, Histories, IntArray
from gnn.fusion.features import FeatureSpace
from gnn.fusion.standing import HIGHEST, LOWEST, VIEWS, Barred, bounded, empty_lists
from gnn.operators import (
    ConstantOperator,
    DenseOperator,
    EmbeddingOperator,
    FactorOperator,
    Operator,
    SparseOperator,
    SumOperator,
    add_scores,
    history_scores,
)
from gnn.operators.halves import Table
from gnn.operators.weighed import CONTEXTS, Weighed


@dataclass(frozen=True, slots=True)
class Layout:
    """The parts of sources that compiled loops find by their addresses, and the sources that score by themselves.

    Shapes: ``places`` (P, 12) and ``scales`` (P,); ``powers`` of the length of a history by which parts divide.
    """

    places: npt.NDArray[np.int64]
    scales: FloatArray
    powers: tuple[float, ...]
    others: tuple[tuple[Operator, int, int, bool], ...]
    """With their first reading, how many, and whether they read the order of events."""
    num_readings: int
    num_items: int
    arrays: tuple[npt.NDArray[Any], ...]
    """What lies at the places; it stays for as long as they are read."""

    @classmethod
    def of(cls, operators: Mapping[str, Operator], space: FeatureSpace, num_items: int) -> Layout | None:
        """Of the sources of a space; ``None`` without compiled loops, or where histories have but one reading."""
        if compiled.kernels("listed") is None or len(space.contexts) != CONTEXTS or not num_items:
            return None
        parts, others = _Parts(num_items), []
        for source, first, count in space.blocks:
            operator = operators[source]
            if source in space.sequential or not parts.take(operator, first, count):
                others.append((operator, first, count, source in space.sequential))
        return parts.layout(tuple(others), space.num_readings)

    def listed(
        self,
        histories: Histories,
        barred: Barred,
        limits: tuple[int, int, int],
        linear: FloatArray,
        ends: IntArray,
        k: int,
    ) -> tuple[IntArray, FloatArray, FloatArray]:
        """What :func:`gnn.fusion.standing.listed_at_once` makes of one history's scores, to the last bit."""
        loops = compiled.kernels("listed")
        assert loops is not None
        assert histories.num_items == self.num_items
        weighed = Weighed.of(histories)
        scores = np.zeros((self.num_readings, 1, self.num_items), np.float32)
        for operator, first, count, is_ordered in self.others:
            if is_ordered:
                scores[first] = history_scores(operator, histories)
            else:
                add_scores(operator, weighed, scores[first : first + count])
        lists = empty_lists(1, k, ends.size)
        loops.list_at_once(
            self.places,
            self.scales,
            self._divisors(weighed),
            int(weighed.user_index[0]),
            weighed.indptr,
            weighed.item_index,
            weighed.weight,
            scores,
            barred.indptr,
            barred.item_index,
            barred.shut,
            bounded(limits, self.num_items),
            (LOWEST, HIGHEST),
            linear.reshape(1, self.num_readings, len(VIEWS)),
            ends,
            *lists,
        )
        return lists

    def _divisors(self, weighed: Weighed) -> FloatArray:
        """By what folded rows are divided in each reading. Shape (D, 3)."""
        by = np.empty((len(self.powers), CONTEXTS), np.float32)
        if self.powers:
            total = np.maximum(weighed.totals(CONTEXTS)[:, 0], np.float32(1e-12))
            for at, power in enumerate(self.powers):
                by[at] = total**power
        return by


@dataclass(slots=True)
class _Parts:
    """Parts of sources, put together."""

    num_items: int
    places: list[list[int]] = field(default_factory=list)
    scales: list[float] = field(default_factory=list)
    powers: list[float] = field(default_factory=list)
    arrays: list[npt.NDArray[Any]] = field(default_factory=list)

    def take(self, operator: Operator, first: int, count: int) -> bool:
        """Whether all parts of a source could be taken; else none is."""
        marks = len(self.places), len(self.arrays)
        if self._take(operator, first, count, 1.0):
            return True
        del self.places[marks[0] :], self.scales[marks[0] :], self.arrays[marks[1] :]
        return False

    def layout(self, others: tuple[tuple[Operator, int, int, bool], ...], num_readings: int) -> Layout:
        loops = compiled.kernels("listed")
        assert loops is not None
        rows = [place + [0] * (loops.PLACES - len(place)) for place in self.places]
        places = np.array(rows, np.int64).reshape(len(rows), loops.PLACES)
        return Layout(
            places,
            np.array(self.scales, np.float32),
            tuple(self.powers),
            others,
            num_readings,
            self.num_items,
            tuple(self.arrays),
        )

    def _take(self, operator: Operator, first: int, count: int, scale: float) -> bool:
        if isinstance(operator, SumOperator):
            pairs = zip(operator.parts, operator.coefficients, strict=True)
            return all(self._take(part, first, count, scale * coefficient) for part, coefficient in pairs)
        place = self._place(operator, count)
        if place is None:
            return False
        self.places.append([place[0], first, *place[1:]])
        self.scales.append(scale)
        return True

    def _place(self, operator: Operator, count: int) -> list[int] | None:
        loops = compiled.kernels("listed")
        assert loops is not None
        items = self.num_items
        if isinstance(operator, ConstantOperator):
            score = operator.item_score
            held = score.shape == (items,) and score.dtype == np.float32 and score.flags.c_contiguous
            return [loops.CONSTANT, self._at(score)] if held and count == 1 else None
        if count != CONTEXTS:
            return None
        if isinstance(operator, SparseOperator):
            matrix = self._matrix(operator.item_item, (items, items))
            return None if matrix is None else [loops.SPARSE, *matrix]
        if isinstance(operator, FactorOperator):
            attributes = operator.left.shape[1]
            left = self._matrix(operator.left, (items, attributes))
            right = self._matrix(operator.right, (attributes, items))
            return None if left is None or right is None else [loops.FACTOR, *left, *right, attributes]
        if isinstance(operator, DenseOperator):
            table = self._table(operator.item_item, (items, items))
            return None if table is None else [loops.TABLE, *table]
        return self._embedding(operator) if isinstance(operator, EmbeddingOperator) else None

    def _embedding(self, operator: EmbeddingOperator) -> list[int] | None:
        loops = compiled.kernels("listed")
        assert loops is not None
        width = operator.item_embedding.shape[1]
        fold_in = self._table(operator.fold_in, (self.num_items, width))
        table = self._table(operator.item_embedding, (self.num_items, width))
        if fold_in is None or table is None:
            return None
        own, bias, people = operator.user_residual, operator.item_bias, [0, 0]
        if own is not None:
            found = self._table(own, (len(own), width))
            if found is None or found[1]:
                return None
            people = [found[0], len(own)]
        if bias is not None and not (
            bias.shape == (self.num_items,) and bias.dtype == np.float32 and bias.flags.c_contiguous
        ):
            return None
        divided = self._power(operator.length_power)
        return [loops.EMBEDDING, *fold_in, *table, width, *people, 0 if bias is None else self._at(bias), divided]

    def _power(self, power: float) -> int:
        """Which of the powers it is; -1 for that by which nothing is divided."""
        if power == 0.0:
            return -1
        if power not in self.powers:
            self.powers.append(power)
        return self.powers.index(power)

    def _table(self, table: Table, shape: tuple[int, int]) -> list[int] | None:
        """Its address, and whether it is of halves."""
        if table.shape != shape or table.dtype not in (np.float32, np.float16) or not table.flags.c_contiguous:
            return None
        return [self._at(table), int(table.dtype == np.float16)]

    def _matrix(self, matrix: sp.csr_array, shape: tuple[int, int]) -> list[int] | None:
        """The addresses of where its rows start, of columns and of values."""
        parts = (matrix.indptr, matrix.indices, matrix.data)
        if matrix.shape != shape or [part.dtype for part in parts] != [np.int32, np.int32, np.float32]:
            return None
        return [self._at(part) for part in parts] if all(part.flags.c_contiguous for part in parts) else None

    def _at(self, array: npt.NDArray[Any]) -> int:
        self.arrays.append(array)
        return int(array.ctypes.data)
