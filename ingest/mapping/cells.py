"""Cells: how one value is made from a row, and the conditions a row can be tested with."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from ingest.mapping.base import ONE_OR_MANY, TEXT_KEYS, ColumnName, Part, Regex, Text

CleanStep: TypeAlias = Literal["trim", "collapse", "upper", "lower", "nfkc", "integer"]


class Replace(Part):
    """Every match of an expression becomes ``by`` (groups as ``\\1``)."""

    replace: Regex
    by: str = ""


class Split(Part):
    """One text cell holds several values."""

    separator: str | None = Field(None, min_length=1)
    pattern: Regex | None = None
    min_length: int = Field(0, ge=0, description="Shorter values are dropped.")
    stop: tuple[Text, ...] = Field((), description="Values that are dropped, compared after cleaning.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.separator is None) == (self.pattern is None):
            raise ValueError("a split needs either `separator` or `pattern`")
        return self


class Lookup(Part):
    """The value is a key into another table of the mapping; the answer is one of that table's columns."""

    table: str
    key: ColumnName
    take: ColumnName
    otherwise: Literal["empty", "keep", "quarantine"] = "empty"


class PathLevels(Part):
    """The value is a path such as ``Home > Kitchen > Mugs``; ids are the path down to each level."""

    separator: str = Field(">", min_length=1)
    levels: Literal["leaf", "all"] = "leaf"
    joined: str = Field(" > ", min_length=1)


def _splits(value: object) -> object:
    return {"separator": value} if isinstance(value, str) else value


class Cell(Part):
    """One value of a row. Where it comes from, then steps, in the order of the fields below.

    A cell that holds a list (a split, a list of the file) goes through every step value by value.
    """

    column: ColumnName | None = None
    first_of: tuple[ColumnName, ...] = Field((), description="The first of these columns that is not empty.")
    template: str | None = Field(None, description="Columns put in a text, e.g. '{invoice}-{line}'.")
    value: Text | None = Field(None, description="The same text for every row.")
    join: str | None = Field(None, description="A list becomes one text with this between its values.")
    clean: Annotated[tuple[CleanStep | Replace, ...], ONE_OR_MANY] = ()
    split: Annotated[Split | None, BeforeValidator(_splits)] = None
    lookup: Lookup | None = None
    map: Annotated[dict[str, Text] | None, TEXT_KEYS] = None
    otherwise: Literal["keep", "empty", "quarantine"] = Field("quarantine", description="For values not in `map`.")
    path: PathLevels | None = None
    default: Text | None = Field(None, description="Instead of an empty value.")
    if_bad: Literal["quarantine", "empty"] = Field(
        "quarantine", description="What a value that is no number, no time … does to its row."
    )

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        origins = [self.column is not None, bool(self.first_of), self.template is not None, self.value is not None]
        if sum(origins) != 1:
            raise ValueError("a cell needs exactly one of `column`, `first_of`, `template`, `value`")
        return self


class TimeCell(Cell):
    """A moment. Numbers need `unit`; text is ISO 8601 unless `format` (strptime) is given."""

    unit: Literal["s", "ms", "us", "ns"] | None = None
    format: str | None = None
    time_zone: str = Field("UTC", description="Of times that carry no zone of their own.")
    earliest: str = "1970-01-01"
    latest: str = "2200-01-01"

    @model_validator(mode="after")
    def _one_reading(self) -> Self:
        if self.unit is not None and self.format is not None:
            raise ValueError("a time has either a `unit` (numbers) or a `format` (text)")
        return self


def _names_column(value: Any) -> Any:
    return {"column": value} if isinstance(value, str) else value


CellLike: TypeAlias = Annotated[Cell, BeforeValidator(_names_column)]
"""A cell, or just the name of a column."""

TimeLike: TypeAlias = Annotated[TimeCell, BeforeValidator(_names_column)]

_TESTS = (
    "empty", "equals", "one_of", "none_of", "matches", "not_matches", "starts_with",
    "at_least", "above", "at_most", "below", "same_as", "known_in", "unknown_in",
)  # fmt: skip


class KnownIn(Part):
    """A column of another table, as a set of values."""

    table: str
    key: ColumnName


class Condition(Part):
    """Tests on one column, all of which must hold. A value that is no number fails every comparison."""

    column: ColumnName
    empty: bool | None = None
    equals: Text | None = None
    one_of: tuple[Text, ...] | None = None
    none_of: tuple[Text, ...] | None = None
    matches: Regex | None = None
    not_matches: Regex | None = None
    starts_with: str | None = None
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    same_as: ColumnName | None = Field(None, description="Another column of the row, which holds the same text.")
    known_in: KnownIn | None = None
    unknown_in: KnownIn | None = None

    @model_validator(mode="after")
    def _tests_something(self) -> Self:
        if all(getattr(self, name) is None for name in _TESTS):
            raise ValueError("a condition needs a test: " + ", ".join(_TESTS))
        return self


Conditions: TypeAlias = Annotated[tuple[Condition, ...], ONE_OR_MANY]
