"""A scan over vectors of small integers: sixteen rows at once by the processor's own dot product of bytes.

Needs AVX-512 VNNI; :func:`has_vnni` says whether this machine has it. Import it through :mod:`gnn.operators.nearest`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from graph.compiled.kernel import kernel

LANES = 16
"""Rows of one block: as many as 32-bit sums fit in a register."""


def has_vnni() -> bool:
    """Whether the processor multiplies and adds bytes in one step."""
    features = binding.get_host_cpu_features()
    return bool(features.get("avx512vnni", False) and features.get("avx512f", False))


@intrinsic
def _block_maximum(typing_context: Any, codes: Any, block: Any, query: Any, groups: Any) -> Any:  # pragma: no cover
    """The largest of the sixteen dot products of one block. ``codes`` uint8, ``query`` int32 of four int8 each."""
    signature = types.int32(codes, types.int64, query, types.int64)

    def generate(context: Any, builder: Any, called: Any, arguments: Any) -> Any:
        codes_value, block_value, query_value, groups_value = arguments
        vector = ir.VectorType(ir.IntType(32), LANES)
        data = context.make_array(called.args[0])(context, builder, value=codes_value).data
        asked = context.make_array(called.args[2])(context, builder, value=query_value).data
        rows = builder.bitcast(data, vector.as_pointer())
        dot = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(vector, [vector] * 3), "llvm.x86.avx512.vpdpbusd.512"
        )
        largest = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.IntType(32), [vector]), "llvm.vector.reduce.smax.v16i32"
        )
        total = cgutils.alloca_once_value(builder, ir.Constant(vector, None))
        first = builder.mul(block_value, groups_value)
        with cgutils.for_range(builder, groups_value, intp=ir.IntType(64)) as loop:
            four = builder.load(builder.gep(asked, [loop.index]))
            undefined = ir.Constant(vector, ir.Undefined)
            one = builder.insert_element(undefined, four, ir.Constant(ir.IntType(32), 0))
            everywhere = builder.shuffle_vector(
                one, undefined, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
            )
            load = builder.load(builder.gep(rows, [builder.add(first, loop.index)]))
            load.align = 1
            builder.store(builder.call(dot, [builder.load(total), load, everywhere]), total)
        return builder.call(largest, [builder.load(total)])

    return signature, generate


@kernel(nogil=True, parallel=True)
def block_maxima(codes: Any, query: Any, groups: Any, out: Any, chunks: Any) -> None:  # pragma: no cover
    """Writes the largest dot product of each block of sixteen rows."""
    blocks = out.size
    for chunk in prange(chunks):
        for block in range(chunk * blocks // chunks, (chunk + 1) * blocks // chunks):
            out[block] = _block_maximum(codes, np.int64(block), query, np.int64(groups))


@kernel(nogil=True)
def block_maxima_alone(codes: Any, query: Any, groups: Any, out: Any) -> None:  # pragma: no cover
    """The same on one core, for what waking another would take longer than."""
    for block in range(out.size):
        out[block] = _block_maximum(codes, np.int64(block), query, np.int64(groups))


@kernel(nogil=True, fastmath=True)
def dots(vectors: Any, rows: Any, query: Any, out: Any) -> None:  # pragma: no cover
    """Writes the exact dot product of some rows."""
    for at in range(rows.size):
        total = np.float32(0.0)
        row = rows[at]
        for column in range(query.size):
            total += vectors[row, column] * query[column]
        out[at] = total
