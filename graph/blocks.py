"""Many mutations cut and gathered into blocks, each to be written in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, cast

from graph.records import DeleteNodes, Mutation, UpsertEdges
from graph.schema import EdgeType
from graph.values import column_list

COLUMNS = {
    "node_ids",
    "source_ids",
    "target_ids",
    "qualifiers",
    "weight",
    "timestamp_ms",
    "properties",
    "expected_version",
}


@dataclass(slots=True)
class Block:
    """Mutations to write in one transaction."""

    mutations: list[Mutation]
    rows: int = 0

    @property
    def needs_indexes(self) -> bool:
        """Whether it has to find edges by their target."""
        return any(isinstance(mutation, DeleteNodes) for mutation in self.mutations)


def blocks(mutations: Iterable[Mutation], rows: int) -> Iterator[Block]:
    """The mutations in order, cut and gathered into blocks of about ``rows`` rows."""
    block = Block([])
    for mutation in mutations:
        for piece in _pieces(mutation, rows):
            block.mutations.append(piece)
            block.rows += max(1, *_lengths(piece))
            if block.rows >= rows:
                yield block
                block = Block([])
    if block.mutations:
        yield block


def joined(mutations: Iterable[Mutation]) -> Iterator[Mutation]:
    """The mutations with edge upserts of one type made one where that changes nothing: longer runs in key order.

    Edges of different types may change places, since neither relies on the other. Anything else waits for
    them: nodes, deletes, the other ``create_missing``, and another kind of upsert of the same edges.
    """
    waiting: dict[EdgeType, list[UpsertEdges]] = {}
    for mutation in mutations:
        if not isinstance(mutation, UpsertEdges) or not all(_agrees(mutation, group[0]) for group in waiting.values()):
            yield from map(_joined, waiting.values())
            waiting.clear()
        if isinstance(mutation, UpsertEdges):
            waiting.setdefault(mutation.edge_type, []).append(mutation)
        else:
            yield mutation
    yield from map(_joined, waiting.values())


def _agrees(mutation: UpsertEdges, other: UpsertEdges) -> bool:
    if mutation.edge_type == other.edge_type:
        return _kind(mutation) == _kind(other)
    return mutation.create_missing == other.create_missing


def _kind(mutation: UpsertEdges) -> tuple[object, ...]:
    """What two mutations must share to be made one: everything but the contents of their columns."""
    return tuple(
        type(None) if value is None else len if field.name in COLUMNS and hasattr(value, "__len__") else value
        for field in fields(mutation)
        for value in [getattr(mutation, field.name)]
    )


def _joined(mutations: list[UpsertEdges]) -> UpsertEdges:
    if len(mutations) == 1:
        return mutations[0]
    columns: dict[str, list[Any]] = {}
    for mutation in mutations:
        rows = len(mutation.source_ids)
        for field in fields(mutation):
            column = getattr(mutation, field.name)
            if field.name in COLUMNS and hasattr(column, "__len__"):
                columns.setdefault(field.name, []).extend(column_list(column, field.name, rows))
    return replace(mutations[0], **cast(dict[str, Any], columns))


def _lengths(mutation: Mutation) -> list[int]:
    columns = (getattr(mutation, field.name) for field in fields(mutation) if field.name in COLUMNS)
    return [0, *(len(column) for column in columns if hasattr(column, "__len__"))]


def _pieces(mutation: Mutation, rows: int) -> Iterator[Mutation]:
    lengths = set(_lengths(mutation)[1:])
    if len(lengths) != 1 or max(lengths) <= rows:
        yield mutation  # columns that do not fit together are refused where they are written
        return
    columns = {
        field.name: column
        for field in fields(mutation)
        if field.name in COLUMNS and hasattr(column := getattr(mutation, field.name), "__len__")
    }
    for start in range(0, max(lengths), rows):
        yield replace(mutation, **{name: column[start : start + rows] for name, column in columns.items()})
