"""Operators as they are released: tables in half precision, and what a small shop reads faster as a table.

It is done once, when a model is fitted (:mod:`gnn.experiment.fitting`), so that notebook, evaluation, release and
service read the same numbers. ``docs/decisions/0032`` has the reasons and the figures.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from gnn.data.histories import FloatArray
from gnn.operators import DenseOperator, EmbeddingOperator, FactorOperator, Operator, SparseOperator, SumOperator
from gnn.operators.halves import Table, halved

FULL = 0.25
"""From so full on a sparse matrix, with eight bytes to an entry, is larger than a table in half precision."""
FEW_ITEMS = 4_096
"""Up to so many items a table of all pairs is made where there was none: 33 MB at most, of which an answer reads the
rows of its history's items.
"""


def as_released(operator: Operator) -> Operator:
    """The operator in the form it is kept, released and asked in; one that is in that form already stays."""
    if isinstance(operator, SumOperator):
        return _in_one(replace(operator, parts=tuple(as_released(_in_fewer_bytes(part)) for part in operator.parts)))
    if isinstance(operator, FactorOperator):
        return _multiplied(operator)
    if isinstance(operator, DenseOperator):
        return replace(operator, item_item=halved(operator.item_item))
    if isinstance(operator, EmbeddingOperator):
        rounded = replace(operator, item_embedding=halved(operator.item_embedding), fold_in=halved(operator.fold_in))
        return rounded if rounded.alone is not None else replace(rounded, alone=_of_one_item(rounded))
    return operator


def _in_fewer_bytes(operator: Operator) -> Operator:
    """A matrix that is so full that a half for every pair takes less than four times as much for some, as a table.

    Its rows are then read from end to end, many numbers at once. Only for what is part of a sum, which nobody asks for
    neighbours.
    """
    if not isinstance(operator, SparseOperator) or operator.item_item.nnz < FULL * np.prod(operator.item_item.shape):
        return operator
    return _table_or(operator, np.asarray(operator.item_item.toarray(), np.float32))


def _multiplied(operator: FactorOperator) -> Operator:
    """A walk of two steps as a table, where the way from an item is a quarter as many edges as there are items."""
    num_items, num_attributes = operator.left.shape
    steps = np.bincount(operator.left.indices, minlength=num_attributes) @ np.diff(operator.right.indptr)
    if num_items > FEW_ITEMS or steps < FULL * num_items**2:
        return operator
    product = sp.csr_array(operator.left @ operator.right)
    if product.nnz < FULL * num_items**2:
        return operator
    return _table_or(operator, np.asarray(product.toarray(), np.float32))


def _in_one(whole: SumOperator) -> Operator:
    """A sum that has a table among its parts as one table, where no part depends on more than which items there are."""
    tables = [part.item_item for part in whole.parts if isinstance(part, DenseOperator)]
    if not tables or not all(map(_is_linear, whole.parts)):
        return whole
    return _table_or(whole, _pairs(whole, len(tables[0])))


def _of_one_item(operator: EmbeddingOperator) -> Table | None:
    """The scores of a history of one item, for every item, where there are few. Shape (I, I)."""
    if len(operator.item_embedding) > FEW_ITEMS:
        return None
    table = halved(_pairs(operator, len(operator.item_embedding)))
    return table if table.dtype == np.float16 else None


def _is_linear(operator: Operator) -> bool:
    """Whether a history's scores are the sum of its items' own, of whoever it is."""
    if isinstance(operator, EmbeddingOperator):
        return operator.length_power == 0.0 and operator.user_residual is None and operator.item_bias is None
    return isinstance(operator, SparseOperator | DenseOperator | FactorOperator)


def _pairs(operator: Operator, num_items: int) -> FloatArray:
    """What a history of one item scores every item. Shape (I, I)."""
    return operator.score(sp.eye_array(num_items, dtype=np.float32, format="csr"))


def _table_or(operator: Operator, pairs: FloatArray) -> Operator:
    """The table in half precision in the operator's place, where it bears it."""
    table = halved(pairs)
    return DenseOperator(table) if table.dtype == np.float16 else operator
