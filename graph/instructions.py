"""Instructions that numba has no word for, for the compiled loops of every room.

Import it from modules of compiled loops alone, which :mod:`graph.compiled` leaves aside where numba is not installed.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


@intrinsic
def fetch(typing_context: Any, array: Any, at: Any) -> Any:  # pragma: no cover
    """Asks memory for the line of ``array[at]``, an array in rows, without waiting; a place behind it does no harm."""
    signature = types.void(array, types.int64)

    def generate(context: Any, builder: Any, called: Any, arguments: Any) -> Any:
        whole, offset = arguments
        start = builder.gep(context.make_array(called.args[0])(context, builder, value=whole).data, [offset])
        byte, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
        to_read, keep, into_data = (ir.Constant(flag, value) for value in (0, 3, 1))
        builder.call(prefetch, [builder.bitcast(start, byte), to_read, keep, into_data])
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def lowest_bit(typing_context: Any, word: Any) -> Any:  # pragma: no cover
    """The place of the lowest bit of a word that has one."""

    def generate(context: Any, builder: Any, called: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], context.get_constant(types.boolean, True))

    return types.uint64(types.uint64), generate
