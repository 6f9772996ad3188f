"""The tree of a filter: what can be said of an item, and how it is joined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Scalar: TypeAlias = str | int | float | bool
Comparison: TypeAlias = Literal["=", "!=", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Name:
    """A name as written. ``column`` counts from 1; it is where an error about it points to."""

    text: str
    column: int


@dataclass(frozen=True, slots=True)
class Value:
    """A literal as written."""

    scalar: Scalar
    column: int


@dataclass(frozen=True, slots=True)
class Compare:
    """``price < 20``: the name's value, or any of its values, compares so."""

    name: Name
    comparison: Comparison
    value: Value


@dataclass(frozen=True, slots=True)
class Among:
    """``brand in ("Nivea", "Dove")``: any of the name's values is one of these."""

    name: Name
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Under:
    """``category under "Hair Care"``: an attribute is one of these, or below one in the hierarchy."""

    name: Name
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Exists:
    """``exists price``: the name has a value."""

    name: Name


@dataclass(frozen=True, slots=True)
class Not:
    inner: Expression


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """At least one part holds."""

    parts: tuple[Expression, ...]


Expression: TypeAlias = Compare | Among | Under | Exists | Not | All | Some
