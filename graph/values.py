"""What every store accepts: checked columns of a mutation, and properties in canonical JSON."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from math import isfinite
from typing import Any, NoReturn

from graph.errors import InputError, SchemaError
from graph.records import DeleteEdges, Properties, UpsertEdges, Value
from graph.schema import PropertyKind

MAX_ID_CHARS = 512
_INT64 = range(-(2**63), 2**63)


def column_list(column: Iterable[Any], what: str, rows: int | None = None) -> list[Any]:
    """The column's values as a list of plain Python objects; numpy and Arrow columns are unpacked.

    Raises:
        InputError: when it is a single string, or not ``rows`` long.
    """
    if isinstance(column, (str, bytes)):
        raise InputError(f"{what} cannot be used", expected="a sequence of values", got=column)
    unpack = getattr(column, "to_pylist", None) or getattr(column, "tolist", None)
    values = unpack() if unpack is not None else list(column)
    if rows is not None and len(values) != rows:
        raise InputError(f"{what} does not fit the other columns", expected=f"{rows} rows", got=len(values))
    return values if isinstance(values, list) else [values]


def id_list(column: Iterable[Any], what: str, rows: int | None = None) -> list[str]:
    """The column as a list of exact ``str``; contents are checked by :func:`check_ids`."""
    values = column_list(column, what, rows)
    if not set(map(type, values)) <= {str}:
        for row, value in enumerate(values):
            if not isinstance(value, str):
                raise InputError(f"a {what} cannot be stored", expected="a string", got=value, where=f"row {row}")
        return [str.__str__(value) for value in values]
    return values


def edge_ids(mutation: UpsertEdges | DeleteEdges) -> tuple[list[str], list[str], list[str] | None]:
    """The ids of sources and targets, for the caller to check, and the qualifiers, checked, where there are any."""
    sources = id_list(mutation.source_ids, "source id")
    targets = id_list(mutation.target_ids, "target id", len(sources))
    if mutation.qualifiers is None:
        return sources, targets, None
    qualifiers = id_list(mutation.qualifiers, "qualifier", len(sources))
    check_ids(set(qualifiers), "qualifier", empty_allowed=True)
    return sources, targets, qualifiers


def check_ids(distinct: Iterable[str], what: str, *, empty_allowed: bool = False) -> None:
    """Nothing, when every id can be stored: 1 to 512 characters, valid Unicode, no NUL.

    Raises:
        InputError: names the first id that cannot.
    """
    distinct = distinct if isinstance(distinct, (set, frozenset, list, tuple, dict)) else list(distinct)
    if not distinct:
        return
    # One look at all of them joined is many times faster than one look at each.
    fits = max(map(len, distinct)) <= MAX_ID_CHARS and (empty_allowed or "" not in distinct)
    if fits and is_storable("".join(distinct)):
        return
    for text in distinct:
        if not text and not empty_allowed:
            raise InputError(f"a {what} is empty", expected="at least one character")
        if len(text) > MAX_ID_CHARS:
            raise InputError(f"a {what} is too long", expected=f"at most {MAX_ID_CHARS} characters", got=text)
        if not is_storable(text):
            _refuse_text(text, f"a {what}")


def weight_list(weight: Iterable[Any] | float, rows: int) -> list[float] | float:
    """The weights as finite floats: a list, or the scalar that holds for every row."""
    if not isinstance(weight, Iterable):
        return _number(weight, "a weight")
    values = column_list(weight, "weight", rows)
    kinds = set(map(type, values))
    if kinds <= {float} and all(map(isfinite, values)):
        return values
    return [_number(value, "a weight") for value in values]


def timestamp_list(timestamp_ms: Iterable[Any] | None, rows: int) -> list[int | None] | None:
    """The times as integer milliseconds or None; ``None`` when no row has one."""
    if timestamp_ms is None:
        return None
    values = column_list(timestamp_ms, "timestamp_ms", rows)
    if not set(map(type, values)) <= {int, type(None)}:
        values = [None if value is None else _integer(value, "a timestamp_ms") for value in values]
    known = [value for value in values if value is not None]
    if not known:
        return None
    for value in (min(known), max(known)):
        _integer(value, "a timestamp_ms")
    return values


def checked_properties(kinds: Mapping[str, PropertyKind], properties: Properties, where: str) -> dict[str, Value]:
    """The properties with each value checked and brought to its kind's plain form; None stays.

    Raises:
        SchemaError: for a property the type does not have.
        InputError: for a value of another kind, or one that cannot be stored.
    """
    checked: dict[str, Value] = {}
    for name, value in properties.items():
        kind = kinds.get(name)
        if kind is None:
            raise SchemaError(
                "unknown property",
                expected="one of " + (", ".join(kinds) or "none: the type has no properties"),
                got=name,
                where=where,
            )
        checked[name] = None if value is None else _PLAIN[kind](value, f"property {name} of {where}")
    return checked


def canonical_json(properties: Properties) -> str | None:
    """The properties that are not None as JSON with sorted keys, the same text for the same content.

    None when nothing is left, so that a store can keep nothing.
    """
    present = {name: value for name, value in properties.items() if value is not None}
    return _dumps(present) if present else None


def _dumps(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def loaded_properties(text: str | None) -> dict[str, Value]:
    """The properties in canonical JSON ``text``; none when it is None."""
    properties: dict[str, Value] = {} if text is None else json.loads(text)
    return properties


def patch_json(properties: Properties) -> str | None:
    """The properties as canonical JSON with the Nones that remove a property kept as ``null``."""
    return _dumps(dict(properties)) if properties else None


def merged_json(stored: str | None, patch: str | None) -> str | None:
    """What canonical JSON ``stored`` becomes when ``patch`` (of :func:`patch_json`) is merged into it."""
    if patch is None or patch == stored:
        return stored
    merged = json.loads(stored) if stored is not None else {}
    merged.update(json.loads(patch))
    return canonical_json(merged)


def is_storable(text: str) -> bool:
    """Whether a store can hold the text: valid Unicode, no NUL."""
    return "\0" not in text and (text.isascii() or _is_unicode(text))


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse(what: str, expected: str, value: object) -> NoReturn:
    raise InputError(f"{what} cannot be stored", expected=expected, got=repr(value))


def _refuse_text(text: str, what: str) -> NoReturn:
    _refuse(what, "Unicode text without NUL or lone surrogates", text)


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        _refuse(what, "a string", value)
    if not is_storable(value):
        _refuse_text(value, what)
    return str.__str__(value)


def _integer(value: object, what: str) -> int:
    if not isinstance(value, bool):
        try:
            number = operator.index(value)  # type: ignore[arg-type]  # a TypeError is the answer we ask for
        except TypeError:
            pass
        else:
            if number in _INT64:
                return number
    _refuse(what, "a 64-bit integer", value)


def _number(value: object, what: str) -> float:
    # numpy's scalars say what they are through __float__; text does not have it.
    if not isinstance(value, bool) and hasattr(value, "__float__"):
        try:
            number = float(value)
        except (OverflowError, TypeError, ValueError):
            pass
        else:
            if isfinite(number):
                return number + 0.0  # -0.0 becomes 0.0: equal numbers, equal bytes
    _refuse(what, "a finite number", value)


def _boolean(value: object, what: str) -> bool:
    if isinstance(value, bool):
        return value
    if type(value).__name__ in ("bool", "bool_") and hasattr(value, "item"):
        return bool(value)  # a numpy boolean
    _refuse(what, "true or false", value)


def _strings(value: object, what: str) -> list[str]:
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        _refuse(what, "a list of strings", value)
    return [_text(entry, what) for entry in value]


_PLAIN: Mapping[PropertyKind, Callable[[object, str], Value]] = {
    PropertyKind.STRING: _text,
    PropertyKind.INTEGER: _integer,
    PropertyKind.NUMBER: _number,
    PropertyKind.BOOLEAN: _boolean,
    PropertyKind.TIMESTAMP: _integer,
    PropertyKind.STRINGS: _strings,
}


def text_values(properties: Properties) -> Sequence[str]:
    """Every text in the properties, in the order of their names."""
    texts = ([value] if isinstance(value, str) else value for _, value in sorted(properties.items()))
    return list(chain.from_iterable(text for text in texts if isinstance(text, list)))


def check_audit(batch_id: str, actor: str) -> None:
    """Nothing, when both can be stored; :class:`~graph.errors.InputError` otherwise."""
    for what, text in (("batch id", batch_id), ("actor", actor)):
        check_ids(id_list([text], what), what)


def watermark_number(watermark: str, last: int) -> int:
    """The sequence number a watermark stands for, in a store that has handed out ``last`` numbers.

    Raises:
        InputError: when it is not a watermark, or one the store has not reached.
    """
    plain = isinstance(watermark, str) and watermark.isascii() and watermark.isdigit() and len(watermark) < 20
    if not plain or int(watermark) > last:
        raise InputError(
            "the watermark is not one of this graph's",
            expected=f"0 to {last}",
            got=watermark,
            remedy="Build a new snapshot from this graph.",
        )
    return int(watermark)


def check_limit(limit: int) -> None:
    """Nothing, when so many can be asked for."""
    if limit < 1:
        raise InputError("the limit cannot be used", expected="at least 1", got=limit)


def column_rows(mutation: object) -> int:
    """How many rows a mutation has; 1 when that cannot be told."""
    ids: Any = getattr(mutation, "node_ids", getattr(mutation, "source_ids", None))
    return len(ids) if hasattr(ids, "__len__") else 1
