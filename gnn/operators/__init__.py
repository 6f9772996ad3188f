"""The numpy side of a model: what scores all items from a history, and what an answer is made of."""

from __future__ import annotations

from gnn.operators.linear import (
    ConstantOperator,
    DenseOperator,
    EmbeddingOperator,
    FactorOperator,
    SparseOperator,
    SumOperator,
)
from gnn.operators.operator import (
    Arrays,
    Operator,
    OperatorRanker,
    OrderedOperator,
    add_scores,
    add_stacked,
    history_scores,
)
from gnn.operators.stored import operator_from_arrays

__all__ = [
    "Arrays",
    "ConstantOperator",
    "DenseOperator",
    "EmbeddingOperator",
    "FactorOperator",
    "Operator",
    "OperatorRanker",
    "OrderedOperator",
    "SparseOperator",
    "SumOperator",
    "add_scores",
    "add_stacked",
    "history_scores",
    "operator_from_arrays",
]
