"""Instructions that numba has no word for, for the compiled loops of every room.

Import it from modules of compiled loops alone, which :mod:`graph.compiled` leaves aside where numba is not installed.
"""

from __future__ import annotations

from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.extending import intrinsic


def element(context: Any, builder: Any, kind: Any, array: Any, at: Any, seen_as: Any) -> Any:  # pragma: no cover
    """For an intrinsic: the address of ``array[at]``, an array in rows of a numba type, as that of another type."""
    start = builder.gep(context.make_array(kind)(context, builder, value=array).data, [at])
    return builder.bitcast(start, seen_as.as_pointer())


def everywhere(builder: Any, number: Any, count: int) -> Any:  # pragma: no cover
    """For an intrinsic: a vector of so many times the same number."""
    undefined, word = ir.Constant(ir.VectorType(number.type, count), ir.Undefined), ir.IntType(32)
    one = builder.insert_element(undefined, number, ir.Constant(word, 0))
    return builder.shuffle_vector(one, undefined, ir.Constant(ir.VectorType(word, count), [0] * count))


@intrinsic
def fetch(typing_context: Any, array: Any, at: Any) -> Any:  # pragma: no cover
    """Asks memory for the line of ``array[at]``, an array in rows, without waiting; a place behind it does no harm."""
    signature = types.void(array, types.int64)

    def generate(context: Any, builder: Any, called: Any, arguments: Any) -> Any:
        byte, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
        whole, at = arguments
        place = element(context, builder, called.args[0], whole, at, ir.IntType(8))
        kind = ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
        to_read, keep, into_data = (ir.Constant(flag, value) for value in (0, 3, 1))
        builder.call(prefetch, [place, to_read, keep, into_data])
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def lowest_bit(typing_context: Any, word: Any) -> Any:  # pragma: no cover
    """The place of the lowest bit of a word; 64 where it has none."""

    def generate(context: Any, builder: Any, called: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], context.get_constant(types.boolean, False))

    return types.uint64(types.uint64), generate


@intrinsic
def bits_set(typing_context: Any, word: Any) -> Any:  # pragma: no cover
    """How many bits of a word are set."""

    def generate(context: Any, builder: Any, called: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), generate


@intrinsic
def at_address(typing_context: Any, address: Any) -> Any:  # pragma: no cover
    """A place in memory by its address, for :func:`numba.carray`; whoever asks keeps what lies there alive."""

    def generate(context: Any, builder: Any, called: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())

    return types.voidptr(types.int64), generate


_WITHOUT_COPIES = -0x70002000
"""The sign of a half, extended, is in three bits too many of what becomes a float; this mask takes them out."""


@intrinsic
def number(typing_context: Any, entry: Any) -> Any:  # pragma: no cover
    """An entry of a table as a float: itself, or of an ``int16`` the number whose bits in half precision it holds.

    What is infinite is not told apart where the processor has no instruction for it.
    """
    if isinstance(entry, types.Float):
        return types.float32(types.float32), lambda context, builder, called, arguments: arguments[0]
    return types.float32(types.int16), _widened if _has_halves() else _shifted


@intrinsic
def number_by_shifts(typing_context: Any, entry: Any) -> Any:  # pragma: no cover
    """:func:`number` of an ``int16`` as where the processor has no instruction for it."""
    return types.float32(types.int16), _shifted


def _has_halves() -> bool:
    """Whether the processor widens halves; where it does not, LLVM would call a function that is not there."""
    return bool(binding.get_host_cpu_features().get("f16c", False))


def _widened(context: Any, builder: Any, called: Any, arguments: Any) -> Any:  # pragma: no cover
    return builder.fpext(builder.bitcast(arguments[0], ir.HalfType()), ir.FloatType())


def _shifted(context: Any, builder: Any, called: Any, arguments: Any) -> Any:  # pragma: no cover
    """What is not infinite keeps its exponent and mantissa, shifted; every processor does so many at once."""
    wide, single = ir.IntType(32), ir.FloatType()
    shifted = builder.shl(builder.sext(arguments[0], wide), ir.Constant(wide, 13))
    small = builder.bitcast(builder.and_(shifted, ir.Constant(wide, _WITHOUT_COPIES)), single)
    return builder.fmul(small, ir.Constant(single, 2.0**112))
