"""Tables: which files are read, in which shape, and what is done with each row."""

from __future__ import annotations

import codecs
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from ingest.mapping.base import ONE_OR_MANY, ColumnName, Part
from ingest.mapping.cells import CellLike, Conditions
from ingest.mapping.rules import EdgeRule, HierarchyRule, NodeRule


def _known_encoding(name: str) -> str:
    try:
        return codecs.lookup(name).name
    except LookupError as error:
        raise ValueError(f"unknown encoding {name!r}") from error


Encoding: TypeAlias = Annotated[str, AfterValidator(_known_encoding)]


class Delimited(Part):
    """Rows of cells between delimiters: CSV, TSV and relatives."""

    format: Literal["delimited"]
    delimiter: str = Field(",", min_length=1, max_length=8, description="Or `tab`, or `spaces` (any run of blanks).")
    quote: Literal['"', "'"] | None = '"'
    header: Literal["first_line", "typed", "none"] = Field(
        "first_line", description="`typed`: names such as `user_id:token`, of which the part after `:` is dropped."
    )
    columns: tuple[ColumnName, ...] = Field((), description="The names when there is no header.")
    encoding: Encoding = "utf-8"

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        if (self.header == "none") != bool(self.columns):
            raise ValueError("`columns` names the columns of files with `header: none`, and only of those")
        if len(set(self.columns)) != len(self.columns):
            raise ValueError("`columns` names a column twice")
        return self


class Lists(Part):
    """A line is a key and a list of values (`user item item …`), or without `key` a list alone."""

    format: Literal["lists"]
    delimiter: str = Field("spaces", min_length=1, max_length=8)
    key: ColumnName | None = None
    values: ColumnName = "values"
    encoding: Encoding = "utf-8"


class JsonLines(Part):
    """A JSON object on each line. Nested values are named with dots (`brand.name`)."""

    format: Literal["jsonl"]
    columns: tuple[ColumnName, ...] = Field(min_length=1, description="The fields that are read.")
    encoding: Encoding = "utf-8"


class JsonObject(Part):
    """One JSON object whose entries are rows: key → object, list, list of lists, or plain value.

    Of an object the fields named in `columns` are read. A list goes to the column `values`. A list of
    lists gives a row for each inner list, with its number (from 0) in the column `number`.
    """

    format: Literal["json_object"]
    key: ColumnName = "key"
    values: ColumnName = "values"
    number: ColumnName | None = None
    columns: tuple[ColumnName, ...] = ()
    encoding: Encoding = "utf-8"


class Parquet(Part):
    """A Parquet file; list columns are lists."""

    format: Literal["parquet"]
    columns: tuple[ColumnName, ...] = Field((), description="The columns that are read; all when empty.")


Reading: TypeAlias = Annotated[Delimited | Lists | JsonLines | JsonObject | Parquet, Field(discriminator="format")]


class RowNumber(Part):
    """A column that holds the number of the row in its file (files aligned line by line)."""

    column: ColumnName
    first: int = 0


class Explode(Part):
    """Each value of a list column becomes a row of its own."""

    column: ColumnName
    position: ColumnName | None = Field(None, description="A new column: the value's place in its list.")
    first: int = Field(1, description="The position of the first value.")


class Table(Part):
    """Files of one shape, and what each of their rows says about the graph.

    Order: read, `row_number`, `file_name`, `derive`, `explode`, `drop_if`, then the rules.
    """

    files: Annotated[tuple[str, ...], ONE_OR_MANY] = Field(min_length=1, description="Names or globs.")
    optional: bool = Field(False, description="No such file: an empty table instead of an error.")
    read: Reading
    null_values: tuple[str, ...] = Field((), description="Texts that mean: no value. An empty cell always does.")
    row_number: RowNumber | None = None
    file_name: ColumnName | None = Field(
        None, description="A column that holds the name of the row's file (a shop's departments, one file each)."
    )
    derive: dict[ColumnName, CellLike] = Field(default_factory=dict, description="New columns, in this order.")
    explode: Explode | None = None
    drop_if: Conditions = Field((), description="Rows for which any of these holds are filtered, and counted as such.")
    nodes: Annotated[tuple[NodeRule, ...], ONE_OR_MANY] = ()
    edges: Annotated[tuple[EdgeRule, ...], ONE_OR_MANY] = ()
    hierarchies: Annotated[tuple[HierarchyRule, ...], ONE_OR_MANY] = ()

    @property
    def is_lookup_only(self) -> bool:
        """Whether the table says nothing about the graph itself, and is only looked things up in."""
        return not (self.nodes or self.edges or self.hierarchies)
