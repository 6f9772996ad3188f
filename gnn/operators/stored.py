"""Operators out of the arrays that a release keeps of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from gnn.data.histories import FloatArray
from gnn.operators.halves import Table
from gnn.operators.linear import (
    ConstantOperator,
    DenseOperator,
    EmbeddingOperator,
    FactorOperator,
    SparseOperator,
    SumOperator,
)
from gnn.operators.operator import Arrays, Operator
from gnn.operators.personal import PersonalOperator
from gnn.operators.sequences import SequenceOperator
from gnn.operators.sets import SetOperator
from graph.errors import ReleaseError


def operator_from_arrays(kind: str, arrays: Mapping[str, npt.NDArray[np.generic]]) -> Operator:
    """The operator that :meth:`Operator.arrays` described.

    Raises:
        ReleaseError: for an unknown kind, or arrays that are missing or do not fit together.
    """
    try:
        if kind == "sparse":
            return SparseOperator(_csr(arrays, "", arrays["indptr"].size - 1))
        if kind == "factor":
            num_items = arrays["left_indptr"].size - 1
            num_attributes = arrays["right_indptr"].size - 1
            return FactorOperator(_csr(arrays, "left_", num_attributes), _csr(arrays, "right_", num_items))
        if kind == "dense":
            return DenseOperator(_table(arrays["item_item"]))
        if kind == "constant":
            return ConstantOperator(_floats(arrays["item_score"]), float(arrays.get("late_score", 0.0)))
        if kind == "embedding":
            return EmbeddingOperator(
                _table(arrays["item_embedding"]),
                _table(arrays["fold_in"]),
                _floats(arrays["user_residual"]) if "user_residual" in arrays else None,
                _floats(arrays["item_bias"]) if "item_bias" in arrays else None,
                float(arrays["length_power"][0]),
                _table(arrays["alone"]) if "alone" in arrays else None,
            )
        if kind == "sum":
            return _sum(arrays)
        if kind == PersonalOperator.kind:
            return PersonalOperator(_floats(arrays["item_score"]), float(arrays["decay"][0]))
        if kind == SequenceOperator.kind:
            return SequenceOperator.from_arrays(arrays)
        if kind == SetOperator.kind:
            return SetOperator.from_arrays(arrays)
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise ReleaseError("an operator's arrays do not fit together", got=error, where=kind) from error
    raise ReleaseError("unknown kind of operator", expected="one this version can serve", got=kind)


def _sum(arrays: Mapping[str, npt.NDArray[np.generic]]) -> SumOperator:
    coefficients = tuple(float(value) for value in arrays["coefficients"].tolist())
    named: list[Arrays] = [{} for _ in coefficients]
    kinds = [""] * len(coefficients)
    for key in sorted(arrays.keys() - {"coefficients"}):
        number, part_kind, name = key.split("_", 2)
        kinds[int(number)] = part_kind
        named[int(number)][name] = arrays[key]
    parts = tuple(operator_from_arrays(part_kind, part) for part_kind, part in zip(kinds, named, strict=True))
    return SumOperator(parts, coefficients)


def _floats(array: npt.NDArray[np.generic]) -> FloatArray:
    """The array as float32; a mapped one stays mapped."""
    return np.asarray(array, np.float32)


def _table(array: npt.NDArray[np.generic]) -> Table:
    """The array in half precision where it is, else as float32; a mapped one stays mapped."""
    return cast(Table, array) if array.dtype == np.float16 else _floats(array)


def _csr(arrays: Mapping[str, npt.NDArray[np.generic]], prefix: str, num_columns: int) -> sp.csr_array:
    indptr = arrays[f"{prefix}indptr"]
    indices = arrays[f"{prefix}indices"]
    if indices.dtype == np.int32 and indices.size < np.iinfo(np.int32).max:
        indptr = indptr.astype(np.int32)  # else scipy widens the column numbers, in memory instead of on the disk
    return sp.csr_array((arrays[f"{prefix}data"], indices, indptr), shape=(indptr.size - 1, num_columns))
