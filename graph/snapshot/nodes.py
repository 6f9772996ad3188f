"""The nodes of one type in a snapshot: ids, rows, property columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from graph.errors import SchemaError
from graph.records import Value
from graph.schema import NodeSpec, PropertyKind
from graph.snapshot.vocabulary import IntArray, Vocabulary

_REMEMBERED = 16_384
"""Names found lately that are kept: the same items are shown again and again, and reading Arrow takes its time."""

ARROW_TYPES = {
    PropertyKind.STRING: pa.string(),
    PropertyKind.INTEGER: pa.int64(),
    PropertyKind.NUMBER: pa.float64(),
    PropertyKind.BOOLEAN: pa.bool_(),
    PropertyKind.TIMESTAMP: pa.int64(),
    PropertyKind.STRINGS: pa.list_(pa.string()),
}
"""Arrow type of a property column; timestamps are integer milliseconds."""


def title_of(spec: NodeSpec, node_id: str, value: object) -> str:
    """The display name of a node: its title property, else its id."""
    return str(value) if spec.title is not None and value not in (None, "") else node_id


class NodeTable:
    """Nodes of one type, rows ordered by the UTF-8 bytes of their ids."""

    def __init__(self, spec: NodeSpec, vocabulary: Vocabulary, table: pa.Table | None) -> None:
        self.spec = spec
        self.node_type = spec.name
        self.vocabulary = vocabulary
        self._columns: dict[str, Any] = (
            {} if table is None else {name: table.column(name) for name in table.schema.names}
        )
        self._names: dict[int, tuple[str, str]] = {}

    def __len__(self) -> int:
        return len(self.vocabulary)

    def index_of(self, node_id: str) -> int | None:
        return self.vocabulary.find(node_id)

    def indices_of(self, node_ids: Sequence[str]) -> IntArray:
        """Rows of the ids, -1 for an unknown one. Shape (N,)."""
        return self.vocabulary.find_all(node_ids)

    def id_of(self, index: int) -> str:
        found = self._names.get(index)
        if found is not None:
            return found[0]
        self._check(index)
        return self.vocabulary.id_of(index)

    def ids(self) -> list[str]:
        """Every id, in row order."""
        return list(self.vocabulary.ids.to_pylist())

    def column(self, name: str) -> pa.Array:
        """One property of every node, null where a node has none. Shape (N,); timestamps are int64 milliseconds."""
        if name in self._columns:
            column = self._columns[name]
            return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
        if name not in self.spec.properties:
            raise SchemaError(
                f"unknown property of {self.node_type}", expected="one of " + ", ".join(self.spec.properties), got=name
            )
        return pa.nulls(len(self), ARROW_TYPES[self.spec.properties[name]])

    def properties(self, index: int) -> dict[str, Value]:
        """The properties a node has; absent ones are left out."""
        self._check(index)
        values = ((name, column[index].as_py()) for name, column in self._columns.items())
        return {name: value for name, value in values if value is not None}

    def property(self, index: int, name: str) -> Value | None:
        """One property of a node; ``None`` for an absent one."""
        self._check(index)
        column = self._columns.get(name)
        value: Value | None = None if column is None else column[index].as_py()
        return value

    def title(self, index: int) -> str:
        """The display name, else the id."""
        return self.named(index)[1]

    def named(self, index: int) -> tuple[str, str]:
        """The id and the title of a node."""
        found = self._names.get(index)
        if found is None:
            node_id = self.id_of(index)
            title = None if self.spec.title is None else self.property(index, self.spec.title)
            found = (node_id, title_of(self.spec, node_id, title))
            if len(self._names) >= _REMEMBERED:
                self._names = {}
            self._names[index] = found
        return found

    def all_named(self, rows: Sequence[int]) -> list[tuple[str, str]]:
        """The id and the title of each of some nodes."""
        names = self._names
        return [names.get(row) or self.named(row) for row in rows]

    def _check(self, index: int) -> None:
        if not 0 <= index < len(self):
            raise IndexError(f"{self.node_type} row out of range: expected 0 to {len(self) - 1}, got {index}")
