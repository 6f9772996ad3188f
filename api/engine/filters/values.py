"""What a literal means for a property, and which of a column's values it fits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from api.engine.filters.names import ItemProperty
from api.engine.filters.syntax import Comparison, Value
from api.engine.filters.tokens import FilterError
from graph.schema import PropertyKind

Mask: TypeAlias = npt.NDArray[np.bool_]
Test: TypeAlias = Callable[[pa.Array], Mask]
"""Which rows of a column fit. Shape (N,) → (N,); a row without a value never does."""

_EQUALITY = ("=", "!=")
_COMPARE: dict[Comparison, Callable[[pa.Array, pa.Scalar], pa.Array]] = {
    "=": pc.equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}
_EXPECTED = {
    PropertyKind.STRING: 'text in quotes, e.g. "Nivea"',
    PropertyKind.STRINGS: 'text in quotes, e.g. "Nivea"',
    PropertyKind.INTEGER: "a number",
    PropertyKind.NUMBER: "a number",
    PropertyKind.BOOLEAN: "true or false",
    PropertyKind.TIMESTAMP: 'a date, e.g. "2026-11-25" or "2026-11-25T08:00:00Z", or seconds since 1970',
}


def comparing(meant: ItemProperty, comparison: Comparison, value: Value) -> Test:
    """The test of ``property comparison value``; ``!=`` is left to the caller, who negates ``=``.

    Raises:
        FilterError: when the value is not of the property's kind, or the kind has no order.
    """
    if comparison not in _EQUALITY and meant.kind in (
        PropertyKind.STRING,
        PropertyKind.STRINGS,
        PropertyKind.BOOLEAN,
    ):
        raise FilterError(f"{meant.name} has no order", column=value.column, expected="= or != or in", got=comparison)
    if comparison in _EQUALITY:
        return among(meant, (value,))
    compare, scalar = _COMPARE[comparison], _scalar(meant, value)
    return lambda column: _mask(compare(column, pa.scalar(scalar)))


def among(meant: ItemProperty, values: tuple[Value, ...]) -> Test:
    """The test of ``property in (values)``; text is compared without regard to case, a list by any of its texts."""
    scalars = [_scalar(meant, value) for value in values]
    if meant.kind is PropertyKind.STRINGS:
        return lambda column: _any_text(column, scalars)
    if meant.kind is PropertyKind.STRING:
        return text_among([str(scalar) for scalar in scalars])
    return lambda column: _any_number(column, scalars)


def text_among(texts: list[str]) -> Test:
    """The test of a text column against some texts, without regard to case."""
    wanted = lowered(texts)
    return lambda column: _mask(pc.is_in(pc.utf8_lower(column), value_set=wanted))


def lowered(texts: list[str]) -> pa.Array:
    """The texts in lower case, by the same rules as a column's."""
    return pc.utf8_lower(pa.array(texts, pa.string()))


def present(column: pa.Array) -> Mask:
    """Which rows have a value; an empty list is none."""
    return _mask(pc.greater(pc.list_value_length(column), 0) if pa.types.is_list(column.type) else pc.is_valid(column))


def _mask(fits: pa.Array) -> Mask:
    return np.asarray(pc.fill_null(fits, False).to_numpy(zero_copy_only=False), bool)


def _any_text(column: pa.Array, texts: list[object]) -> Mask:
    fits = text_among([str(text) for text in texts])(pc.list_flatten(column))
    rows = pc.list_parent_indices(column).to_numpy(zero_copy_only=False)[fits]
    return np.asarray(np.bincount(rows, minlength=len(column)) > 0)


def _any_number(column: pa.Array, scalars: list[object]) -> Mask:
    fits = np.zeros(len(column), bool)
    for scalar in scalars:
        fits |= _mask(pc.equal(column, pa.scalar(scalar)))
    return fits


def _scalar(meant: ItemProperty, value: Value) -> object:
    scalar, kind = value.scalar, meant.kind
    if kind in (PropertyKind.STRING, PropertyKind.STRINGS):
        if isinstance(scalar, str):
            return scalar
    elif kind is PropertyKind.BOOLEAN:
        if isinstance(scalar, bool):
            return scalar
    elif not isinstance(scalar, (bool, str)):
        number = scalar * 1000 if kind is PropertyKind.TIMESTAMP else scalar
        return number if isinstance(number, int) and -(2**63) <= number < 2**63 else float(number)
    elif kind is PropertyKind.TIMESTAMP and isinstance(scalar, str):
        milliseconds = _milliseconds(scalar)
        if milliseconds is not None:
            return milliseconds
    raise FilterError(
        f"{meant.name} does not compare with this", column=value.column, expected=_EXPECTED[kind], got=repr(scalar)
    )


def _milliseconds(text: str) -> int | None:
    """A date (midnight in UTC) or a moment with its time zone, in milliseconds since 1970."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        if len(text) > len("2026-11-25"):
            return None
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)
