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


_WITHOUT_COPIES = -0x70002000
"""The sign of a half, extended, is in three bits too many of what becomes a float; this mask takes them out."""


@intrinsic
def number(typing_context: Any, entry: Any) -> Any:  # pragma: no cover
    """An entry of a table as a float: itself, or of an ``int16`` the number whose bits in half precision it holds.

    What is not infinite keeps its exponent and mantissa, shifted. Every processor shifts many integers at once; not
    every one widens halves, and LLVM calls a function where it does not.
    """
    if isinstance(entry, types.Float):
        return types.float32(types.float32), lambda context, builder, called, arguments: arguments[0]

    def generate(context: Any, builder: Any, called: Any, arguments: Any) -> Any:
        wide, single = ir.IntType(32), ir.FloatType()
        shifted = builder.shl(builder.sext(arguments[0], wide), ir.Constant(wide, 13))
        small = builder.bitcast(builder.and_(shifted, ir.Constant(wide, _WITHOUT_COPIES)), single)
        return builder.fmul(small, ir.Constant(single, 2.0**112))

    return types.float32(types.int16), generate
