"""Numbers, integers and booleans from text or from a file's own types, with the rows that are none."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest.readers.rows import Bools
from ingest.validation.frame import as_text, bools

_NUMBER = r"^[ \t]*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?[ \t]*$"
_INTEGER = r"^[ \t]*[+-]?[0-9]{1,18}[ \t]*$"
_TRUE = ("true", "t", "yes", "y", "1")
_FALSE = ("false", "f", "no", "n", "0")


def numbers(values: pa.Array) -> tuple[pa.Array, Bools]:
    """Finite float64 (null where empty or bad), and which rows hold something that is no finite number."""
    if pa.types.is_integer(values.type) or pa.types.is_floating(values.type) or pa.types.is_decimal(values.type):
        result = values.cast(pa.float64(), safe=False)
    else:
        text = as_text(values)
        shaped = bools(pc.match_substring_regex(text, pattern=_NUMBER))
        if not shaped.all():
            text = pc.if_else(pa.array(shaped), text, pa.scalar(None, pa.string()))
        result = pc.utf8_trim_whitespace(pc.utf8_ltrim(text, characters=" \t+")).cast(pa.float64())
    infinite = ~bools(pc.is_finite(result))
    if infinite.any():
        result = pc.if_else(pa.array(~infinite), result, pa.scalar(None, pa.float64()))
    return result, _bad(values, result)


def integers(values: pa.Array) -> tuple[pa.Array, Bools]:
    """Int64 (null where empty or bad), and which rows are no whole number; ``12.0`` is 12."""
    if pa.types.is_integer(values.type) and values.type != pa.uint64():
        return values.cast(pa.int64()), np.zeros(len(values), dtype=np.bool_)
    text = as_text(values)
    shaped = bools(pc.match_substring_regex(text, pattern=_INTEGER))
    plain = pc.if_else(pa.array(shaped), text, pa.scalar(None, pa.string()))
    result = pc.utf8_trim_whitespace(pc.utf8_ltrim(plain, characters=" \t+")).cast(pa.int64())
    if not shaped.all():
        floats, _ = numbers(values)
        # Beyond 2**53 a float no longer tells neighbouring integers apart.
        whole = pc.and_(pc.equal(floats, pc.floor(floats)), pc.less(pc.abs(floats), float(2**53)))
        usable = pc.if_else(pc.fill_null(whole, False), floats, pa.scalar(None, pa.float64()))
        result = pc.coalesce(result, usable.cast(pa.int64()))
    return result, _bad(values, result)


def booleans(values: pa.Array) -> tuple[pa.Array, Bools]:
    """Booleans (null where empty or bad), and which rows are neither true nor false."""
    if pa.types.is_boolean(values.type):
        return values, np.zeros(len(values), dtype=np.bool_)
    text = pc.utf8_lower(pc.utf8_trim_whitespace(as_text(values)))
    true = pc.is_in(text, value_set=pa.array(_TRUE))
    false = pc.is_in(text, value_set=pa.array(_FALSE))
    result = pc.if_else(true, True, pc.if_else(false, False, pa.scalar(None, pa.bool_())))
    return result, _bad(values, result)


def _bad(values: pa.Array, result: pa.Array) -> Bools:
    return bools(pc.and_(values.is_valid(), result.is_null()))
